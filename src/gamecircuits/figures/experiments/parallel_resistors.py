"""Figure: the law of parallel resistors, predicted against measured displacement."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import GREY, new_figure, note, nth_look, panel, plain_log_ticks

SHOWN = 400  # contexts of each model that are drawn; the table has all
HEIGHTS = {"holds": 1e-13, "attention to itself 1 % off": 0.1}  # of the names of hypotheses


def draw(table: pd.DataFrame) -> Figure:
    """Measured against predicted, and the relative error with the hypothesis kept and broken."""
    figure, grid = new_figure(1, 2, 8.4, 3.7)
    law, error = grid[0]
    models = table["model"].unique()
    for index, model in enumerate(models):
        rows = table[table["model"] == model]
        for hypothesis, whole in rows.groupby("hypothesis", sort=False):
            part = whole.iloc[:: max(1, len(whole) // SHOWN)]
            style = {**nth_look(index), "linestyle": "none", "markersize": 3.2}
            if hypothesis == "holds":
                style |= {"markerfacecolor": "none", "markeredgewidth": 0.7}
                law.plot(part["predicted"], part["highest"], **style)
            ratios = part[["lowest", "highest"]].to_numpy() / part[["predicted"]].to_numpy()
            worst = np.abs(ratios - 1).max(axis=1)
            beside = 0.5 * (index + 0.5) / len(models) - 0.25
            error.plot(part["length"] + beside, np.maximum(worst, 1e-17), **style)
    ends = [table["predicted"].min(), table["predicted"].max()]
    law.plot(ends, ends, color=GREY, linewidth=1, zorder=1)
    count = int((table["hypothesis"] == "holds").sum())
    panel(law, 0, f"{len(models)} models with random x, {count:,} contexts")
    law.set(xscale="log", xlabel="predicted Δ = 1 / Σ 1/x over the seen tokens (nats)")
    law.set(yscale="log", ylabel="measured displacement (nats)")
    plain_log_ticks(law.xaxis)
    plain_log_ticks(law.yaxis)
    panel(error, 1, "the law holds to rounding, and only if balanced", yscale="log")
    error.set(ylim=(3e-18, 1), ylabel="largest relative error in a context\n(0 is drawn at 1e−17)")
    error.set(xticks=sorted(table["length"].unique()), xlabel="length s (tokens)")
    for hypothesis, height in HEIGHTS.items():
        if (table["hypothesis"] == hypothesis).any():
            label = "balanced attention" if hypothesis == "holds" else hypothesis
            note(error, label, (0.98, height), xycoords=error.get_yaxis_transform(), ha="right")
    return figure
