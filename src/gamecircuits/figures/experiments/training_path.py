"""Figure: the path of training, predicted from the weights before the first step."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gamecircuits.figures.layout import FLOWING
from gamecircuits.figures.style import (
    FULL,
    GREY,
    HOLLOW,
    Style,
    headline,
    integer_ticks,
    key,
    new_figure,
    note,
    nth_look,
    panel,
    plain_log_ticks,
)

FLOOR = 1e-5  # of the axes of rates
WIDE = 1.5  # width over V−1 from which the closed form is expected to hold
COLUMNS = 3
TRAINED_LENGTH, LONGEST = "#009E73", "#9A2A7E"
DRAWN, HELD_OUT = "#0072B2", "#D55E00"  # parts of the table


def draw(table: pd.DataFrame) -> Figure:
    """A panel of x for each kind of training; then x, illegal rates, and lengths at the end."""
    drawn = table[table["part"] == "drawn"]
    kinds = list(drawn["kind"].unique())
    lines = -(-len(kinds) // COLUMNS)
    figure, grid = new_figure(lines + 1, COLUMNS, FULL, 2.0 * (lines + 1))
    figure.set_label(FLOWING)
    panels = grid.ravel()
    for axes in panels[len(kinds) : lines * COLUMNS]:
        axes.set_visible(False)
    for index, kind in enumerate(kinds):
        _draw_path(panels[index], drawn[drawn["kind"] == kind])
        panel(panels[index], index, kind)
    end = table[table["step"] == table["step"].max()]
    letter, last = len(kinds), grid[-1]
    _draw_strengths(last[0], end)
    panel(last[0], letter, "x at the end")
    _draw_rates(last[1], end)
    panel(last[1], letter + 1, "illegal token rate at the end")
    _draw_lengths(last[2], end)
    panel(last[2], letter + 2, "longest length within ε")
    points: Style = {"linestyle": "none"}
    handles = [
        key(marker="o", color=DRAWN, label="trainings of the panels above", **points),
        key(marker="s", color=HELD_OUT, label="held out", **points),
        key(marker="^", color=TRAINED_LENGTH, label="rate at the longest length trained", **points),
        key(marker="D", color=LONGEST, label="rate at length V−1", **points),
        key(marker="o", label=f"hollow: d < {WIDE:g}(V−1)", **HOLLOW),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    rates = ", ".join(f"{rate:g}" for rate in sorted(end["max_illegal_rate"].dropna().unique()))
    held_out = end.loc[end["part"] == "held_out", "run"].nunique()
    headline(figure, f"{end['run'].nunique()} trainings, {held_out} held out; ε = {rates}")
    return figure


def _is_wide(rows: pd.DataFrame) -> pd.Series:
    return rows["d_model"] >= WIDE * (rows["vocab_size"] - 1)


def _draw_path(axes: Axes, rows: pd.DataFrame) -> None:
    """x against steps, from zero at the first step."""
    rows = rows[rows["quantity"] == "x"]
    for index, (_, one) in enumerate(rows.groupby("run", sort=False)):
        look, about = nth_look(index), one.iloc[0]
        axes.plot(one["step"], one["predicted"], color=look["color"])
        axes.plot(one["step"], one["measured"], **look, **HOLLOW)
        width = "" if _is_wide(one).all() else f", d = {about['d_model']:.0f}"
        text = f"V = {about['vocab_size']:.0f}, n = {about['trained']:.0f}{width}"
        note(axes, text, (0, 1), (4, -7 - 8 * index), xycoords="axes fraction",
             color=look["color"], fontsize=6.5)  # fmt: skip
    axes.set(xlabel="steps", ylabel="strength x (nats)", xlim=(0, None))
    axes.set_ylim(0, 1.5 * rows[["predicted", "measured"]].max().max())


def _scatter(axes: Axes, rows: pd.DataFrame, marker: str, colour: str) -> None:
    """Wide models filled, narrow ones hollow."""
    for is_wide, face in ((True, colour), (False, "none")):
        some = rows[_is_wide(rows) == is_wide]
        axes.plot(some["predicted"], some["measured"], linestyle="none", marker=marker,
                  color=colour, markerfacecolor=face, markersize=3.5)  # fmt: skip


def _diagonal(axes: Axes, low: float, high: float) -> None:
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, zorder=1)
    axes.set(xlabel="predicted", ylabel="measured")


def _draw_strengths(axes: Axes, end: pd.DataFrame) -> None:
    rows = end[end["quantity"] == "x"]
    for part, marker, colour in (("drawn", "o", DRAWN), ("held_out", "s", HELD_OUT)):
        _scatter(axes, rows[rows["part"] == part], marker, colour)
    values = rows[["predicted", "measured"]]
    low, high = 0.8 * max(values.min().min(), 0.1), 1.25 * values.max().max()
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        plain_log_ticks(axis)
        axis.set_major_locator(LogLocator(subs=(1,) if high > 30 * low else (1, 3)))
    _diagonal(axes, low, high)


def _draw_rates(axes: Axes, end: pd.DataFrame) -> None:
    rows = end[end["quantity"] == "illegal_rate"].copy()
    columns = ["predicted", "measured"]
    rows[columns] = rows[columns].clip(lower=FLOOR)
    is_longest = rows["length"] == rows["vocab_size"] - 1
    _scatter(axes, rows[~is_longest], "^", TRAINED_LENGTH)
    _scatter(axes, rows[is_longest], "D", LONGEST)
    low = 0.6 * rows[columns].min().min()
    axes.set(xscale="log", yscale="log", xlim=(low, 1.5), ylim=(low, 1.5))
    _diagonal(axes, low, 1)


def _draw_lengths(axes: Axes, end: pd.DataFrame) -> None:
    """Counts of (predicted, measured) longest lengths of the held-out trainings, or of all."""
    rows = end[(end["quantity"] == "longest_length") & (end["part"] == "held_out")]
    rows = rows if len(rows) else end[end["quantity"] == "longest_length"]
    values = rows[["predicted", "measured"]]
    high = values.max().max()
    _diagonal(axes, 0, high)
    for is_wide, face in ((True, HELD_OUT), (False, "none")):
        counts = values[_is_wide(rows) == is_wide].value_counts()
        for (predicted, measured), count in counts.items():
            style: Style = {"marker": "s", "color": HELD_OUT, "markerfacecolor": face}
            axes.plot(predicted, measured, markersize=3 + 2 * np.sqrt(count), **style)
    axes.set(xlim=(-0.5, high + 0.8), ylim=(-0.5, high + 0.8))
    integer_ticks(axes, [0, high])
    axes.set_yticks(axes.get_xticks())
    axes.set(xlabel="predicted (tokens)", ylabel="measured (tokens)")
