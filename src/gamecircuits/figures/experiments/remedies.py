"""Figure: dispersion and its remedies side by side."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    HOLLOW,
    integer_ticks,
    key,
    letter,
    new_figure,
    plain_log_ticks,
)

FLOOR = 1e-9  # of the axis of rates
DISPLACEMENTS = {  # quantity: line style, marker, what it is
    "displacement of the others": ("-", "o", "tokens before the last"),
    "displacement of the last": ("--", "s", "the last token"),
}


def draw(table: pd.DataFrame) -> Figure:
    """A column for each model: displacements (top), illegal token rate (bottom)."""
    models = list(table["model"].unique())
    width = 2.2 * len(models) + 0.4
    figure, grid = new_figure(2, len(models), width, 4.7, sharex=True, sharey="row")
    plain = table[table["model"] == models[0]]
    for column, model in enumerate(models):
        rows, colour = table[table["model"] == model], COLOURS[column]
        top, bottom = grid[:, column]
        top.set_yscale("log")
        bottom.set_yscale("log")
        bottom.set_ylim(FLOOR, 2)
        if column:
            for axes, quantity in (
                (top, next(iter(DISPLACEMENTS))),
                (bottom, "illegal token rate"),
            ):
                _line(axes, plain, quantity, {"color": "#b0b0b0", "linewidth": 1})
        for quantity, (style, marker, _) in DISPLACEMENTS.items():
            _line(top, rows, quantity, {"color": colour, "linestyle": style})
            _points(top, rows, quantity, marker, colour)
        _line(bottom, rows, "illegal token rate", {"color": colour})
        _points(bottom, rows, "illegal token rate", "o", colour)
        letter(top, column, f"{model}\nOV strength x = {rows['x'].iloc[0]:.3g}")
        bottom.set_xlabel("length s (tokens)")
        integer_ticks(bottom, rows["length"])
    plain_log_ticks(grid[0, 0].yaxis)
    grid[0, 0].set_ylabel("displacement (nats)")
    grid[1, 0].set_ylabel("illegal token rate\n(probability)")
    counts = plain[plain["quantity"] == "illegal token rate"]
    which = "all " if table["all_contexts"].all() else ""
    figure.suptitle(
        f"V = {plain['vocab_size'].iloc[0]}, {which}{counts['contexts'].sum():,} contexts; all "
        f"models start from displacement {plain['predicted'].iloc[0]:.3g}",
        x=0.01,
        ha="left",
        fontsize=9.5,
    )
    handles = [
        key(linestyle=style, marker=marker, markerfacecolor="none", markersize=4, label=label)
        for style, marker, label in DISPLACEMENTS.values()
    ]
    handles.append(key(color="#b0b0b0", linewidth=1, label="no norm"))
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
    return figure


def _line(axes: Axes, table: pd.DataFrame, quantity: str, style: dict) -> None:
    rows = table[table["quantity"] == quantity]
    axes.plot(rows["length"], rows["predicted"], zorder=2, **style)


def _points(axes: Axes, table: pd.DataFrame, quantity: str, marker: str, colour: str) -> None:
    """Lowest and highest of all contexts: one symbol upon the other where theory is exact."""
    rows = table[table["quantity"] == quantity]
    for extreme in ("lowest", "highest"):
        axes.plot(
            rows["length"],
            rows[extreme],
            marker=marker,
            markersize=4,
            markeredgewidth=0.9,
            color=colour,
            zorder=3,
            **HOLLOW,
        )
