"""Figure: how far models go on beyond their trained lengths, by the levels of two factors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from gamecircuits.figures.style import (
    DASHES,
    FULL,
    GREY,
    TRAINED,
    Style,
    headline,
    key,
    looks_of,
    new_figure,
    new_panels,
    panel,
    plain_log_ticks,
    readable,
)
from gamecircuits.training.grid import BETWEEN

METRIC = "total_variation"
PER_LINE = 3  # panels
SIZE = (FULL / PER_LINE, 1.75)  # inches of a panel
FLOOR = 1e-3  # of the axes at least; the curves go on below
GUESS: Style = {"color": "#b8b8b8", "linewidth": 2.2, "zorder": 1.8}  # equal logits
FACTORS = ("factor", "other_factor")  # colour, and dash
COLUMNS = [
    *("search", "game", "trained", *FACTORS, "length", "relative", "num_draws", "num_others"),
    *("mean", "lowest", "highest", "uniform"),
]


def make_table(
    metrics: Mapping[str, pd.DataFrame],
    baselines: Mapping[str, pd.DataFrame],
    searches: Sequence[tuple[str, Mapping[str, Any]]],
) -> pd.DataFrame:
    """One row per search, levels of its first two factors, and length, of the first average.

    `mean` is the total variation in the mean over draws and all levels of other factors, and
    `lowest` and `highest` are those of draws. `uniform` is that of equal logits, `num_others` the
    number of variants in a line.

    Args:
        metrics, baselines: tables by search.
        searches: name; game, length (trained) and levels of each factor, in order.
    """
    tables = []
    for search, about in searches:
        baseline = baselines[search]
        is_guess = (baseline["baseline"] == "uniform") & (baseline["metric"] == METRIC)
        guess = baseline[is_guess].set_index("length")["mean"]
        table = _average(metrics[search], len(about["levels"]))
        others = [len(names) for _, names in about["levels"][len(FACTORS) :]]
        table = table.assign(
            search=search, game=about["game"], trained=about["length"],
            relative=table["length"] / about["length"], num_others=int(np.prod(others)),
            uniform=table["length"].map(guess),
        )  # fmt: skip
        tables.append(table[COLUMNS])
    return pd.concat(tables, ignore_index=True)


def _average(metrics: pd.DataFrame, num_factors: int) -> pd.DataFrame:
    """Mean over draws of the means over variants with the same levels of FACTORS, by length."""
    rows = metrics[metrics["metric"] == METRIC]
    rows = rows[rows["average"].isin(rows["average"].iloc[:1])]  # the first
    levels = rows["variant"].astype(str).str.split(BETWEEN, regex=False)
    for place, factor in enumerate(FACTORS):
        rows = rows.assign(**{factor: levels.str[place] if place < num_factors else ""})
    draws = rows.groupby([*FACTORS, "length", "number"], sort=False)["mean"].mean()
    means = draws.groupby([*FACTORS, "length"], sort=False).agg(["mean", "min", "max", "size"])
    names = {"min": "lowest", "max": "highest", "size": "num_draws"}
    return means.reset_index().rename(columns=names)


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each search: length as a multiple of the trained one, total variation."""
    if table.empty:
        figure, grid = new_figure(1, 1, FULL, 0.8)
        grid[0, 0].set_axis_off()
        headline(figure, "All trials diverged: lower the learning rate")
        return figure
    searches = list(table["search"].unique())
    is_single = len(searches) == 1
    width, height = (FULL, 3.0) if is_single else SIZE
    figure, grid = new_panels(len(searches), PER_LINE, width, height)
    looks = looks_of({level: level for level in table["factor"].unique()})
    dashes = {
        level: DASHES[n % len(DASHES)] for n, level in enumerate(table["other_factor"].unique())
    }
    low = max(FLOOR, table["mean"].min() / 1.5)
    for index, (search, axes) in enumerate(zip(searches, grid.flat, strict=False)):
        rows = table[table["search"] == search]
        axes.axvspan(0, 1, zorder=0, **TRAINED)
        guess = rows.drop_duplicates("length").set_index("relative")["uniform"].sort_index()
        axes.plot(guess.where(guess > 0), **GUESS)
        for (level, other), of_cell in rows.groupby(list(FACTORS), sort=False):
            curve = of_cell.set_index("relative")["mean"].sort_index()
            look = {"color": looks[level]["color"], "linestyle": dashes[other]}
            axes.plot(curve.where(curve > 0), **look)
        trained = rows["trained"].iloc[0]
        panel(axes, index, f"{readable(search)}, trained to {trained}")
        axes.set(yscale="log", ylim=(low, 1.4), xlim=(0, 1.02 * rows["relative"].max()))
        _tick_plainly(axes)
        axes.set(xlabel="length / trained", ylabel="total variation")
    handles: list = [
        key(color=look["color"], label=readable(level)) for level, look in looks.items()
    ]
    handles += [
        key(color=GREY, linestyle=dash, label=readable(other))
        for other, dash in dashes.items() if other
    ]  # fmt: skip
    handles += [key(label="uniform guess", **GUESS), Patch(label="lengths in training", **TRAINED)]
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    headline(figure, _describe(table))
    return figure


def _tick_plainly(axes: Axes) -> None:
    """Plain numbers, and fewer of them where there are several decades."""
    low, high = axes.get_ylim()
    plain_log_ticks(axes.yaxis)
    if high > 30 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1,)))


def _describe(table: pd.DataFrame) -> str:
    """Title: what is drawn, and of how many draws."""
    numbers = sorted({int(table["num_draws"].min()), int(table["num_draws"].max())})
    draws = "1 draw" if numbers == [1] else f"{' to '.join(map(str, numbers))} draws"
    others = ", and of all levels of the other factors" * bool(table["num_others"].max() > 1)
    return f"Distance from the truth beyond the trained length\nmeans of {draws}{others}"
