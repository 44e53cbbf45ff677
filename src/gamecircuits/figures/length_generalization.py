"""Figure: illegal token rate and total variation against length, for every evaluation."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gamecircuits.figures.curves import (
    describe,
    draw_curves,
    legend_handles,
    select,
    separate_labels,
)
from gamecircuits.figures.style import integer_ticks, letter, new_figure

METRICS = {
    "illegal_token_rate": "illegal token rate",
    "total_variation": "total variation distance",
}
FLOOR = 1e-8  # of the axes; the curves go on below


def get_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the two metrics."""
    return select(metrics, list(METRICS))


def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each metric, a column for each evaluation."""
    evaluations = list(table["evaluation"].unique())
    kinds = list(table["kind"].unique())
    figure, grid = new_figure(
        2, len(evaluations), 2.95 * len(evaluations) + 0.6, 5.2, sharey="row", sharex="col"
    )
    for row, (metric, label) in enumerate(METRICS.items()):
        for column, evaluation in enumerate(evaluations):
            rows = table[(table["evaluation"] == evaluation) & (table["metric"] == metric)]
            axes = grid[row, column]
            axes.set_yscale("log")
            axes.set_ylim(FLOOR, 1.6)
            axes.yaxis.set_major_locator(LogLocator(numticks=9))
            integer_ticks(axes, rows["length"])
            draw_curves(axes, rows, kinds)
            letter(axes, row * len(evaluations) + column, describe(rows) if row == 0 else "")
            if column == 0:
                axes.set_ylabel(f"{label}\n(probability)")
            if row == 1:
                axes.set_xlabel("length s of the prefix (tokens)")
    has_theory = bool(table["closed_form"].notna().any())
    figure.legend(handles=legend_handles(has_theory), loc="outside upper right", ncols=3)
    separate_labels(figure)
    return figure
