"""Figure: the search itself, every trial by its hyperparameters and by how well it generalizes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from gamecircuits.figures.searches._search import (
    DIVERGED,
    KEYS,
    choose_averages,
    finish,
    get_looks,
    join_trials,
    variant_keys,
)
from gamecircuits.figures.style import FULL, GREY, key, new_panels, panel, readable
from gamecircuits.training.choices import list_hyperparameters

PER_LINE = 3  # panels, entries of the legend
LINE = 0.16  # inches of a line of the legend
SPREAD = 0.3  # of the variants beside a category
WIDE = 1.5  # ranges beyond this factor are drawn on a logarithmic axis
TWO_TICKS = 6.25  # factor that a logarithmic axis spans at least
NO_CHOICES = [DIVERGED, "at_trained", "at_longest", "average", "longest"]  # columns


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """One row per trial: what varied among trials of a variant, and total variations."""
    metrics, trials = tables["metrics"], tables["trials"]
    average = choose_averages(tables)[0]
    is_shown = (metrics["average"] == average) & (metrics["metric"] == "total_variation")
    values = metrics[is_shown].pivot(index=KEYS, columns="length", values="mean")
    longest = values.columns.max()
    columns = {"at_trained": values[min(length, longest)], "at_longest": values[longest]}
    table = join_trials(pd.DataFrame(columns, index=values.index).reset_index(), tables)
    table = table.assign(average=average, longest=longest)
    distinct = trials.groupby("variant")[list_hyperparameters(trials)].nunique().max()
    return table.merge(trials[[*KEYS, *distinct.index[distinct > 1]]], on=KEYS)


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A panel for each hyperparameter, and the trained length against the longest one."""
    looks = get_looks(table["variant"])
    longest, label = table["longest"].iloc[0], "total variation\nat {} tokens"
    labels = {name: readable(name) for name in list_hyperparameters(table.columns.drop(NO_CHOICES))}
    labels["at_trained"] = label.format(length)
    figure, grid = new_panels(len(labels), PER_LINE, FULL / min(PER_LINE, len(labels)), 1.9)
    for index, (name, below) in enumerate(labels.items()):
        axes = grid.flat[index]
        low = min(table["at_longest"].min() / 1.5, 0.08)
        panel(axes, index, "", yscale="log", ylim=(low, 1.9), xlabel=below)
        places, spread = _prepare(axes, table[name])
        for n, (variant, look) in enumerate(looks.items()):
            is_shown = table["variant"] == variant
            beside = spread * (2 * (n + 0.5) / len(looks) - 1)
            _draw_trials(axes, places[is_shown] + beside, table[is_shown], look)
        if index % grid.shape[1] == 0:
            axes.set_ylabel(label.format(longest))
        else:
            axes.tick_params(labelleft=False)
    last = grid.flat[len(labels) - 1]
    last.axline((0.1, 0.1), (1, 1), color=GREY, linewidth=0.9, zorder=1.5)
    handles = variant_keys(table, looks, linestyle="none")
    if table[DIVERGED].any():
        handles.append(key(marker="x", linestyle="none", label="diverged"))
    handles.append(key(linewidth=0.9, label=f"as at {length} tokens"))
    figure.set_figheight(figure.get_figheight() + LINE * max(0, len(handles) // PER_LINE - 1))
    explanation = f"every trial of the search; weights: {readable(table['average'].iloc[0])}"
    finish(figure, game, length, explanation, handles)
    return figure


def _prepare(axes: Axes, values: pd.Series) -> tuple[pd.Series, float]:
    """Set the scale; where the values lie on it, and how far variants stand apart there."""
    if is_bool_dtype(values) or not is_numeric_dtype(values):
        categories = sorted(values.unique())
        axes.set_xticks(range(len(categories)), [str(category) for category in categories])
        axes.set_xlim(-0.5, len(categories) - 0.5)
        return values.map(categories.index), SPREAD
    if values.name == "at_trained" or 0 < WIDE * values.min() < values.max():
        axes.set_xscale("log")
        low, high = values.min(), values.max()
        room = max(1.2, (TWO_TICKS * low / high) ** 0.5)
        axes.set_xlim(low / room, high * room)
    return values, 0.0


def _draw_trials(axes: Axes, values: pd.Series, rows: pd.DataFrame, look: dict) -> None:
    """Points; crosses at the top where there is nothing to measure."""
    style = {"color": look["color"], "linestyle": "none"}
    axes.plot(values, rows["at_longest"], marker=look["marker"], markerfacecolor="none", **style)
    lost = values[rows[DIVERGED].to_numpy()]
    top = axes.get_xaxis_transform()
    axes.plot(lost, np.full(len(lost), 0.97), marker="x", transform=top, **style)
