"""Figure: the least KL by embedding and by value dimension, and the least imbalance in between."""

from fractions import Fraction

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.layout import FIXED
from gamecircuits.figures.style import (
    FULL,
    GREY,
    Style,
    key,
    new_figure,
    note,
    panel,
    plain_log_ticks,
)

LOOKS: dict[str, Style] = {  # of the two kinds of attention
    "uniform": {"marker": "o", "color": "#0072B2"},
    "free": {"marker": "D", "color": "#D55E00", "markerfacecolor": "none"},
}
SMALL = 1e-3  # nats: a smaller KL is drawn on the logarithmic axis
SEPARATION = 0.09  # of labels, as a share of the axis


def draw(table: pd.DataFrame) -> Figure:
    """Symbols: best of the restarts; dots: every restart; lines: what no model gets below."""
    sizes = {"height_ratios": [2.8, 1, 3.4]}
    figure, grid = new_figure(3, 2, FULL, 5.4, gridspec_kw=sizes)
    figure.set_label(FIXED)  # an axis in two parts
    V = int(table["vocab_size"].iloc[0])
    for column, part in enumerate(("embedding", "values")):
        above, below = grid[:2, column]
        _draw_kl(above, below, table[table["part"] == part], V)
        _mark(above, below, V - 1, " V−1", 0.78)
    _mark(grid[0, 0], grid[1, 0], 2 * (V - 1), " 2(V−1)", 0.64)
    title = f"width of the residual stream, V = {V}"
    panel(grid[0, 0], 0, title, ylabel="least KL (nats)")
    panel(grid[0, 1], 1, "width of the values")
    grid[1, 0].set_xlabel("$d$, with $d_v = d$ (dimensions)")
    grid[1, 1].set_xlabel(f"$d_v$, with $d$ = {2 * V} (dimensions)")
    _explain(grid[0, 0], table)

    balance = figure.add_subplot(grid[2, 0].get_gridspec()[2, :])
    for axes in grid[2]:
        axes.remove()
    _draw_balance(balance, table[table["part"] == "balance"], V)
    panel(balance, 2, "balance: width or large weights")
    points: Style = {"linestyle": "none"}
    handles = [
        key(label="a, b: uniform attention", **points, **LOOKS["uniform"]),
        key(label="any attention", **points, **LOOKS["free"]),
        key(marker=".", label="each restart", **points),
        key(label="c: floor"),
        key(linestyle="--", label="construction"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=5)
    return figure


def _draw_kl(above: Axes, below: Axes, rows: pd.DataFrame, V: int) -> None:
    """KL by width: linear above, logarithmic below for what (almost) vanishes."""
    theory = rows.drop_duplicates("width")
    above.fill_between(theory["width"], theory["floor"], color="#e9e9e9", linewidth=0)
    above.plot(theory["width"], theory["floor"], color="black", linewidth=1)
    above.plot(theory["width"], theory["block"], color=GREY, linestyle="--", linewidth=1)
    above.axhline(theory["untrained"].iloc[0], color=GREY, linestyle=":", linewidth=1)
    for shift, (attention, look) in zip((-0.15, 0.15), LOOKS.items(), strict=True):
        part = rows[rows["attention"] == attention]
        best = part.groupby("width", as_index=False)["kl"].min()
        for axes, keep in ((above, pd.Series.gt), (below, pd.Series.le)):
            for points, style in (
                (part, {"marker": ".", "markersize": 3.5, "color": look["color"]}),
                (best, {"markersize": 4.5, "markeredgewidth": 1} | look),
            ):
                shown = points[keep(points["kl"], SMALL)]
                axes.plot(shown["width"] + shift, shown["kl"], linestyle="none", **style)
    ticks = np.arange(2, 2 * V + 1, 2 if V <= 6 else 4)
    above.set(xticks=ticks, ylim=(0, 1.15 * theory["untrained"].iloc[0]))
    above.tick_params(bottom=False, labelbottom=False)
    above.spines["bottom"].set_visible(False)
    cut: Style = {"marker": [(-1, -0.6), (1, 0.6)], "markersize": 6, "clip_on": False}
    for axes, end in ((above, 0), (below, 1)):  # where the axis is cut
        axes.plot(0, end, color="black", linestyle="none", transform=axes.transAxes, **cut)
    below.set(xticks=ticks, yscale="log", ylim=(1e-9, SMALL), yticks=[1e-9, 1e-6, SMALL])
    for axes in (above, below):
        axes.set_xlim(0.4, 2 * V + 0.6)


def _mark(above: Axes, below: Axes, width: int, name: str, height: float) -> None:
    """A width that matters, named beside the line."""
    for axes in (above, below):
        axes.axvline(width, color=GREY, linewidth=0.8, zorder=0)
    note(above, name, (width, height), xycoords=above.get_xaxis_transform())


def _explain(left: Axes, table: pd.DataFrame) -> None:
    """Names of the lines in the left panel."""
    first = table[table["part"] == "embedding"].iloc[0]
    middle = 1.5 * (first["vocab_size"] - 1)  # between the two marks
    note(left, "untrained", (middle, first["untrained"]), ha="center", va="bottom")
    note(left, "block", (1.25, first["block"]), va="bottom")
    note(left, "floor", (1.2, 0.15 * first["floor"]))


def _draw_balance(axes: Axes, rows: pd.DataFrame, V: int) -> None:
    """Imbalance by size of the weights, one colour per width, its floor as a line."""
    n = V - 1
    rows = rows.sort_values("size")
    low, high = rows["size"].min(), rows["size"].max()
    bottom = rows.loc[rows["floor"] > 0, "floor"].min() / 6
    top = max(1.0, 1.5 * rows["imbalance"].max())
    zero = 1.6 * bottom  # where zero is drawn
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.75, n + 1))
    ends, names = [], []
    for colour, (width, part) in zip(colours, rows.groupby("width"), strict=True):
        points = part["imbalance"].clip(lower=zero)
        marker = "v" if width == 2 * n else "o"
        axes.plot(part["size"], points, marker, markersize=4, color=colour)
        if width == 2 * n:
            ends.append(zero)
            names.append(f"$d$ = {width} = $2(V-1)$:  0")
            continue
        axes.plot(part["size"], part["floor"], color=colour, linewidth=1.2)
        if (part["chains"] > 1.01 * part["floor"]).any():
            axes.plot(part["size"], part["chains"], color=colour, linewidth=1, linestyle="--")
        ends.append(part["floor"].iloc[-1])
        power = min(Fraction(2), Fraction(n, 2 * n - width))
        names.append(f"$d$ = {width}{' = $V-1$' if width == n else ''}:  $N^{{-{power}}}$")
    axes.set(xscale="log", xlim=(low / 1.15, high * (high / low) ** 0.4))
    axes.set(yscale="log", ylim=(bottom, top), ylabel="imbalance (nats at $x$ = 1)")
    axes.set_xlabel("$N = \\|W_V W_O\\|/x$,  with $\\|W_E\\|, \\|W_U\\| \\leq 1$")
    plain_log_ticks(axes.xaxis)
    heights = np.log(np.array(ends) / bottom) / np.log(top / bottom)  # shares of the axis
    for colour, height, name in zip(colours, _apart(heights), names, strict=True):
        place = axes.get_xaxis_transform()
        note(axes, name, (high * 1.08, height), xycoords=place, va="center", color=colour)


def _apart(heights: np.ndarray) -> np.ndarray:
    """Heights, falling, moved up just enough that labels do not overlap."""
    for i in range(len(heights) - 2, -1, -1):
        heights[i] = max(heights[i], heights[i + 1] + SEPARATION)
    return heights
