"""What the figures of searches have in common: which trials and averages they show, and how."""

from collections.abc import Iterable

import pandas as pd
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gamecircuits.figures.style import COLOURS, MARKERS, key, new_figure, plain_log_ticks, readable
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
    count = len(COLOURS)
    return {
        variant: {
            "color": COLOURS[n % count],
            "marker": MARKERS[(n + n // count) % len(MARKERS)],
            "linestyle": LINES[n // count % len(LINES)],
        }
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


def label_log_axis(axis: Axis) -> None:
    """Plain numbers where powers of ten would be too few."""
    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and high < 300 * low:
        plain_log_ticks(axis)


def draw_nothing(game: str, length: int, explanation: str) -> Figure:
    """A figure that says why there is none."""
    figure, grid = new_figure(1, 1, 5, 1)
    grid[0, 0].set_axis_off()
    set_title(figure, game, length, explanation)
    return figure


def set_title(figure: Figure, game: str, length: int, explanation: str) -> None:
    """Title of a figure: the game, what was trained on, and how to read the symbols."""
    title = f"{readable(game)}, trained on prefixes of 1 to {length} tokens\n{explanation}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5)
