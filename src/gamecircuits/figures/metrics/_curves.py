"""What the figures of metrics against length have in common."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gamecircuits.figures.style import (
    FULL,
    GREY,
    TRAINED,
    Style,
    key,
    looks_of,
    new_panels,
    panel,
    readable,
)

COLUMNS = [
    "evaluation",
    "game",
    "model",
    "kind",
    "variant",
    "trained_length",
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
PER_LINE = 3  # panels
MARKED = 16  # lengths of a panel that have symbols, at most about
SIGNS = {"=": 1e-6, "≈": 0.05}  # relative difference of metrics that one panel shows
DRAWN = ["mean", "q05", "q95"]


class Key(NamedTuple):
    """What has a look of its own: the kind of model, the remedy, which of several in a panel."""

    kind: str
    thing: str
    number: int


Prepare = Callable[[Axes, pd.DataFrame, pd.DataFrame], None]


def select(metrics: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The rows of the named metrics, with the columns that the figures use."""
    return metrics.loc[metrics["metric"].isin(names), COLUMNS].reset_index(drop=True)


def draw_panels(
    table: pd.DataFrame,
    labels: dict[str, str],
    prepare: Prepare,
    finish: Callable[[Axes, pd.DataFrame, dict[str, Style]], list[Line2D]] = lambda *_: [],
) -> Figure:
    """A panel for each metric of each evaluation; metrics that agree everywhere share one.

    Args:
        table: as from `select`.
        labels: what each metric is called.
        prepare: called with axes, the panel's rows and all rows of the metric, to set the scales.
        finish: called with axes, the panel's rows and the looks of models once the curves are
            drawn; what it adds to the legend.
    """
    shown = [
        (rows, of_metric, title)
        for _, of_evaluation in table.groupby("evaluation", sort=False)
        for rows, of_metric, title in _merge(of_evaluation, table, labels)
    ]
    per_line = min(PER_LINE, len(shown))
    figure, grid = new_panels(len(shown), per_line, FULL / per_line, 1.75 if per_line > 1 else 2.6)
    keys, looks = find_looks(table)
    own: dict[str, Style]
    more: dict[str, Line2D] = {}
    for index, (axes, (rows, of_metric, title)) in enumerate(zip(grid.flat, shown, strict=False)):
        prepare(axes, rows, of_metric)
        own = {model: looks[name] for model, name in keys[rows["evaluation"].iloc[0]].items()}
        draw_curves(axes, rows, own)
        more |= {str(handle.get_label()): handle for handle in finish(axes, rows, own)}
        panel(axes, index, f"{describe(rows, table)}\n{title}")
        axes.set(xlabel="length s (tokens)", ylabel=rows["unit"].iloc[0])
    handles = [*_name_looks(keys, looks), *_explain(table), *more.values()]
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


def _merge(rows: pd.DataFrame, table: pd.DataFrame, labels: dict[str, str]) -> Iterator[tuple]:
    """Rows, rows of the same metrics everywhere, and title for each panel of one evaluation."""
    found: list[tuple[pd.DataFrame, list[str], str]] = []
    for metric, label in labels.items():
        of_metric = rows[rows["metric"] == metric]
        if of_metric["mean"].notna().sum() == 0:
            continue
        if found and (sign := _compare(found[-1][0], of_metric)):
            first, metrics, title = found.pop()
            found.append((first, [*metrics, metric], f"{title} {sign} {label}"))
        else:
            found.append((of_metric, [metric], label))
    for first, metrics, title in found:
        yield first, table[table["metric"].isin(metrics)], title


def _compare(one: pd.DataFrame, other: pd.DataFrame) -> str | None:
    """How two metrics of one evaluation are related, if no panel could show their difference."""
    if one["unit"].iloc[0] != other["unit"].iloc[0]:
        return None
    values = one[DRAWN].to_numpy(), other[DRAWN].to_numpy()
    found = (
        sign
        for sign, relative in SIGNS.items()
        if np.allclose(*values, rtol=relative, atol=1e-12, equal_nan=True)
    )
    return next(found, None)


