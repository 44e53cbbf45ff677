"""Figure: entropy of attention against length, and what it costs in displacement."""

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
from gamecircuits.figures.style import GREY, integer_ticks, letter, new_figure


def get_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the entropy of attention."""
    return select(metrics, ["attention_entropy"])


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each evaluation, with ln s, the entropy of uniform attention."""
    evaluations = list(table["evaluation"].unique())
    kinds = list(table["kind"].unique())
    figure, grid = new_figure(1, len(evaluations), 2.95 * len(evaluations) + 0.6, 3.0, sharey=True)
    for column, evaluation in enumerate(evaluations):
        rows = table[table["evaluation"] == evaluation]
        axes = grid[0, column]
        lengths = np.arange(1, rows["length"].max() + 1)
        axes.plot(lengths, np.log(lengths), color=GREY, linestyle=(0, (4, 3)), linewidth=1)
        integer_ticks(axes, rows["length"])
        draw_curves(axes, rows, kinds)
        middle = lengths[len(lengths) // 2]
        axes.annotate(
            "ln s: uniform attention", (middle, np.log(middle)), xytext=(6, -14),
            textcoords="offset points", color=GREY, fontsize=8,
        )  # fmt: skip
        letter(axes, column, describe(rows))
        axes.set_xlabel("length s of the prefix (tokens)")
        if column == 0:
            axes.set_ylabel("entropy of attention (nats)")
    has_theory = bool(table["closed_form"].notna().any())
    figure.legend(handles=legend_handles(has_theory), loc="outside upper right", ncols=3)
    separate_labels(figure)
    return figure
