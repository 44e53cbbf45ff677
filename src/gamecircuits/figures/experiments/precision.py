"""Figure: what rounding does to the absent logits, by type, basis and vocabulary."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    Style,
    key,
    new_figure,
    note,
    panel,
    plain_log_ticks,
)

TYPES = {  # colour, and where its name stands in the first and second panel: points from a marker
    "bfloat16": (COLOURS[1], 32, 24),
    "float16": (COLOURS[4], -16, -17),
    "float32": (COLOURS[0], -14, -16),
    "float64": (COLOURS[2], -16, 24),
}
BASES = {"rotated": "o", "helmert": "D"}  # the other two leave nothing to draw
TOLERATED = 1e-2  # total variation


def draw(table: pd.DataFrame) -> Figure:
    """Largest spread, largest total variation, and the spread in units of u·x, against V."""
    figure, grid = new_figure(1, 3, 11.4, 3.9)
    spread, variation, constant = grid[0]
    worst = table.groupby(["basis", "dtype", "vocab_size"], sort=False).max(numeric_only=True)
    worst = worst.reset_index()
    exact = worst[~worst["basis"].isin(BASES) & (worst["spread_max"] == 0)]

    _draw_types(spread, worst, "spread_max")
    for dtype, (colour, *_) in TYPES.items():
        line = worst[(worst["dtype"] == dtype) & (worst["basis"] == "rotated")]
        style: Style = {"color": colour, "linewidth": 1, "linestyle": "--"}
        spread.plot(line["vocab_size"], line["proven_spread"], **style)
    spread.set_ylim(bottom=spread.get_ylim()[0] / 8)
    panel(spread, 0, "what rounding does (dashed: proved bound)")
    spread.set_ylabel("largest spread of absent logits (nats)")
    names = " and ".join(exact["basis"].unique())
    place: Style = {"xycoords": "axes fraction", "ha": "right"}
    note(spread, f"{names}:\nspread 0 in every type", (0.97, 0.42), **place)
    _draw_types(variation, worst, "total_variation_max")
    panel(variation, 1, "its effect on p")
    variation.set_ylabel("total variation from exact arithmetic")
    variation.axhline(TOLERATED, color=GREY, linewidth=1, linestyle=":")
    sizes = sorted(table["vocab_size"].unique())
    first = worst[(worst["basis"] == "rotated") & (worst["vocab_size"] == sizes[0])]
    for row in first.itertuples():
        colour, up, above = TYPES[row.dtype]
        note(spread, row.dtype, (sizes[0], row.spread_max), (0, up), color=colour)
        label = f"{row.dtype}: {_describe_limit(worst, row.dtype)}"
        note(variation, label, (sizes[0], row.total_variation_max), (0, above), color=colour)
    _draw_constants(constant, worst)
    panel(constant, 2, "the spread in units of u·x")
    for axes in grid[0]:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xlabel("vocabulary V (tokens)")
    return figure


def _draw_types(axes: Axes, worst: pd.DataFrame, value: str) -> None:
    """Measurements as points."""
    axes.set_yscale("log")
    for dtype, (colour, *_) in TYPES.items():
        rows = worst[worst["dtype"] == dtype]
        for basis in BASES:
            part = rows[rows["basis"] == basis]
            axes.plot(part["vocab_size"], part[value], **_look(basis, colour))
    axes.set_ylim(top=axes.get_ylim()[1] * 8)


def _look(basis: str, colour: str) -> dict:
    fill = colour if basis == "rotated" else "white"
    return {"color": colour, "marker": BASES[basis], "markerfacecolor": fill, "linewidth": 0.8}


def _describe_limit(worst: pd.DataFrame, dtype: str) -> str:
    """Up to which V the total variation stays tolerable, as measured."""
    rows = worst[(worst["dtype"] == dtype) & (worst["basis"] == "rotated")]
    sizes, values = rows["vocab_size"].to_numpy(), rows["total_variation_max"].to_numpy()
    if values[0] > TOLERATED:
        return f"above 0.01 from V = {sizes[0]} on"
    if values[-1] <= TOLERATED:
        return f"below 0.01 up to V = {sizes[-1]}, or more"
    limit = 2 ** np.interp(np.log(TOLERATED), np.log(values), np.log2(sizes))
    return f"below 0.01 up to V ≈ {limit:.0f}"


def _draw_constants(axes: Axes, worst: pd.DataFrame) -> None:
    """Largest spread divided by u·x; for 16 bits and a generic basis random errors cancel."""
    axes.set_yscale("log")
    for (basis, dtype), rows in worst.groupby(["basis", "dtype"], sort=False):
        if basis in BASES:
            ratio = rows["spread_max"] / (rows["unit"] * rows["x"])
            axes.plot(rows["vocab_size"], ratio, **_look(basis, TYPES[dtype][0]))
    V = np.geomspace(worst["vocab_size"].min(), worst["vocab_size"].max(), 50)
    axes.plot(V, 1.7 * np.sqrt(2 * np.log(V) / V), color=GREY, linewidth=1, linestyle="--")
    note(axes, r"$1.7\,\sqrt{2\,\ln V/V}$", (V[-1], 0.2), (-8, -2), ha="right", va="top")
    handles = [key(label=basis, **_look(basis, GREY)) for basis in BASES]
    axes.legend(handles=handles, loc="upper left", ncols=2)
    axes.set(ylim=(0.1, 20), ylabel="largest spread / (u·x)")
    plain_log_ticks(axes.yaxis)
