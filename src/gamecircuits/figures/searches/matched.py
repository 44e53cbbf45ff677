"""Figure: what length does by itself, when as many tokens are legal as in training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.searches._multiples import LENGTH, new_multiples, shade_trained
from gamecircuits.figures.searches._search import (
    KEYS,
    choose_averages,
    draw_nothing,
    draw_trials,
    finish,
    get_looks,
    join_trials,
)
from gamecircuits.figures.style import GREY, TRAINED, Style, key, readable

METRIC = "illegal_token_rate"
HEIGHT = 1.5  # inches of a panel
MATCHED: Style = {"linestyle": "-", "linewidth": 1.6}
THIN: Style = {"linestyle": "-", "linewidth": 0.6, "has_band": False}  # the overlap is small
PLAIN: Style = {"linestyle": (0, (1, 1.3)), "linewidth": 1.3, "has_band": False}
ENOUGH = 0.5  # overlap: with less, few of the prefixes in training are compared


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """One row per trial and length: differences in METRIC from the lengths in training.

    `difference` is that of the plain means, `matched_difference` that of the means with as many
    legal tokens as at lengths in training, and `overlap` the share of prefixes in training that
    have such numbers. The weights are the first average, which `first` names.
    """
    matched = tables["matched"]
    columns = [*KEYS, "length", "difference", "matched_difference", "overlap"]
    if matched.empty:
        return join_trials(pd.DataFrame(columns=columns), tables).assign(first="")
    rows = matched[matched["metric"] == METRIC]
    rows = rows[rows["average"] == choose_averages(tables)[0]]
    trained = rows[rows["length"] <= length]
    sums = trained.assign(total=trained["mean"] * trained["count"]).groupby(KEYS)
    before = (sums["total"].sum() / sums["count"].sum()).rename("before")
    rows = rows.merge(before, left_on=KEYS, right_index=True)
    rows = rows.assign(
        difference=rows["mean"] - rows["before"],
        matched_difference=rows["matched_mean"] - rows["reference_mean"],
    )
    return join_trials(rows[columns], tables).assign(first=choose_averages(tables)[0])


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A panel for each variant, and the overlap below."""
    if table["difference"].isna().all():
        return draw_nothing(game, length, "the length tells how many tokens are legal")
    looks = get_looks(table["variant"])
    label = "illegal rate less\nthat in training"
    figure, panels, feet = new_multiples(table, [label], HEIGHT, LENGTH, has_foot=True)
    values = table[["difference", "matched_difference"]].stack()
    room = 0.08 * (values.max() - min(values.min(), 0))
    for variant, (axes,) in panels.items():
        rows = table[table["variant"] == variant].dropna(subset="length")
        shade_trained(axes, table["length"].dropna().astype(int), length)
        axes.axhline(0, color=GREY, linewidth=0.9)
        axes.set_ylim(min(values.min(), 0) - room, values.max() + room)
        _draw(axes, rows, "difference", looks[variant] | PLAIN)
        _draw(axes, rows, "matched_difference", looks[variant] | THIN)
        enough = rows[rows["overlap"] >= ENOUGH]
        _draw(axes, enough, "matched_difference", looks[variant] | MATCHED)
    overlap = table.dropna(subset="length").groupby("length")["overlap"].mean()
    for index, axes in enumerate(feet):
        axes.plot(overlap, color=GREY, linewidth=1)
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks([0, ENOUGH, 1])
        if index == 0:
            axes.set_ylabel("overlap")
    handles = [
        key(label="as many legal tokens as in training (thin: small overlap)", **MATCHED),
        key(label="all prefixes", linestyle=PLAIN["linestyle"], linewidth=PLAIN["linewidth"]),
        Patch(label="lengths in training", **TRAINED),
    ]
    first = readable(table["first"].iloc[0])
    explanation = f"what length does by itself; medians of trials, with quartiles; weights: {first}"
    finish(figure, game, length, explanation, handles)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, value: str, look: Style) -> None:
    there = rows.dropna(subset=value)
    if len(there):
        draw_trials(axes, there, "length", look, value)
