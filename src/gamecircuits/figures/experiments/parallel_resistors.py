"""Figure: the law of parallel resistors, predicted against measured displacement."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import COLOURS, GREY, MARKERS, letter, new_figure, plain_log_ticks

SHOWN = 400  # contexts of each model that are drawn; the table has all


def draw(table: pd.DataFrame) -> Figure:
    """Measured against predicted, and the relative error with the hypothesis kept and broken."""
    figure, grid = new_figure(1, 2, 8.4, 3.7)
    law, error = grid[0]
    models = table["model"].unique()
    for index, model in enumerate(models):
        style = {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": "none",
            "markersize": 3.2,
        }
        rows = table[table["model"] == model]
        for hypothesis, whole in rows.groupby("hypothesis", sort=False):
            part = whole.iloc[:: max(1, len(whole) // SHOWN)]
            kept = hypothesis == "holds"
            fill = {"markerfacecolor": "none", "markeredgewidth": 0.7}
            if kept:
                law.plot(part["predicted"], part["highest"], **style, **fill)
            worst = np.maximum(
                np.abs(part["highest"] / part["predicted"] - 1),
                np.abs(part["lowest"] / part["predicted"] - 1),
            )
            jitter = part["length"] + 0.5 * (index + 0.5) / len(models) - 0.25
            error.plot(jitter, np.maximum(worst, 1e-17), **style, **({} if not kept else fill))
    low, high = table["predicted"].min(), table["predicted"].max()
    law.plot([low, high], [low, high], color=GREY, linewidth=1, zorder=1)
    law.set_xscale("log")
    law.set_yscale("log")
    plain_log_ticks(law.xaxis)
    plain_log_ticks(law.yaxis)
    law.set_xlabel("predicted Δ = 1 / Σ 1/x over the seen tokens (nats)")
    law.set_ylabel("measured displacement (nats)")
    count = int((table["hypothesis"] == "holds").sum())
    letter(law, 0, f"{len(models)} models with random x, {count:,} contexts")
    error.set_yscale("log")
    error.set_ylim(3e-18, 1)
    error.set_xlabel("length s (tokens)")
    error.set_ylabel("largest relative error in a context\n(0 is drawn at 1e−17)")
    error.set_xticks(sorted(table["length"].unique()))
    letter(error, 1, "the law holds to rounding, and only if balanced")
    for hypothesis, height in (("holds", 1e-13), ("attention to itself 1 % off", 0.1)):
        if (table["hypothesis"] == hypothesis).any():
            label = "balanced attention" if hypothesis == "holds" else hypothesis
            error.text(
                0.98,
                height,
                label,
                transform=error.get_yaxis_transform(),
                ha="right",
                fontsize=8,
                color=GREY,
            )
    return figure
