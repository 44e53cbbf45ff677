"""What the figures of metrics against length have in common."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gamecircuits.figures.style import GREY, look, readable

COLUMNS = [
    "evaluation", "game", "model", "kind", "contexts", "vocab_size", "length", "metric", "unit",
    "count", "mean", "std", "min", "q05", "median", "q95", "max", "closed_form",
]  # fmt: skip


def select(metrics: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The rows of the named metrics, with the columns that the figures use."""
    return metrics.loc[metrics["metric"].isin(names), COLUMNS].reset_index(drop=True)


def draw_curves(
    axes: Axes, table: pd.DataFrame, kinds: list[str], *, floor: float | None = None
) -> None:
    """One metric of one evaluation: lines are closed forms, points means, bars all contexts.

    Args:
        table: rows of one metric and one evaluation.
        kinds: kinds of all models in the figure, for the colours.
        floor: values below it are left out, for logarithmic axes.
    """
    ends = []
    for model, rows in table.groupby("model", sort=False):
        style = look(rows["kind"].iloc[0], kinds)
        lengths = rows["length"].to_numpy()
        mean, low, high = (rows[name].to_numpy() for name in ("mean", "min", "max"))
        if floor is not None:
            mean, low = np.where(mean > floor, mean, np.nan), np.maximum(low, floor)
        theory = rows["closed_form"].to_numpy()
        has_theory = np.isfinite(theory).any()
        if has_theory:
            shown = np.where(theory > floor, theory, np.nan) if floor is not None else theory
            axes.plot(lengths, shown, color=style["color"], zorder=2)
        axes.vlines(lengths, low, high, color=style["color"], alpha=0.35, linewidth=2.4, zorder=1)
        axes.plot(
            lengths,
            mean,
            linestyle="none" if has_theory else (0, (1, 1.5)),
            linewidth=0.9,
            marker=style["marker"],
            color=style["color"],
            markerfacecolor="white",
            markeredgewidth=1.1,
            zorder=3,
        )
        ends.append((lengths[-1], mean[np.isfinite(mean)][-1:], readable(model), style["color"]))
    label_ends(axes, ends)


def label_ends(axes: Axes, ends: list[tuple]) -> None:
    """Write each curve's name beside its last point; `separate_labels` moves them apart."""
    for x, y, name, colour in ends:
        if len(y):
            axes.annotate(
                name, (x, float(y[0])), xytext=(7, 0), textcoords="offset points", color=colour,
                fontsize=8, va="center", annotation_clip=False, gid="end of curve",
            )  # fmt: skip


def separate_labels(figure: Figure) -> None:
    """Once everything is drawn, lift labels at the ends of curves that would overlap."""
    figure.draw_without_rendering()  # sizes are known only after the layout
    per_point = figure.dpi / 72
    for axes in figure.axes:
        labels = [text for text in axes.texts if text.get_gid() == "end of curve"]
        wanted = {label: axes.transData.transform(label.xy)[1] for label in labels}
        labels.sort(key=wanted.get)
        heights = [wanted[label] for label in labels]
        for index in range(1, len(heights)):
            heights[index] = max(heights[index], heights[index - 1] + 9.5 * per_point)
        for label, height in zip(labels, heights, strict=True):
            label.set_position((7, (height - wanted[label]) / per_point))


def describe(rows: pd.DataFrame) -> str:
    """What was measured: the game, its vocabulary and the number of contexts."""
    one = rows[(rows["model"] == rows["model"].iloc[0]) & (rows["metric"] == rows["metric"].iloc[0])]
    total = f"{int(one['count'].sum()):,}"
    which = f"all {total} contexts" if one["contexts"].iloc[0] == "all" else f"{total} sampled prefixes"
    return f"{readable(one['game'].iloc[0])}, V = {one['vocab_size'].iloc[0]}\n{which}"


def legend_handles(has_theory: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], color=GREY, linestyle="none", marker="o", markerfacecolor="white",
               markeredgewidth=1.1, label="measured mean"),
        Line2D([], [], color=GREY, linewidth=2.4, alpha=0.35, label="smallest to largest"),
    ]  # fmt: skip
    if has_theory:
        handles.insert(0, Line2D([], [], color=GREY, label="closed form"))
    return handles
