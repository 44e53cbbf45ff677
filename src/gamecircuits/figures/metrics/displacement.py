"""Figure: displacement and logit gap against length, with the 2/s law."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.metrics._curves import draw_panels, select
from gamecircuits.figures.style import note

METRICS = {
    "displacement": "displacement (nats)\nmean legal − mean illegal logit",
    "logit_gap": "logit gap (nats)\nlowest legal − highest illegal logit",
}
FLOOR = 1e-3  # values below, and negative ones, have no place on the logarithmic axis


def make_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the two metrics."""
    return select(metrics, list(METRICS))


def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each metric, a column for each evaluation; both axes logarithmic."""
    return draw_panels(table, METRICS, _prepare, _draw_law)


def _prepare(axes: Axes, rows: pd.DataFrame, of_metric: pd.DataFrame) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    positive = of_metric.loc[of_metric["mean"] > FLOOR, "mean"]
    low, high = (positive.min(), positive.max()) if len(positive) else (0.1, 10)
    axes.set_ylim(low / 2, high * 2)
    longest = rows["length"].max()
    ticks = [2**n for n in range(16) if 2**n <= longest]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.9, longest * 1.1)


def _draw_law(axes: Axes, rows: pd.DataFrame) -> None:
    """The line 2Δ(2)/s through the value of the balanced model at length 2."""
    start = rows[(rows["kind"] == "balanced") & (rows["length"] == 2) & (rows["mean"] > 0)]
    if start.empty:
        return
    lengths = np.arange(1, rows["length"].max() + 1)
    law = 2 * start["mean"].iloc[0] / lengths
    axes.plot(lengths, law, color="black", linestyle="--", linewidth=1, zorder=4)
    note(axes, "2Δ(2)/s", (lengths[0], law[0]), (5, 6))
