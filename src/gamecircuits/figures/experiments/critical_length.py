"""Figure: models with β < 0 lose their last token at the predicted length."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    HOLLOW,
    MARKERS,
    integer_ticks,
    letter,
    new_figure,
    note,
)


def draw(table: pd.DataFrame) -> Figure:
    """Tied models with uniform and with balanced attention, and random models."""
    tied, random = (table[table["part"] == part] for part in ("tied", "random"))
    figure, grid = new_figure(1, 3, 10.4, 3.5, width_ratios=[1, 1, 0.8])
    law = {"uniform": "s* = x/b", "balanced": "s* = 2 + x/b"}
    for index, attention in enumerate(("uniform", "balanced")):
        axes, rows = grid[0, index], tied[tied["attention"] == attention]
        _draw_tied(axes, rows)
        title = f"tied, {attention} attention: {law[attention]}"
        total = rows.groupby("critical_length")["contexts"].sum().iloc[0]
        which = "all " if rows["all_contexts"].all() else ""
        letter(
            axes,
            index,
            f"{title}\nV = {rows['vocab_size'].iloc[0]:.0f}, {which}{total:,.0f} contexts",
        )
    _draw_random(grid[0, 2], random)
    count, V = random["contexts"].iloc[0], random["vocab_size"].iloc[0]
    letter(
        grid[0, 2],
        2,
        f"{len(random)} random models with β < 0\nV = {V:.0f}, {count:,.0f} contexts each",
    )
    return figure


def _draw_tied(axes: Axes, rows: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    for index, (critical, one) in enumerate(rows.groupby("critical_length")):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        axes.plot(one["length"], one["predicted"], color=colour)
        for extreme in ("lowest", "highest"):
            axes.plot(
                one["length"], one[extreme], color=colour, marker=marker, markersize=4, **HOLLOW
            )
        axes.axvline(critical, color=colour, linestyle=":", linewidth=0.9)
        note(
            axes,
            f"s* = {critical:g}",
            (critical, 1),
            (3, -8 - 11 * index),
            xycoords=("data", "axes fraction"),
            color=colour,
        )
    axes.set_yscale("symlog", linthresh=1)
    axes.set_xlabel("length s (tokens)")
    axes.set_ylabel("displacement of the last token (nats)")
    integer_ticks(axes, rows["length"])


def _draw_random(axes: Axes, rows: pd.DataFrame) -> None:
    """Counts of (predicted, measured); models that never fail stand beyond the longest length."""
    beyond = rows["vocab_size"].iloc[0]
    pairs = rows[["predicted", "measured"]].fillna(beyond)
    counts = pairs.value_counts()
    axes.plot([1, beyond], [1, beyond], color=GREY, linewidth=1, zorder=1)
    for (predicted, measured), count in counts.items():
        axes.plot(
            predicted,
            measured,
            "o",
            color=COLOURS[0],
            markersize=3 + 2 * np.sqrt(count),
            markerfacecolor="none",
        )
        note(axes, f"{count}", (predicted, measured), (10, -9))
    ticks = np.arange(1, beyond + 1)
    labels = [*(f"{tick:.0f}" for tick in ticks[:-1]), "never"]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set_xlim(0.5, beyond + 0.8)
    axes.set_ylim(0.5, beyond + 0.8)
    axes.set_xlabel("predicted first failing length")
    axes.set_ylabel("measured first failing length")
