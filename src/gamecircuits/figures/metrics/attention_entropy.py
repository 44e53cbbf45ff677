"""Figure: entropy of attention against length, beside that of uniform attention."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.metrics._curves import draw_panels, select
from gamecircuits.figures.style import GREY, integer_ticks, note


def make_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the entropy of attention."""
    return select(metrics, ["attention_entropy"])


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each evaluation, with ln s, the entropy of uniform attention."""
    return draw_panels(table, {"attention_entropy": "entropy of attention (nats)"}, _prepare)


def _prepare(axes: Axes, rows: pd.DataFrame, of_metric: pd.DataFrame) -> None:
    integer_ticks(axes, rows["length"])
    lengths = np.arange(1, rows["length"].max() + 1)
    axes.plot(lengths, np.log(lengths), color=GREY, linestyle="--", linewidth=1)
    middle = lengths[len(lengths) // 2]
    note(axes, "ln s: uniform attention", (middle, np.log(middle)), (6, -14))
