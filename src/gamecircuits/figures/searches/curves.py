"""Figure: metrics of trained models against length, for each variant and some averages."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.searches._multiples import (
    LENGTH,
    baseline_keys,
    draw_baselines,
    draw_num_legal,
    join_baselines,
    new_multiples,
    shade_trained,
)
from gamecircuits.figures.searches._search import (
    KEYS,
    choose_averages,
    draw_trials,
    finish,
    get_looks,
    join_trials,
)
from gamecircuits.figures.style import TRAINED, Style, key, readable

METRICS = {
    "illegal_token_rate": "illegal token rate\n(probability)",
    "total_variation": "total variation\n(probability)",
}
MANY = 8  # of more variants only the first metric is drawn
HEIGHT = 1.45  # inches of a panel
AVERAGES: tuple[Style, ...] = (  # broad below narrow ones, so that equal ones can all be seen
    {"linestyle": "-", "linewidth": 2.6, "has_band": True},
    {"linestyle": "-", "linewidth": 0.7, "has_band": False, "color": "black"},
    {"linestyle": (0, (1, 1.3)), "linewidth": 1.3, "has_band": False, "color": "black"},
)
FLOOR = 1e-4  # of the axes at least; the curves go on below


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """The two metrics of the first, the middle and the last average, trial by trial.

    Where there are baselines, each has a column, and so has the number of legal tokens.
    """
    metrics = tables["metrics"]
    is_shown = metrics["average"].isin(choose_averages(tables))
    columns = [*KEYS, "average", "metric", "length", "count", "mean"]
    table = metrics.loc[is_shown & metrics["metric"].isin(METRICS), columns]
    if "baselines" in tables:
        table = join_baselines(table, tables["baselines"])
    return join_trials(table, tables)


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A column for each variant; medians, and the quartiles of the first average."""
    looks = get_looks(table["variant"])
    averages = dict(zip(table["average"].dropna().unique(), AVERAGES, strict=False))
    metrics = list(METRICS)[: 1 if len(looks) > MANY else None]
    labels = [METRICS[metric] for metric in metrics]
    figure, panels, feet = new_multiples(table, labels, HEIGHT, LENGTH, "num_legal" in table)
    for variant, of_variant in panels.items():
        rows = table[table["variant"] == variant]
        for metric, axes in zip(metrics, of_variant, strict=True):
            of_metric = table[table["metric"] == metric]
            _prepare(axes, of_metric, length)
            draw_baselines(axes, of_metric)
            for average, look in averages.items():
                part = rows[(rows["average"] == average) & (rows["metric"] == metric)]
                if len(part):
                    draw_trials(axes, part, "length", looks[variant] | look, "mean")
    if feet:
        draw_num_legal(feet, table)
    handles = [
        *(key(**{"color": "#9a9a9a", **_line(look)}, label=readable(name))
          for name, look in averages.items()),
        *baseline_keys(table),
        Patch(label="lengths in training", **TRAINED),
    ]  # fmt: skip
    explanation = "medians of trials, with quartiles of the first of these averages of weights"
    finish(figure, game, length, explanation, handles, ncols=4)
    return figure


def _line(look: Style) -> Style:
    return {name: value for name, value in look.items() if name != "has_band"}


def _prepare(axes: Axes, of_metric: pd.DataFrame, length: int) -> None:
    """Scales that are the same in all panels of a metric."""
    axes.set(yscale="log", ylim=(max(FLOOR, of_metric["mean"].min() / 1.5), 1.3))
    shade_trained(axes, of_metric["length"], length)
