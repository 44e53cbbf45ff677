"""Figure: how far models go on beyond their trained lengths, by the levels of two factors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.style import (
    DASHES,
    FULL,
    GREY,
    TRAINED,
    Style,
    headline,
    key,
    looks_of,
    new_panels,
    panel,
    readable,
)
from gamecircuits.training.grid import BETWEEN

METRIC = "total_variation"
PER_LINE = 3  # panels
SIZE = (FULL / PER_LINE, 1.75)  # inches of a panel
FLOOR = 1e-3  # of the axes at least; the curves go on below
GUESS: Style = {"color": "#b8b8b8", "linewidth": 2.2, "zorder": 1.8}  # equal logits
FACTORS = ("factor", "other_factor")  # colour, and dash


def make_table(
    metrics: Mapping[str, pd.DataFrame],
    baselines: Mapping[str, pd.DataFrame],
    searches: Sequence[tuple[str, Mapping[str, Any]]],
) -> pd.DataFrame:
    """One row per search, levels of its first two factors, and length, of the first average.

    `mean` is the total variation in the mean over draws and all levels of other factors, and
    `lowest` and `highest` are those of draws. `uniform` is that of equal logits.

    Args:
        metrics, baselines: tables by search.
        searches: name; game, length (trained) and levels of each factor, in order.
    """
    tables = []
    for search, about in searches:
        factors = [factor for factor, _ in about["levels"]][: len(FACTORS)]
        rows, baseline = metrics[search], baselines[search]
        rows = rows[rows["metric"] == METRIC]
        rows = rows[rows["average"] == rows["average"].iloc[0]] if len(rows) else rows
        levels = rows["variant"].str.split(BETWEEN, regex=False)
        columns = list(FACTORS[: len(factors)])
        rows = rows.assign(**{name: levels.str[place] for place, name in enumerate(columns)})
        draws = rows.groupby([*columns, "length", "number"], sort=False)["mean"].mean()
        means = draws.groupby([*columns, "length"], sort=False).agg(["mean", "min", "max", "size"])
        names = {"min": "lowest", "max": "highest", "size": "num_trials"}
        table = means.reset_index().rename(columns=names)
        is_guess = (baseline["baseline"] == "uniform") & (baseline["metric"] == METRIC)
        guess = baseline[is_guess].set_index("length")["mean"]
        table = table.assign(
            search=search, game=about["game"], trained=about["length"],
            relative=table["length"] / about["length"], uniform=table["length"].map(guess),
        )  # fmt: skip
        tables.append(table.reindex(columns=["search", "game", "trained", *FACTORS, *table]))
    table = pd.concat(tables, ignore_index=True)
    return table.loc[:, ~table.columns.duplicated()]


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each search: length as a multiple of the trained one, total variation."""
    searches = list(table["search"].unique())
    is_single = len(searches) == 1
    width, height = (FULL, 3.0) if is_single else SIZE
    figure, grid = new_panels(len(searches), PER_LINE, width, height)
    looks = looks_of({level: level for level in table["factor"].unique()})
    dashes = dict(zip(table["other_factor"].unique(), DASHES, strict=False))
    low = max(FLOOR, table["mean"].min() / 1.5)
    for index, (search, axes) in enumerate(zip(searches, grid.flat, strict=False)):
        rows = table[table["search"] == search]
        axes.axvspan(0, 1, zorder=0, **TRAINED)
        guess = rows.drop_duplicates("length").set_index("relative")["uniform"].sort_index()
        axes.plot(guess.where(guess > 0), **GUESS)
        keys = ["factor", "other_factor"]
        for (level, other), of_cell in rows.groupby(keys, sort=False, dropna=False):
            curve = of_cell.set_index("relative")["mean"].sort_index()
            look = {"color": looks[level]["color"], "linestyle": dashes[other]}
            axes.plot(curve.where(curve > 0), **look)
        trained = rows["trained"].iloc[0]
        panel(axes, index, f"{readable(search)}, trained to {trained}")
        axes.set(yscale="log", ylim=(low, 1.4), xlim=(0, 1.02 * rows["relative"].max()))
        if index % PER_LINE == 0:
            axes.set_ylabel("total variation")
        axes.set_xlabel("length / trained length")
    handles: list = [
        key(color=look["color"], label=readable(level)) for level, look in looks.items()
    ]
    handles += [
        key(color=GREY, linestyle=dash, label=readable(other))
        for other, dash in dashes.items() if isinstance(other, str)
    ]  # fmt: skip
    handles += [key(label="uniform guess", **GUESS), Patch(label="lengths in training", **TRAINED)]
    figure.legend(handles=handles, loc="outside lower left", ncols=5)
    headline(figure, _describe(table))
    return figure


def _describe(table: pd.DataFrame) -> str:
    """Title: what is drawn, and of how many draws."""
    numbers = np.unique(table["num_trials"])
    draws = "1 draw" if list(numbers) == [1] else f"{' to '.join(map(str, _ends(numbers)))} draws"
    return (
        f"beyond the trained length: distance from the truth, mean of {draws}\n"
        "and of all levels of other factors; weights after the last step"
    )


def _ends(numbers: np.ndarray) -> list[int]:
    return sorted({int(numbers.min()), int(numbers.max())})
