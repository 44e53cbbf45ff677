"""Figure: displacement and logit gap against length, with the 2/s law."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.curves import (
    describe,
    draw_curves,
    legend_handles,
    select,
    separate_labels,
)
from gamecircuits.figures.style import GREY, letter, new_figure

METRICS = {
    "displacement": "displacement (nats)\nmean legal − mean illegal logit",
    "logit_gap": "logit gap (nats)\nlowest legal − highest illegal logit",
}
FLOOR = 1e-3  # values below, and negative ones, have no place on the logarithmic axis


def get_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the two metrics."""
    return select(metrics, list(METRICS))


def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each metric, a column for each evaluation; both axes logarithmic."""
    evaluations = list(table["evaluation"].unique())
    kinds = list(table["kind"].unique())
    figure, grid = new_figure(
        2, len(evaluations), 2.95 * len(evaluations) + 0.6, 5.2, sharey="row", sharex="col"
    )
    for row, (metric, label) in enumerate(METRICS.items()):
        for column, evaluation in enumerate(evaluations):
            rows = table[(table["evaluation"] == evaluation) & (table["metric"] == metric)]
            axes = grid[row, column]
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            positive = table.loc[(table["metric"] == metric) & (table["mean"] > FLOOR), "mean"]
            low, high = (positive.min(), positive.max()) if len(positive) else (0.1, 10)
            axes.set_ylim(low / 2, high * 2)
            longest = rows["length"].max()
            ticks = [2**n for n in range(12) if 2**n <= longest]
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.set_xticks([], minor=True)
            axes.set_xlim(0.9, longest * 1.1)
            draw_curves(axes, rows, kinds)
            _draw_law(axes, rows)
            letter(axes, row * len(evaluations) + column, describe(rows) if row == 0 else "")
            if column == 0:
                axes.set_ylabel(label)
            if row == 1:
                axes.set_xlabel("length s of the prefix (tokens)")
    has_theory = bool(table["closed_form"].notna().any())
    figure.legend(handles=legend_handles(has_theory), loc="outside upper right", ncols=3)
    separate_labels(figure)
    return figure


def _draw_law(axes, rows: pd.DataFrame) -> None:
    """The line 2Δ(2)/s through the value of the balanced model at length 2."""
    start = rows[(rows["kind"] == "balanced") & (rows["length"] == 2) & (rows["mean"] > 0)]
    if start.empty:
        return
    lengths = np.arange(1, rows["length"].max() + 1)
    law = 2 * start["mean"].iloc[0] / lengths
    axes.plot(lengths, law, color="black", linestyle=(0, (5, 4)), linewidth=1, zorder=4)
    axes.annotate(
        "2Δ(2)/s", (lengths[0], law[0]), xytext=(5, 6), textcoords="offset points", color=GREY,
        fontsize=8,
    )  # fmt: skip
