"""Figure: illegal token rate and total variation against length, for every evaluation."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gamecircuits.figures.metrics._curves import draw_panels, select
from gamecircuits.figures.style import integer_ticks

METRICS = {
    "illegal_token_rate": "illegal token rate\n(probability)",
    "total_variation": "total variation distance\n(probability)",
}
FLOOR = 1e-8  # of the axes; the curves go on below


def make_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the two metrics."""
    return select(metrics, list(METRICS))


def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each metric, a column for each evaluation."""
    return draw_panels(table, METRICS, _prepare)


def _prepare(axes: Axes, rows: pd.DataFrame, of_metric: pd.DataFrame) -> None:
    axes.set_yscale("log")
    axes.set_ylim(FLOOR, 1.6)
    axes.yaxis.set_major_locator(LogLocator(numticks=9))
    integer_ticks(axes, rows["length"])
