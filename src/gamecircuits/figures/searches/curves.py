"""Figure: metrics of trained models against length, for each variant and some averages."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.searches._search import (
    KEYS,
    choose_averages,
    count_trials,
    draw_trials,
    finish,
    join_trials,
)
from gamecircuits.figures.style import (
    COLOURS,
    Style,
    integer_ticks,
    key,
    new_figure,
    panel,
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
    pairs = grid.reshape(lines, 2, columns).swapaxes(1, 2).reshape(-1, 2)  # one for each variant
    for axes in pairs[len(variants) :].flat:
        axes.set_visible(False)
    for index, (variant, pair) in enumerate(zip(variants, pairs, strict=False)):
        rows = table[table["variant"] == variant]
        panel(pair[0], index, f"{readable(variant)}\n{count_trials(table, variant)}")
        for axes, (metric, label) in zip(pair, METRICS.items(), strict=True):
            _prepare(axes, table[table["metric"] == metric], length)
            for (average, colour), width in zip(averages.items(), WIDTHS, strict=False):
                part = rows[(rows["average"] == average) & (rows["metric"] == metric)]
                draw_trials(axes, part, "length", {"color": colour}, "mean", width)
            if index % columns == 0:
                axes.set_ylabel(label)
        pair[1].set_xlabel("length s (tokens)")
        pair[1].tick_params(labelbottom=True)
    handles = [
        *(key(color=colour, label=readable(name)) for name, colour in averages.items()),
        Patch(label="lengths in training", **TRAINED),
    ]
    explanation = "thin: every trial, thick: their median; weights in colour"
    finish(figure, game, length, explanation, handles)
    return figure


def _prepare(axes: Axes, of_metric: pd.DataFrame, length: int) -> None:
    """Scales that are the same in all panels of a metric."""
    lengths = of_metric["length"]
    axes.set(yscale="log", ylim=(max(FLOOR, of_metric["mean"].min() / 1.5), 1.3))
    axes.axvspan(0, length + 0.5, zorder=0, **TRAINED)
    integer_ticks(axes, lengths)
    axes.set_xlim(lengths.min() - 0.5, lengths.max() + 0.5)
