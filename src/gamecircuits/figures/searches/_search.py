"""What the figures of searches have in common: which trials and averages they show, and how."""

from collections.abc import Iterable, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gamecircuits.figures.style import (
    COLOURS,
    Style,
    headline,
    key,
    new_figure,
    nth_look,
    plain_log_ticks,
    readable,
)
from gamecircuits.training.choices import KEYS, choose_middle

LINES = ("-", "--", ":")
DIVERGED = "diverged"  # column: whether the first average of the trial cannot be measured


def choose_averages(tables: dict[str, pd.DataFrame]) -> list[str]:
    """The first, the middle and the last average: chosen by place, so that results do not bias."""
    averages = list(tables["effects"]["average"].unique())  # all there are, in the config's order
    chosen = dict.fromkeys([averages[0], choose_middle(averages), averages[-1]])
    return [average for average in chosen if average is not None]


def join_trials(rows: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows of trials, and one row without values for each trial that has none.

    So the table beside a figure tells how many trials there were and how many diverged.
    """
    trials, metrics = tables["trials"][KEYS], tables["metrics"]
    is_first = metrics["average"] == choose_averages(tables)[0]
    measured = pd.MultiIndex.from_frame(metrics.loc[is_first, KEYS])
    diverged = ~pd.MultiIndex.from_frame(trials).isin(measured)
    return trials.assign(**{DIVERGED: diverged}).merge(rows, how="left", on=KEYS)


def get_looks(variants: Iterable[str]) -> dict[str, dict]:
    """Colour, marker and line of each variant, by its place in the config."""
    return {
        variant: nth_look(n) | {"linestyle": LINES[n // len(COLOURS) % len(LINES)]}
        for n, variant in enumerate(dict.fromkeys(variants))
    }


def count_trials(table: pd.DataFrame, variant: str) -> str:
    """Sample size of a variant: how many trials, and how many of them diverged."""
    trials = table[table["variant"] == variant].drop_duplicates("number")
    diverged = trials[DIVERGED].sum()
    total = "1 trial" if len(trials) == 1 else f"{len(trials)} trials"
    return total + (f", {diverged} diverged" if diverged else "")


def variant_keys(table: pd.DataFrame, looks: dict[str, dict], **style) -> list[Line2D]:
    """Entries of a legend: each variant with its sample size."""
    return [
        key(
            label=f"{readable(variant)}, {count_trials(table, variant)}",
            **{**look, "markerfacecolor": "none", **style},
        )
        for variant, look in looks.items()
    ]


def draw_trials(
    axes: Axes,
    rows: pd.DataFrame,
    place: str,
    look: dict[str, str],
    value: str = "value",
    width: float = 1.6,
    medians_only: bool = False,
) -> None:
    """A thin curve for each trial, a thick one for their median; dotted if there are no others."""
    # Several lengths can have as many legal tokens: then their mean.
    wide = rows.groupby([place, "number"])[value].mean().unstack()
    style: Style = {"color": look["color"], "linestyle": look.get("linestyle", "-")}
    if medians_only:
        style["linestyle"] = ":"
    else:
        axes.plot(wide.index, wide, linewidth=0.6, alpha=0.35, **style)
    axes.plot(wide.index, wide.median(axis=1), linewidth=width, **style)


def draw_variants(
    axes: Axes,
    table: pd.DataFrame,
    quantity: str,
    place: str,
    looks: dict[str, dict],
    medians_only: bool = False,
) -> None:
    """Curves of one quantity of all variants; dotted medians where it accompanies another."""
    of_quantity = table[table["quantity"] == quantity]
    for variant, rows in of_quantity.groupby("variant", sort=False):
        draw_trials(axes, rows, place, looks[variant], medians_only=medians_only)


def draw_nothing(game: str, length: int, explanation: str) -> Figure:
    """A figure that says why there is none."""
    figure, grid = new_figure(1, 1, 5, 1)
    grid[0, 0].set_axis_off()
    finish(figure, game, length, explanation)
    return figure


def finish(
    figure: Figure,
    game: str,
    length: int,
    explanation: str,
    handles: Sequence[Artist] = (),
    ncols: int = 4,
) -> None:
    """Legend and title of a drawn figure; plain numbers where powers of ten would be too few."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high < 300 * low:
            plain_log_ticks(axis)
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=ncols)
    title = f"{readable(game)}, trained on prefixes of 1 to {length} tokens\n{explanation}"
    headline(figure, title, 9.5)
