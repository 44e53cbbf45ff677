"""Figure: displacement and logit gap against length; entropy of attention if it is not ln s."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gamecircuits.figures.metrics._curves import draw_panels, select
from gamecircuits.figures.style import GREY, Style, integer_ticks, key

ENTROPY = "attention_entropy"
LABELS = {
    "displacement": "displacement",
    "logit_gap": "logit gap",
    ENTROPY: "entropy of attention",
}
FLOOR = 1e-3  # values below, and negative ones, have no place on the logarithmic axis
UNIFORM = 0.1  # nats: entropies that differ less from ln s are not shown
LAW: Style = {"color": GREY, "linestyle": (0, (4, 2)), "linewidth": 0.8}


def make_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the metrics; of the entropy only for evaluations where it is not ln s."""
    table = select(metrics, list(LABELS))
    is_entropy = table["metric"] == ENTROPY
    differs = is_entropy & ((table["mean"] - np.log(table["length"])).abs() > UNIFORM)
    shown = table.loc[differs, "evaluation"].unique()
    return table[~is_entropy | table["evaluation"].isin(shown)].reset_index(drop=True)


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each metric of each evaluation, on logarithmic axes; the law where it applies."""
    return draw_panels(table, LABELS, _prepare, _draw_law)


def _prepare(axes: Axes, rows: pd.DataFrame, of_metric: pd.DataFrame) -> None:
    if rows["metric"].iloc[0] == ENTROPY:
        integer_ticks(axes, rows["length"])
        return
    positive = of_metric.loc[of_metric["mean"] > FLOOR, "mean"]
    low, high = (positive.min(), positive.max()) if len(positive) else (0.1, 10)
    longest = rows["length"].max()
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", nonpositive="mask")
    axes.set(xlim=(0.9, longest * 1.1), ylim=(low / 2, high * 2))
    axes.minorticks_off()
    ticks = [2**n for n in range(16) if 2**n <= longest]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def _draw_law(axes: Axes, rows: pd.DataFrame, looks: dict[str, Style]) -> list[Line2D]:
    """What uniform attention makes of the displacement at length 2; ln s beside entropies."""
    metric, lengths = rows["metric"].iloc[0], np.unique(rows["length"])
    if metric == ENTROPY:
        axes.plot(lengths, np.log(lengths), **LAW)
        return [key(label="uniform attention, no norm", **LAW)]
    is_start = (rows["length"] == 2) & (rows["mean"] > FLOOR) & rows["closed_form"].isna()
    for start in rows.loc[is_start & (metric == "displacement"), "mean"]:
        axes.plot(lengths, 2 * start / lengths, zorder=1, **LAW)
    return [key(label="uniform attention, no norm", **LAW)] if is_start.any() else []
