"""Figure: the law of parallel resistors, predicted against measured displacement."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import FULL, GREY, Style, key, new_panels, panel, plain_log_ticks

SHOWN = 60  # contexts of each model that are drawn; the table has all
LOOKS: dict[str, Style] = {  # by hypothesis: with it, and without
    "holds": {"color": "#0072B2", "marker": "o", "markerfacecolor": "none", "label": "balanced"},
    "attention to itself 1 % off": {
        "color": "#D55E00",
        "marker": "^",
        "label": "attention to itself 1 % off",
    },
}


def draw(table: pd.DataFrame) -> Figure:
    """Measured against predicted, and the relative error with the hypothesis kept and broken."""
    figure, grid = new_panels(2, 2, FULL / 2, 2.5)
    law, error = grid[0]
    models = table["model"].unique()
    for index, model in enumerate(models):
        rows = table[table["model"] == model]
        for hypothesis, whole in rows.groupby("hypothesis", sort=False):
            part = whole.iloc[:: max(1, len(whole) // SHOWN)]
            style = {**LOOKS[hypothesis], "linestyle": "none", "markersize": 2.2}
            style |= {"markeredgewidth": 0.5, "label": None}
            if hypothesis == "holds":
                law.plot(part["predicted"], part["highest"], **style)
            ratios = part[["lowest", "highest"]].to_numpy() / part[["predicted"]].to_numpy()
            worst = np.abs(ratios - 1).max(axis=1)
            beside = 0.5 * (index + 0.5) / len(models) - 0.25
            error.plot(part["length"] + beside, np.maximum(worst, 1e-17), **style)
    ends = [table["predicted"].min(), table["predicted"].max()]
    law.plot(ends, ends, color=GREY, linewidth=1, zorder=1)
    count = int((table["hypothesis"] == "holds").sum())
    panel(law, 0, f"{len(models)} models with random x, {count:,} contexts")
    law.set(xscale="log", xlabel="1 / Σ 1/x over the seen tokens (nats)")
    law.set(yscale="log", ylabel="measured displacement (nats)")
    plain_log_ticks(law.xaxis)
    plain_log_ticks(law.yaxis)
    panel(error, 1, "the law holds if attention is balanced", yscale="log")
    error.set(ylim=(3e-18, 1), ylabel="relative error (0 drawn at 1e−17)")
    error.set(xticks=sorted(table["length"].unique()), xlabel="length s (tokens)")
    shown = [hypothesis for hypothesis in LOOKS if (table["hypothesis"] == hypothesis).any()]
    handles = [key(linestyle="none", **LOOKS[hypothesis]) for hypothesis in shown]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure
