"""Figure: illegal token rate and total variation against length, for every evaluation."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gamecircuits.figures.metrics._curves import draw_panels, select
from gamecircuits.figures.style import integer_ticks

LABELS = {"illegal_token_rate": "illegal token rate", "total_variation": "total variation"}
FLOOR = 1e-8  # of the axes; the curves go on below


def make_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the two metrics."""
    return select(metrics, list(LABELS))


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each evaluation, or two where the metrics differ."""
    return draw_panels(table, LABELS, _prepare)


def _prepare(axes: Axes, rows: pd.DataFrame, of_metric: pd.DataFrame) -> None:
    axes.set_yscale("log")
    axes.set_ylim(FLOOR, 1.6)
    axes.yaxis.set_major_locator(LogLocator(numticks=5))
    axes.minorticks_off()
    integer_ticks(axes, rows["length"])
