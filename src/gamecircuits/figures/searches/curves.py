"""Figure: metrics of trained models against length, for each variant and some averages."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.searches._search import (
    KEYS,
    choose_averages,
    count_trials,
    join_trials,
    label_log_axis,
    set_title,
)
from gamecircuits.figures.style import (
    COLOURS,
    Style,
    integer_ticks,
    key,
    letter,
    new_figure,
    readable,
)

METRICS = {
    "illegal_token_rate": "illegal token rate\n(probability)",
    "total_variation": "total variation\n(probability)",
}
PER_LINE = 4  # variants
WIDTHS = (3.0, 1.8, 1.0)  # of the medians of averages, so that equal ones can all be seen
FLOOR = 1e-4  # of the axes at least; the curves go on below
TRAINED: Style = {"color": "#ececec", "linewidth": 0}  # shade of the lengths in training


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """The two metrics of the first, the middle and the last average, trial by trial."""
    metrics = tables["metrics"]
    is_shown = metrics["average"].isin(choose_averages(tables))
    columns = [*KEYS, "average", "metric", "length", "count", "mean"]
    return join_trials(metrics.loc[is_shown & metrics["metric"].isin(METRICS), columns], tables)


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A column for each variant; thin: every trial, thick: their median; averages in colour."""
    variants = list(table["variant"].unique())
    averages = dict(zip(table["average"].dropna().unique(), COLOURS, strict=False))
    columns = min(len(variants), PER_LINE)
    lines = -(-len(variants) // columns)
    size = (max(2.2 * columns + 0.8, 5), 4.0 * lines + 0.9)
    figure, grid = new_figure(2 * lines, columns, *size, sharex=True, sharey="row")
    for index in range(lines * columns):
        line, column = divmod(index, columns)
        pair = grid[2 * line : 2 * line + 2, column]
        if index >= len(variants):
            for axes in pair:
                axes.set_visible(False)
            continue
        variant = variants[index]
        rows = table[table["variant"] == variant]
        for axes, (metric, label) in zip(pair, METRICS.items(), strict=True):
            _prepare(axes, table[table["metric"] == metric], length)
            for n, (average, colour) in enumerate(averages.items()):
                is_shown = (rows["average"] == average) & (rows["metric"] == metric)
                _draw_trials(axes, rows[is_shown], colour, WIDTHS[n])
            if column == 0:
                axes.set_ylabel(label)
        letter(
            pair[0], index, f"{readable(variants[index])}\n{count_trials(table, variants[index])}"
        )
        pair[1].set_xlabel("length s (tokens)")
        pair[1].tick_params(labelbottom=True)
    for axes in grid.flat:
        label_log_axis(axes.yaxis)
    handles: list[Artist] = [
        key(color=colour, label=readable(name)) for name, colour in averages.items()
    ]
    handles.append(Patch(label="lengths in training", **TRAINED))
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    set_title(figure, game, length, "thin: every trial, thick: their median; weights in colour")
    return figure


def _prepare(axes: Axes, of_metric: pd.DataFrame, length: int) -> None:
    """Scales that are the same in all panels of a metric."""
    axes.set_yscale("log")
    axes.set_ylim(max(FLOOR, of_metric["mean"].min() / 1.5), 1.3)
    axes.axvspan(0, length + 0.5, zorder=0, **TRAINED)
    integer_ticks(axes, of_metric["length"])
    axes.set_xlim(of_metric["length"].min() - 0.5, of_metric["length"].max() + 0.5)


def _draw_trials(axes: Axes, rows: pd.DataFrame, colour: str, width: float) -> None:
    wide = rows.pivot(index="length", columns="number", values="mean")
    if wide.empty:
        return
    axes.plot(wide.index, wide, color=colour, linewidth=0.6, alpha=0.35)
    axes.plot(wide.index, wide.median(axis=1), color=colour, linewidth=width)
