"""Figure: models with β < 0 lose their last token at the predicted length."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    FULL,
    GREY,
    HOLLOW,
    Style,
    count_contexts,
    integer_ticks,
    new_panels,
    note,
    nth_look,
    panel,
)

LAWS = {"uniform": "s* = x/b", "balanced": "s* = 2 + x/b"}  # by attention


def draw(table: pd.DataFrame) -> Figure:
    """Tied models with uniform and with balanced attention, and random models."""
    tied, random = (table[table["part"] == part] for part in ("tied", "random"))
    figure, grid = new_panels(3, 3, FULL / 3, 2.1)
    for index, (attention, law) in enumerate(LAWS.items()):
        rows = tied[tied["attention"] == attention]
        _draw_tied(grid[0, index], rows)
        total = rows.groupby("critical_length")["contexts"].sum().iloc[0]
        contexts = count_contexts(total, rows["all_contexts"].all())
        size = f"V = {rows['vocab_size'].iloc[0]:.0f}, {contexts}"
        panel(grid[0, index], index, f"tied, {attention}: {law}\n{size}")
    _draw_random(grid[0, 2], random)
    contexts, V = count_contexts(random["contexts"].iloc[0], False), random["vocab_size"].iloc[0]
    size = f"V = {V:.0f}, {contexts} each"
    panel(grid[0, 2], 2, f"{len(random)} models with β < 0\n{size}")
    return figure


def _draw_tied(axes: Axes, rows: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    for index, (critical, one) in enumerate(rows.groupby("critical_length")):
        look = nth_look(index)
        colour = look["color"]
        axes.plot(one["length"], one["predicted"], color=colour)
        axes.plot(one["length"], one[["lowest", "highest"]], **look, **HOLLOW)
        axes.axvline(critical, color=colour, linestyle=":", linewidth=0.9)
        at, place = (critical, 1), ("data", "axes fraction")
        note(axes, f"{critical:g}", at, (3, -8 - 9 * index), xycoords=place, color=colour)
    axes.set_yscale("symlog", linthresh=1)
    axes.set(xlabel="length s (tokens)", ylabel="displacement (nats)")
    integer_ticks(axes, rows["length"])


def _draw_random(axes: Axes, rows: pd.DataFrame) -> None:
    """Counts of (predicted, measured); models that never fail stand beyond the longest length."""
    beyond = rows["vocab_size"].iloc[0]
    counts = rows[["predicted", "measured"]].fillna(beyond).value_counts()
    axes.plot([1, beyond], [1, beyond], color=GREY, linewidth=1, zorder=1)
    for (predicted, measured), count in counts.items():
        style: Style = {"ha": "center", "va": "center", "color": "white", "weight": "bold"}
        axes.plot(predicted, measured, marker="o", color=COLOURS[0], markersize=10)
        note(axes, f"{count}", (predicted, measured), (0, -0.5), **style)
    ticks = np.arange(1, beyond + 1)
    labels = [f"{tick:.0f}" if (beyond - tick) % 2 == 0 else "" for tick in ticks[:-1]]
    labels.append("never")
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set(xlim=(0.5, beyond + 0.8), ylim=(0.5, beyond + 0.8))
    axes.set(xlabel="predicted failing length", ylabel="measured failing length")
