"""Figure: the path of training, predicted from the weights before the first step."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    HOLLOW,
    MARKERS,
    Style,
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


def draw(table: pd.DataFrame) -> Figure:
    """A panel of x for each kind of training; then x, illegal rates, and lengths at the end."""
    drawn = table[table["part"] == "drawn"]
    kinds = list(drawn["kind"].unique())
    lines = -(-len(kinds) // COLUMNS)
    figure, grid = new_figure(lines + 1, COLUMNS, 10.4, 2.75 * (lines + 1))
    panels = grid.ravel()
    for axes in panels[len(kinds) : lines * COLUMNS]:
        axes.set_visible(False)
    for index, kind in enumerate(kinds):
        _draw_path(panels[index], drawn[drawn["kind"] == kind])
        panel(panels[index], index, kind)
    end = table[table["step"] == table["step"].max()]
    letter, last = len(kinds), grid[-1]
    _draw_strengths(last[0], end)
    panel(last[0], letter, f"strength x at the end, {end['run'].nunique()} trainings")
    _draw_rates(last[1], end)
    panel(last[1], letter + 1, "illegal token rate at the end")
    _draw_lengths(last[2], end)
    panel(last[2], letter + 2, "how far: longest length within ε")
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
        note(axes, text, (0, 1), (4, -9 - 10 * index), xycoords="axes fraction",
             color=look["color"], fontsize=7)  # fmt: skip
    axes.set(xlabel="steps", ylabel="strength x (nats)", xlim=(0, None))
    axes.set_ylim(0, 1.5 * rows[["predicted", "measured"]].max().max())


def _scatter(axes: Axes, rows: pd.DataFrame, marker: str, colour: str) -> None:
    """Wide models filled, narrow ones hollow."""
    for is_wide, face in ((True, colour), (False, "none")):
        some = rows[_is_wide(rows) == is_wide]
        axes.plot(some["predicted"], some["measured"], linestyle="none", marker=marker,
                  color=colour, markerfacecolor=face, markersize=4.5)  # fmt: skip


def _diagonal(axes: Axes, low: float, high: float) -> None:
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, zorder=1)
    axes.set(xlabel="predicted", ylabel="measured")


def _draw_strengths(axes: Axes, end: pd.DataFrame) -> None:
    rows = end[end["quantity"] == "x"]
    for index, part in enumerate(("drawn", "held_out")):
        _scatter(axes, rows[rows["part"] == part], MARKERS[index], COLOURS[index])
    values = rows[["predicted", "measured"]]
    low, high = 0.8 * max(values.min().min(), 0.1), 1.25 * values.max().max()
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    plain_log_ticks(axes.xaxis)
    plain_log_ticks(axes.yaxis)
    _diagonal(axes, low, high)
    handles = [
        key(marker="o", linestyle="none", color=COLOURS[0], label="those of the panels above"),
        key(marker="s", linestyle="none", color=COLOURS[1], label="held out"),
        key(marker="o", color=GREY, label=f"d < {WIDE:g}(V−1)", **HOLLOW),
    ]
    axes.legend(handles=handles, loc="upper left", handletextpad=0.2)


def _draw_rates(axes: Axes, end: pd.DataFrame) -> None:
    rows = end[end["quantity"] == "illegal_rate"].copy()
    columns = ["predicted", "measured"]
    rows[columns] = rows[columns].clip(lower=FLOOR)
    is_longest = rows["length"] == rows["vocab_size"] - 1
    for index, some in enumerate((rows[~is_longest], rows[is_longest])):
        _scatter(axes, some, MARKERS[2 + index], COLOURS[2 + index])
    low = 0.6 * rows[columns].min().min()
    axes.set(xscale="log", yscale="log", xlim=(low, 1.5), ylim=(low, 1.5))
    _diagonal(axes, low, 1)
    handles = [
        key(marker=MARKERS[2 + n], linestyle="none", color=COLOURS[2 + n], label=label)
        for n, label in enumerate(("longest length trained", "length V−1"))
    ]
    axes.legend(handles=handles, loc="upper left", handletextpad=0.2)


def _draw_lengths(axes: Axes, end: pd.DataFrame) -> None:
    """Counts of (predicted, measured) longest lengths of the held-out trainings, or of all."""
    rows = end[(end["quantity"] == "longest_length") & (end["part"] == "held_out")]
    rows = rows if len(rows) else end[end["quantity"] == "longest_length"]
    values = rows[["predicted", "measured"]]
    high = values.max().max()
    _diagonal(axes, 0, high)
    for is_wide, face in ((True, COLOURS[1]), (False, "none")):
        counts = values[_is_wide(rows) == is_wide].value_counts()
        for (predicted, measured), count in counts.items():
            style: Style = {"marker": "s", "color": COLOURS[1], "markerfacecolor": face}
            axes.plot(predicted, measured, markersize=3 + 2 * np.sqrt(count), **style)
    rates = ", ".join(f"{rate:g}" for rate in sorted(rows["max_illegal_rate"].unique()))
    note(axes, f"ε = {rates}\n{rows['run'].nunique()} held-out trainings", (0, 1), (6, -22),
         xycoords="axes fraction")  # fmt: skip
    axes.set(xlim=(-0.5, high + 0.8), ylim=(-0.5, high + 0.8))
    integer_ticks(axes, [0, high])
    axes.set_yticks(axes.get_xticks())
    axes.set(xlabel="predicted length (tokens)", ylabel="measured length (tokens)")
