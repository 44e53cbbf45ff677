"""Figure: how far the training loss of each variant is above that of the perfect model."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.searches._multiples import BASELINES, NAMES, new_multiples
from gamecircuits.figures.searches._search import KEYS, draw_trials, finish, get_looks, join_trials
from gamecircuits.figures.style import Style, key

HEIGHT = 1.6  # inches of a panel
PALE: Style = {"color": "#c4c4c4", "linewidth": 0.7, "zorder": 1.6}  # the other variants
UNIFORM = "uniform"


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """One row per trial and checkpoint: loss, and its excess over the floor (nats).

    The floor is the mean of ln(number of legal tokens) over all prefixes of test games of the
    lengths in training: the loss of the perfect model. `uniform` is the excess of equal logits.
    """
    baselines = tables["baselines"]
    floor = _average(baselines, "games", "floor", length)
    uniform = _average(baselines, UNIFORM, "kl_divergence", length)
    columns = [*KEYS, "step", "loss"]
    rows = tables["dynamics"].reindex(columns=columns)
    rows = rows.assign(floor=floor, excess=rows["loss"] - floor, uniform=uniform)
    return join_trials(rows, tables)


def _average(baselines: pd.DataFrame, baseline: str, metric: str, length: int) -> float:
    """Mean over all prefixes of the lengths in training: longer ones may be fewer."""
    is_wanted = (baselines["baseline"] == baseline) & (baselines["metric"] == metric)
    rows = baselines[is_wanted & (baselines["length"] <= length)]
    return float(np.average(rows["mean"], weights=rows["count"]))


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A panel for each variant, with the medians of the others in grey."""
    looks = get_looks(table["variant"])
    # Of sampled targets the mean of an interval can lie below the floor.
    table = table.assign(excess=table["excess"].where(table["excess"] > 0))
    label = "above the floor\n(nats)"
    figure, panels, _ = new_multiples(table, [label], HEIGHT, "step")
    medians = table.groupby(["variant", "step"], sort=False)["excess"].median()
    low = table["excess"].min()
    for variant, (axes,) in panels.items():
        uniform = table["uniform"].dropna()
        axes.set(yscale="log", ylim=(low / 1.3, 1.3 * max(table["excess"].max(), uniform.max())))
        axes.axhline(uniform.iloc[0], **BASELINES[UNIFORM])
        for other in looks:
            if other != variant and other in medians:
                axes.plot(medians[other], **PALE)
        rows = table[(table["variant"] == variant) & table["excess"].notna()]
        if len(rows):
            draw_trials(axes, rows, "step", looks[variant] | {"linestyle": "-"}, "excess")
    handles = [key(label=NAMES[UNIFORM], **BASELINES[UNIFORM])]
    if len(looks) > 1:
        handles.insert(0, key(label="the other variants", **PALE))
    explanation = (
        "training loss less that of the perfect model, "
        f"{table['floor'].dropna().iloc[0]:.3g} nats; medians of trials, with quartiles"
    )
    finish(figure, game, length, explanation, handles)
    return figure
