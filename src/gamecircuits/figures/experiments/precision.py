"""Figure: what rounding does to the absent logits, by type, basis and vocabulary."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    FULL,
    GREY,
    Style,
    key,
    new_panels,
    panel,
    plain_log_ticks,
)

TYPES = {  # colour: the fewer bits, the darker
    "bfloat16": "#7F0000",
    "float16": "#D7301F",
    "float32": "#FC8D59",
    "float64": "#B8A04A",
}
BASES = {"rotated": "o", "helmert": "D"}  # the other two leave nothing to draw
TOLERATED = 1e-2  # total variation
MAX_TICKS = 5


def draw(table: pd.DataFrame) -> Figure:
    """Largest spread, largest total variation, and the spread in units of u·x, against V."""
    figure, grid = new_panels(3, 3, FULL / 3, 2.3)
    spread, variation, constant = grid.flat
    worst = table.groupby(["basis", "dtype", "vocab_size"], sort=False).max(numeric_only=True)
    worst = worst.reset_index()
    exact = worst[~worst["basis"].isin(BASES) & (worst["spread_max"] == 0)]

    _draw_types(spread, worst, "spread_max")
    for dtype, colour in TYPES.items():
        line = worst[(worst["dtype"] == dtype) & (worst["basis"] == "rotated")]
        style: Style = {"color": colour, "linewidth": 1, "linestyle": "--"}
        spread.plot(line["vocab_size"], line["proven_spread"], **style)
    panel(spread, 0, "largest spread of absent logits", ylabel="nats")
    _draw_types(variation, worst, "total_variation_max")
    panel(variation, 1, "its effect on p", ylabel="total variation from exact")
    variation.axhline(TOLERATED, color=GREY, linewidth=1, linestyle=":")
    _draw_constants(constant, worst)
    panel(constant, 2, "the spread in units of u·x")
    sizes = sorted(table["vocab_size"].unique())
    for axes in grid.flat:
        axes.set_xscale("log", base=2)
        shown = sizes[:: -(-len(sizes) // MAX_TICKS)]
        axes.set_xticks(shown, [str(size) for size in shown])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("vocabulary V (tokens)")
    dtypes = [dtype for dtype in TYPES if (worst["dtype"] == dtype).any()]
    handles = [
        key(color=TYPES[dtype], marker="o", linewidth=0.8, label=_describe_limit(worst, dtype))
        for dtype in dtypes
    ]
    handles += [key(label=f"{basis} basis", **_look(basis, GREY)) for basis in BASES]
    handles.append(key(linestyle="--", linewidth=1, label="proved bound; in c 1.7 √(2 ln V / V)"))
    if len(exact):
        names = " and ".join(exact["basis"].unique())
        handles.append(key(linestyle="none", label=f"not drawn: {names}, spread 0"))
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def _draw_types(axes: Axes, worst: pd.DataFrame, value: str) -> None:
    """Measurements as points."""
    axes.set_yscale("log")
    for dtype, colour in TYPES.items():
        rows = worst[worst["dtype"] == dtype]
        for basis in BASES:
            part = rows[rows["basis"] == basis]
            axes.plot(part["vocab_size"], part[value], **_look(basis, colour))


def _look(basis: str, colour: str) -> dict:
    fill = colour if basis == "rotated" else "white"
    return {"color": colour, "marker": BASES[basis], "markerfacecolor": fill, "linewidth": 0.8}


def _describe_limit(worst: pd.DataFrame, dtype: str) -> str:
    """The type, and up to which V the total variation stays tolerable, as measured."""
    rows = worst[(worst["dtype"] == dtype) & (worst["basis"] == "rotated")]
    sizes, values = rows["vocab_size"].to_numpy(), rows["total_variation_max"].to_numpy()
    if values[0] > TOLERATED:
        return f"{dtype}: rotated above 0.01 in b from V = {sizes[0]} on"
    if values[-1] <= TOLERATED:
        return f"{dtype}: rotated below 0.01 in b at all V shown"
    limit = 2 ** np.interp(np.log(TOLERATED), np.log(values), np.log2(sizes))
    return f"{dtype}: rotated below 0.01 in b up to V ≈ {limit:.0f}"


def _draw_constants(axes: Axes, worst: pd.DataFrame) -> None:
    """Largest spread divided by u·x; for 16 bits and a generic basis random errors cancel."""
    axes.set_yscale("log")
    for (basis, dtype), rows in worst.groupby(["basis", "dtype"], sort=False):
        if basis in BASES:
            ratio = rows["spread_max"] / (rows["unit"] * rows["x"])
            axes.plot(rows["vocab_size"], ratio, **_look(basis, TYPES[dtype]))
    V = np.geomspace(worst["vocab_size"].min(), worst["vocab_size"].max(), 50)
    axes.plot(V, 1.7 * np.sqrt(2 * np.log(V) / V), color=GREY, linewidth=1, linestyle="--")
    axes.set(ylim=(0.1, 20), ylabel="largest spread / (u·x)")
    plain_log_ticks(axes.yaxis)
