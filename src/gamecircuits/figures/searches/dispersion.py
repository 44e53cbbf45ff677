"""Figure: what longer games do inside a deep model: its attention, its logits, its noise."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.searches._multiples import LENGTH, new_multiples, shade_trained
from gamecircuits.figures.searches._search import (
    KEYS,
    draw_trials,
    finish,
    get_looks,
    join_trials,
)
from gamecircuits.figures.style import GREY, TRAINED, Style, key, readable
from gamecircuits.training.choices import choose_middle

NUM_VARIANTS = 4  # the first ones: results do not choose
HEIGHT = 1.4  # inches of a panel
ENTROPY, DISPLACEMENT, SCATTER = "entropy_share", "displacement", "total_variation"
LABELS = {
    ENTROPY: "attention entropy\n(share of ln s)",
    DISPLACEMENT: "displacement\n(nats)",
    SCATTER: "late iterates\n(total variation)",
}
PARTS: dict[str, Style] = {  # of the illegal tokens, and of the error of late iterates
    "seen": {"linestyle": "-"},
    "unseen": {"linestyle": (0, (4, 2))},
    "illegal": {"linestyle": "-"},
    "noise": {"linestyle": "-"},
    "bias": {"linestyle": (0, (1, 1.3))},
}
MEANINGS = {
    "seen": "illegal, already played",
    "unseen": "illegal, not played",
    "illegal": "illegal",
    "noise": "noise",
    "bias": "bias",
}
PALEST = 0.5  # share of its colour that the first of several layers has
FIRST: Style = {"linewidth": 2.4, "has_band": True}
OTHER: Style = {"linewidth": 0.7, "has_band": False, "color": "black"}
COLUMNS = [*KEYS, "average", "quantity", "part", "length", "value"]


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """One row per trial, average, quantity, part and length, of the first variants.

    The entropy of attention is the mean over the heads of a layer, which is the `part`. The
    displacement is that of the illegal tokens played already (`seen`) and of the others (`unseen`);
    of all (`illegal`) where only one sort exists. Noise and bias of late iterates have no average.
    """
    trials, first = tables["trials"], tables["effects"]["average"].iloc[0]
    chosen = trials["variant"].unique()[:NUM_VARIANTS]
    shown = [first, choose_middle(list(tables["effects"]["average"].unique()))]
    parts = [_tabulate_entropy(tables["attention"]), _tabulate_displacement(tables, shown)]
    late = tables["noise"].reindex(columns=[*KEYS, "length", "noise", "bias"])
    late = late.melt([*KEYS, "length"], var_name="part").assign(quantity=SCATTER)
    rows = pd.concat([part.reindex(columns=COLUMNS) for part in (*parts, late)], ignore_index=True)
    kept = tables | {"trials": trials[trials["variant"].isin(chosen)]}
    return join_trials(rows, kept).assign(first=first, num_variants=trials["variant"].nunique())


def _tabulate_entropy(attention: pd.DataFrame) -> pd.DataFrame:
    if attention.empty:
        return pd.DataFrame(columns=COLUMNS)
    places = [*KEYS, "average", "layer", "length"]
    rows = attention.groupby(places, sort=False)["share_of_uniform"].mean().reset_index()
    part = "layer " + (rows["layer"] + 1).astype(str)
    return rows.assign(quantity=ENTROPY, part=part, value=rows["share_of_uniform"])


def _tabulate_displacement(tables: dict[str, pd.DataFrame], shown: list) -> pd.DataFrame:
    illegal = tables["illegal"]
    if len(illegal):
        return illegal.assign(quantity=DISPLACEMENT, value=illegal["displacement"])
    rows = tables["metrics"]
    rows = rows[(rows["metric"] == "displacement") & rows["average"].isin(shown)]
    return rows.assign(quantity=DISPLACEMENT, part="illegal", value=rows["mean"])


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A column for each variant; layers and sorts of tokens apart, averages on each other."""
    looks = get_looks(table["variant"])
    table = table.assign(value=table["value"].replace([np.inf, -np.inf], np.nan))
    found = table.dropna(subset="value")
    labels = {name: label for name, label in LABELS.items() if name in set(found["quantity"])}
    figure, panels, _ = new_multiples(table, list(labels.values()), HEIGHT, LENGTH)
    for variant, of_variant in panels.items():
        for quantity, axes in zip(labels, of_variant, strict=True):
            rows = found[found["quantity"] == quantity]
            shade_trained(axes, found["length"].astype(int), length)
            _prepare(axes, quantity, rows["value"])
            of_panel = rows[rows["variant"] == variant]
            _draw_parts(axes, of_panel, looks[variant]["color"], list(rows["part"].unique()))
    explanation = "medians of trials, with quartiles of the first of these averages of weights"
    if (number := table["num_variants"].iloc[0]) > len(looks):
        explanation += f"; the first {len(looks)} of {number} variants"
    finish(figure, game, length, explanation, _explain(found), ncols=3)
    return figure


def _prepare(axes: Axes, quantity: str, values: pd.Series) -> None:
    """Scales that are the same in all panels of a quantity."""
    if quantity == ENTROPY:
        low = max(0, values.min() - 0.1)
        axes.set_ylim(low, 1 + 0.1 * (1 - low))
        axes.axhline(1, color=GREY, linewidth=0.9)
    elif quantity == SCATTER:
        positive = values[values > 0]
        axes.set(yscale="log", ylim=(max(1e-5, positive.min() / 1.5), 1.3))
    else:
        low, high = min(values.min(), 0), max(values.max(), 0)
        axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        axes.axhline(0, color=GREY, linewidth=0.9)


def _draw_parts(axes: Axes, rows: pd.DataFrame, colour: str, parts: list[str]) -> None:
    """Curves of all parts; the first average, if there are several, below the other one."""
    averages = list(rows["average"].unique())
    for average, look in zip(averages, (FIRST, OTHER), strict=False):
        is_average = rows["average"].isna() if pd.isna(average) else rows["average"] == average
        for part, of_part in rows[is_average].groupby("part", sort=False):
            style = {"color": _tint(colour, str(part), parts), "linestyle": "-"}
            draw_trials(axes, of_part, "length", style | PARTS.get(str(part), {}) | look)


def _tint(colour: str, part: str, parts: list[str]) -> str | tuple[float, ...]:
    """The colour of a variant, paler in the first layers."""
    if part in PARTS or len(parts) == 1:
        return colour
    share = PALEST + (1 - PALEST) * parts.index(part) / (len(parts) - 1)
    return tuple(1 - share * (1 - channel) for channel in to_rgb(colour))


def _explain(rows: pd.DataFrame) -> list:
    """Legend: what tints, dashes and widths are."""
    layers = list(rows.loc[rows["quantity"] == ENTROPY, "part"].unique())
    ends = dict.fromkeys([layers[0], layers[-1]]) if layers else {}
    averages = list(rows["average"].dropna().unique())
    there = set(rows["part"])
    handles: list = [
        key(color=_tint("#404040", layer, layers), label=layer, linewidth=2.4) for layer in ends
    ]
    handles += [
        key(label=MEANINGS[part], **style) for part, style in PARTS.items() if part in there
    ]
    for average, look in zip(averages, (FIRST, OTHER), strict=False):
        style = {name: value for name, value in look.items() if name != "has_band"}
        handles.append(key(label=readable(average), **{"color": "#9a9a9a", **style}))
    return [*handles, Patch(label="lengths in training", **TRAINED)]
