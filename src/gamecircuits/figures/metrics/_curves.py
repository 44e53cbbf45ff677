"""What the figures of metrics against length have in common."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from gamecircuits.figures.style import key, lay_out, look, new_figure, note, panel, readable

COLUMNS = [
    "evaluation",
    "game",
    "model",
    "kind",
    "contexts",
    "vocab_size",
    "length",
    "metric",
    "unit",
    "count",
    "mean",
    "std",
    "min",
    "q05",
    "median",
    "q95",
    "max",
    "closed_form",
]


def select(metrics: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The rows of the named metrics, with the columns that the figures use."""
    return metrics.loc[metrics["metric"].isin(names), COLUMNS].reset_index(drop=True)


def draw_panels(
    table: pd.DataFrame,
    labels: dict[str, str],
    prepare: Callable[[Axes, pd.DataFrame, pd.DataFrame], None],
    finish: Callable[[Axes, pd.DataFrame], None] = lambda axes, rows: None,
) -> Figure:
    """A row of panels for each metric, a column for each evaluation.

    Args:
        table: as from `select`.
        labels: label of the y axis for each metric.
        prepare: called with axes, the panel's rows and all rows of the metric, to set the scales.
        finish: called with axes and the panel's rows once the curves are drawn.
    """
    evaluations, kinds = list(table["evaluation"].unique()), list(table["kind"].unique())
    columns = len(evaluations)
    width, height = 2.95 * columns + 0.6, 2.2 * len(labels) + 0.8
    figure, grid = new_figure(len(labels), columns, width, height, sharey="row", sharex="col")
    for row, (metric, label) in enumerate(labels.items()):
        of_metric = table[table["metric"] == metric]
        for column, evaluation in enumerate(evaluations):
            axes, rows = grid[row, column], of_metric[of_metric["evaluation"] == evaluation]
            prepare(axes, rows, of_metric)
            draw_curves(axes, rows, kinds)
            finish(axes, rows)
            panel(axes, row * columns + column, describe(rows) if row == 0 else "")
            if column == 0:
                axes.set_ylabel(label)
            if row == len(labels) - 1:
                axes.set_xlabel("length s of the prefix (tokens)")
    has_theory = bool(table["closed_form"].notna().any())
    figure.legend(handles=_legend_handles(has_theory), loc="outside upper right", ncols=3)
    separate_labels(figure)
    return figure


def draw_curves(axes: Axes, table: pd.DataFrame, kinds: list[str]) -> None:
    """One metric of one evaluation: closed forms as lines, means as points, 5 to 95 % as bars.

    Later models get smaller markers, so that curves which coincide can all be seen.

    Args:
        table: rows of one metric and one evaluation.
        kinds: kinds of all models in the figure, for the colours.
    """
    is_log = axes.get_yscale() == "log"
    models = list(table["model"].unique())
    for index, model in enumerate(models):
        rows = table[(table["model"] == model) & table["mean"].notna()]
        if rows.empty:
            continue
        style = look(rows["kind"].iloc[0], kinds)
        colour, lengths = style["color"], rows["length"].to_numpy()
        mean, low, high = (rows[name].to_numpy() for name in ("mean", "q05", "q95"))
        theory = rows["closed_form"].to_numpy()
        has_theory = bool(np.isfinite(theory).any())
        if has_theory:
            axes.plot(lengths, theory, color=colour, zorder=2)
        if is_log:
            low = np.maximum(low, axes.get_ylim()[0])
        is_wide = high > low * (1 + 1e-6) if is_log else high > low + 1e-6
        beside = lengths + min(0.16, 0.6 / len(models)) * (index - (len(models) - 1) / 2)
        axes.vlines(
            beside[is_wide],
            low[is_wide],
            high[is_wide],
            color=colour,
            alpha=0.45,
            linewidth=1.6,
            zorder=1,
        )
        axes.plot(
            lengths,
            mean,
            linestyle="none" if has_theory else ":",
            linewidth=0.9,
            marker=style["marker"],
            markersize=6.6 - 1.1 * min(index, 3),
            color=colour,
            markerfacecolor="none",
            markeredgewidth=1.0,
            zorder=3,
        )
        shown = np.flatnonzero(mean > axes.get_ylim()[0]) if is_log else np.arange(len(mean))
        if len(shown):
            note(
                axes,
                readable(model),
                (lengths[shown[-1]], mean[shown[-1]]),
                (7, 0),
                color=colour,
                va="center",
                annotation_clip=False,
                gid="end of curve",
            )


def separate_labels(figure: Figure) -> None:
    """Once everything is drawn, move labels at the ends of curves apart where they overlap."""
    lay_out(figure)  # sizes are known only then
    per_point = figure.dpi / 72
    line = 9.5 * per_point
    for axes in figure.axes:
        labels = [
            text
            for text in axes.texts
            if isinstance(text, Annotation) and text.get_gid() == "end of curve"
        ]
        wanted = {label: axes.transData.transform(label.xy)[1] for label in labels}
        clusters: list[list] = []  # labels that touch, lowest first, centred on what they want
        for label in sorted(labels, key=wanted.__getitem__):
            clusters.append([label])
            while len(clusters) > 1 and _bottom(clusters[-1], wanted, line, axes) < (
                _bottom(clusters[-2], wanted, line, axes) + line * len(clusters[-2])
            ):
                clusters[-2:] = [clusters[-2] + clusters[-1]]
        for cluster in clusters:
            bottom = _bottom(cluster, wanted, line, axes)
            for index, label in enumerate(cluster):
                height = bottom + line * (index + 0.5)
                label.set_position((7, (height - wanted[label]) / per_point))


def _bottom(cluster: list, wanted: dict, line: float, axes: Axes) -> float:
    """Lower edge of a block of labels, which must not stick out at the top of the panel."""
    centre = sum(wanted[label] for label in cluster) / len(cluster)
    return min(centre - line * len(cluster) / 2, axes.bbox.y1 + line / 2 - line * len(cluster))


def describe(rows: pd.DataFrame) -> str:
    """What was measured: the game, its vocabulary and the number of contexts."""
    one = rows[
        (rows["model"] == rows["model"].iloc[0]) & (rows["metric"] == rows["metric"].iloc[0])
    ]
    total = f"{int(one['count'].sum()):,}"
    which = (
        f"{total} sampled prefixes"
        if one["contexts"].iloc[0] == "sampled"
        else f"all {total} contexts"
    )
    game, evaluation = readable(one["game"].iloc[0]), readable(one["evaluation"].iloc[0])
    title = game if game == evaluation else f"{evaluation}: {game}"
    return f"{title}, V = {one['vocab_size'].iloc[0]}\n{which}"


def _legend_handles(has_theory: bool) -> list[Line2D]:
    handles = [
        key(
            linestyle="none",
            marker="o",
            markerfacecolor="white",
            markeredgewidth=1.1,
            label="measured mean",
        ),
        key(linewidth=1.6, alpha=0.45, label="5 to 95 % of contexts"),
    ]
    if has_theory:
        handles.insert(0, key(label="closed form"))
    return handles