def find_looks(table: pd.DataFrame) -> tuple[dict[str, dict[str, Key]], dict[Key, Style]]:
    """Which look each model of each evaluation has, and the looks.

    Models of one kind look the same in different panels, and different in one. Symbols of trained
    models are filled.
    """
    models = table.drop_duplicates(["evaluation", "model"])
    keys: dict[str, dict[str, Key]] = {}
    for evaluation in models["evaluation"].unique():
        seen: Counter[str] = Counter()
        keys[evaluation] = {}
        for row in models[models["evaluation"] == evaluation].itertuples():
            thing = row.variant or row.kind
            keys[evaluation][row.model] = Key(row.kind, thing, seen[thing])
            seen[thing] += 1
    looks = looks_of({key: key.thing for names in keys.values() for key in names.values()})
    for name, look in looks.items():
        look["markerfacecolor"] = look["color"] if name.kind == "trained" else "none"
    return keys, looks


def draw_curves(axes: Axes, table: pd.DataFrame, looks: dict[str, Style]) -> None:
    """One metric of one evaluation: closed forms as lines, means as symbols, 5 to 95 % as bands.

    Later models get smaller symbols, so that curves which coincide can all be seen.

    Args:
        table: rows of one metric and one evaluation.
        looks: of its models, by name.
    """
    floor = axes.get_ylim()[0] if axes.get_yscale() == "log" else -np.inf
    trained = table["trained_length"].max()
    if np.isfinite(trained):
        left = axes.get_xlim()[0] if axes.get_xscale() == "log" else 0
        axes.axvspan(left, trained + 0.5, zorder=0, **TRAINED)
    for index, (model, look) in enumerate(looks.items()):
        rows = table[(table["model"] == model) & table["mean"].notna()]
        if rows.empty:
            continue
        lengths, theory = rows["length"].to_numpy(), rows["closed_form"].to_numpy()
        mean, low, high = (rows[name].to_numpy() for name in ("mean", "q05", "q95"))
        line = {"color": look["color"], "linestyle": look["linestyle"]}
        band = {"color": look["color"], "alpha": 0.2, "linewidth": 0}
        axes.fill_between(lengths, np.maximum(low, floor), np.maximum(high, floor), **band)
        if np.isfinite(theory).any():
            axes.plot(lengths, theory, zorder=2, **line)
        else:
            axes.plot(lengths, mean, zorder=2, linewidth=0.6, **line)
        symbols = {name: look[name] for name in ("color", "marker", "markerfacecolor")}
        every = -(-len(lengths) // MARKED)
        size = 5.0 - 0.8 * min(index, 3)
        symbols |= {"linestyle": "none", "markersize": size, "markeredgewidth": 0.8}
        axes.plot(lengths, mean, zorder=3, markevery=every, **symbols)


def describe(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """What was measured: the game, its vocabulary and the number of contexts."""
    one = rows[rows["model"] == rows["model"].iloc[0]]
    game, evaluation = one["game"].iloc[0], one["evaluation"].iloc[0]
    others = table.loc[table["game"] == game, "evaluation"].nunique() > 1
    name = readable(f"{game}, {evaluation}" if others else game)
    are_all = one["contexts"].iloc[0] != "sampled"  # one by one, or by orbits
    which = "all" if are_all else f"{int(one['count'].sum()):,}"
    V = one["vocab_size"].iloc[0]
    return f"{name}, V = {V}, {which} contexts"


def _name_looks(keys: dict[str, dict[str, Key]], looks: dict[Key, Style]) -> list[Line2D]:
    """Entries of the legend: a model by its name, several that look the same by their kind."""
    handles = []
    for name, look in looks.items():
        models = dict.fromkeys(m for own in keys.values() for m in own if own[m] == name)
        label = readable(", ".join(models))
        if len(models) > 1 and name.number == 0:
            label = readable(name.thing)
            label += f", {name.kind}" if name.kind != name.thing else ""
        handles.append(key(label=label, **look))
    return handles


def _explain(table: pd.DataFrame) -> list:
    symbol: Style = {"marker": "o", "markerfacecolor": "none", "markersize": 4}
    entries: list = []
    if table["closed_form"].notna().any():
        entries.append(key(label="closed form"))
    if table.groupby(["evaluation", "model"])["closed_form"].count().min() == 0:
        entries.append(key(label="measured mean, no closed form", linewidth=0.6, **symbol))
    entries.append(key(label="measured mean", linestyle="none", **symbol))
    if (table["q95"] - table["q05"] > 1e-6).any():
        entries.append(Patch(color=GREY, alpha=0.2, linewidth=0, label="5 to 95 % of contexts"))
    if table["trained_length"].notna().any():
        entries.append(Patch(label="lengths in training", **TRAINED))
    return entries
