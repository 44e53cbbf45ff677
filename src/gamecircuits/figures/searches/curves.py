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
    get_looks,
    join_trials,
)
from gamecircuits.figures.style import (
    FULL,
    TRAINED,
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
AVERAGES: tuple[Style, ...] = (  # broad below narrow ones, so that equal ones can all be seen
    {"linestyle": "-", "linewidth": 2.6, "has_band": True},
    {"linestyle": "-", "linewidth": 0.7, "has_band": False, "color": "black"},
    {"linestyle": (0, (1, 1.3)), "linewidth": 1.3, "has_band": False, "color": "black"},
)
FLOOR = 1e-4  # of the axes at least; the curves go on below


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """The two metrics of the first, the middle and the last average, trial by trial."""
    metrics = tables["metrics"]
    is_shown = metrics["average"].isin(choose_averages(tables))
    columns = [*KEYS, "average", "metric", "length", "count", "mean"]
    return join_trials(metrics.loc[is_shown & metrics["metric"].isin(METRICS), columns], tables)


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A column for each variant; medians, and the quartiles of the first average."""
    looks = get_looks(table["variant"])
    averages = dict(zip(table["average"].dropna().unique(), AVERAGES, strict=False))
    columns = min(len(looks), PER_LINE)
    lines = -(-len(looks) // columns)
    figure, grid = new_figure(2 * lines, columns, FULL, 2.9 * lines + 0.8, sharex=True,
                              sharey="row")  # fmt: skip
    pairs = grid.reshape(lines, 2, columns).swapaxes(1, 2).reshape(-1, 2)  # one for each variant
    for axes in pairs[len(looks) :].flat:
        axes.set_visible(False)
    for index, (variant, pair) in enumerate(zip(looks, pairs, strict=False)):
        rows = table[table["variant"] == variant]
        panel(pair[0], index, f"{readable(variant)}\n{count_trials(table, variant)}")
        for axes, (metric, label) in zip(pair, METRICS.items(), strict=True):
            _prepare(axes, table[table["metric"] == metric], length)
            for average, look in averages.items():
                part = rows[(rows["average"] == average) & (rows["metric"] == metric)]
                if len(part):
                    draw_trials(axes, part, "length", looks[variant] | look, "mean")
            if index % columns == 0:
                axes.set_ylabel(label)
        pair[1].set_xlabel("length s (tokens)")
        pair[1].tick_params(labelbottom=True)
    handles = [
        *(key(**{"color": "#9a9a9a", **_line(look)}, label=readable(name))
          for name, look in averages.items()),
        Patch(label="lengths in training", **TRAINED),
    ]  # fmt: skip
    explanation = "medians of trials, with quartiles of the first of these averages of weights"
    finish(figure, game, length, explanation, handles, ncols=4)
    return figure


def _line(look: Style) -> Style:
    return {name: value for name, value in look.items() if name != "has_band"}


def _prepare(axes: Axes, of_metric: pd.DataFrame, length: int) -> None:
    """Scales that are the same in all panels of a metric."""
    lengths = of_metric["length"]
    axes.set(yscale="log", ylim=(max(FLOOR, of_metric["mean"].min() / 1.5), 1.3))
    axes.axvspan(0, length + 0.5, zorder=0, **TRAINED)
    integer_ticks(axes, lengths)
    axes.set_xlim(lengths.min() - 0.5, lengths.max() + 0.5)
