"""Small multiples: panels of each variant in a column, on the scales of all others."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gamecircuits.figures.searches._search import count_trials
from gamecircuits.figures.style import (
    FULL,
    GREY,
    TRAINED,
    Style,
    integer_ticks,
    key,
    new_figure,
    panel,
    readable,
)

PER_LINE = 4  # variants
FOOT = 0.5  # height of the panel below a column, of that of the others
LENGTH = "length s (tokens)"
BASELINES: dict[str, Style] = {  # what models are compared with, by column of a table
    "uniform": {"color": "#b8b8b8", "linewidth": 2.2},
    "untrained": {"color": GREY, "linestyle": (0, (1, 1.3)), "linewidth": 1.2},
}
NAMES = {"uniform": "uniform guess", "untrained": "untrained model"}


class Multiples(NamedTuple):
    """A figure, the panels of each variant from above, and the feet of the columns of panels."""

    figure: Figure
    panels: dict[str, list[Axes]]
    feet: list[Axes]


def new_multiples(
    table: pd.DataFrame, labels: Sequence[str], height: float, place: str, has_foot: bool = False
) -> Multiples:
    """Empty panels, with the names of the variants and how many trials there were.

    Args:
        table: rows of trials, as `join_trials` makes them.
        labels: of the y axes of a variant's panels, from above.
        height: of a panel with what is around it, in inches.
        place: label of the x axis.
        has_foot: whether a low panel ends each column, on the same x axis.
    """
    variants = list(table["variant"].unique())
    columns = min(len(variants), PER_LINE)
    lines, rows = -(-len(variants) // columns), len(labels)
    ratios = [1.0] * (lines * rows) + [FOOT] * has_foot
    figure, grid = new_figure(
        len(ratios), columns, FULL, height * sum(ratios) + 0.8,
        sharex=True, sharey="row", height_ratios=ratios,
    )  # fmt: skip
    blocks = grid[: lines * rows].reshape(lines, rows, columns).swapaxes(1, 2).reshape(-1, rows)
    for axes in blocks[len(variants) :].flat:
        axes.set_visible(False)
    panels = {variant: list(block) for variant, block in zip(variants, blocks, strict=False)}
    for index, (variant, of_variant) in enumerate(panels.items()):
        title = f"{readable(variant)}\n{count_trials(table, variant)}"
        panel(of_variant[0], index, title)
        if index % columns == 0:
            for axes, label in zip(of_variant, labels, strict=True):
                axes.set_ylabel(label)
        if not has_foot:
            of_variant[-1].set_xlabel(place)
            of_variant[-1].tick_params(labelbottom=True)
    feet = list(grid[-1]) if has_foot else []
    for axes in feet:
        axes.set_xlabel(place)
    return Multiples(figure, panels, feet)


def shade_trained(axes: Axes, lengths: pd.Series, trained: int) -> None:
    """An axis of lengths, on which those in training are shaded."""
    axes.axvspan(0, trained + 0.5, zorder=0, **TRAINED)
    integer_ticks(axes, lengths)
    axes.set_xlim(lengths.min() - 0.5, lengths.max() + 0.5)


def join_baselines(
    table: pd.DataFrame, baselines: pd.DataFrame, names: Sequence[str] = tuple(BASELINES)
) -> pd.DataFrame:
    """A table by metric and length with a column for each baseline, and num_legal by length."""
    means = baselines.pivot(index=["metric", "length"], columns="baseline", values="mean")
    num_legal = means["games"].xs("num_legal", level="metric").rename("num_legal")
    compared = means.reindex(columns=list(names)).dropna(how="all")
    table = table.merge(compared, how="left", left_on=["metric", "length"], right_index=True)
    return table.merge(num_legal, how="left", left_on="length", right_index=True)


def draw_baselines(axes: Axes, of_metric: pd.DataFrame) -> None:
    """The baselines that the table has, by length."""
    rows = of_metric.dropna(subset="length").drop_duplicates("length").set_index("length")
    for name, style in BASELINES.items():
        if name in rows:
            axes.plot(rows[name].sort_index(), zorder=1.8, **style)


def draw_num_legal(feet: Sequence[Axes], table: pd.DataFrame) -> None:
    """How many tokens are legal by length: a difference in length may be one in this number."""
    rows = table.dropna(subset=["length", "num_legal"]).drop_duplicates("length")
    numbers = rows.set_index("length")["num_legal"].sort_index()
    for index, axes in enumerate(feet):
        axes.plot(numbers, color=GREY, linewidth=1)
        axes.set_ylim(0, 1.15 * numbers.max())
        axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        if index == 0:
            axes.set_ylabel("legal\ntokens")


def baseline_keys(table: pd.DataFrame) -> list:
    """Entries of a legend."""
    return [key(label=NAMES[name], **style) for name, style in BASELINES.items() if name in table]
