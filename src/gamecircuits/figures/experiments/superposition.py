"""Figure: some tokens perfectly or all a little, by length, by width, and where the two tie."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    MARKERS,
    Style,
    integer_ticks,
    new_figure,
    note,
    panel,
)

LOOKS = {  # colour, marker; label, how far along the axis it stands, and its offset in points
    "block": (COLOURS[0], MARKERS[0], "block: m tokens, perfectly", 0.36, (0, -17)),
    "fourier": (COLOURS[2], MARKERS[2], "Fourier frame", 0.75, (-38, -10)),
    "equiangular": (COLOURS[1], MARKERS[3], "equiangular frame", 0.42, (0, -13)),
    "random_signs": (COLOURS[3], "", "random signs", 0.3, (0, 9)),
}


def draw(table: pd.DataFrame) -> Figure:
    """KL that remains against length and against width; the length from which frames are better."""
    figure, grid = new_figure(1, 3, 11.4, 3.7)
    V = int(table["vocab_size"].iloc[0])
    table = table.assign(**{c: table[c] / table["untrained"] for c in ("value", "floor", "limit")})
    kl = table[table["metric"] == "kl_divergence"]
    by_length, by_width, tie = grid[0]

    part = kl[kl["width"] == V // 2]
    _draw_lines(by_length, part, "length")
    _label_lines(by_length, part, "length")
    title = f"{V} tokens in {V // 2} dimensions, all contexts"
    panel(by_length, 0, title, xlabel="length s (tokens)")
    _draw_lines(by_width, kl[kl["length"] == 1], "width")
    text = "no logits in m dimensions\nget below 1 − m/(V−1)"
    note(by_width, text, (0.03, 0.04), xycoords="axes fraction")
    panel(by_width, 1, f"{V} tokens, length 1", xlabel="dimensions m")
    _draw_ties(tie, table, V)
    panel(tie, 2, "above its line the Fourier frame is better")
    return figure


def _draw_lines(axes: Axes, part: pd.DataFrame, along: str) -> None:
    """The block's limit as a line, the frames with a line for each seed, the floor shaded."""
    block = part[part["solution"] == "block"]
    axes.fill_between(block[along], block["floor"], color="#eeeeee", linewidth=0)
    axes.plot(block[along], block["floor"], color=GREY, linewidth=1, linestyle="--")
    axes.plot(block[along], block["limit"], color=LOOKS["block"][0])
    for (solution, _), rows in part.groupby(["solution", "seed"], sort=False):
        colour, marker, *_ = LOOKS[solution]
        line: Style = {"linewidth": 1.4 if marker else 0.7}
        line["linestyle"] = "none" if solution == "block" else "-"
        axes.plot(rows[along], rows["value"], color=colour, marker=marker, **line)
    axes.set(ylim=(0, 1), ylabel="mean KL as a share of the untrained model's")
    integer_ticks(axes, part[along])


def _label_lines(axes: Axes, part: pd.DataFrame, along: str) -> None:
    """Name of each solution beside its line."""
    for solution, rows in part.groupby("solution"):
        colour, _, label, share, offset = LOOKS[solution]
        at = np.sort(rows[along].unique())[int(share * rows[along].nunique())]
        here = rows[rows[along] == at]
        if len(here) > 1:
            label += f", {len(here)} seeds"
        note(axes, label, (at, here["value"].max()), offset, ha="center", color=colour)


def _draw_ties(axes: Axes, table: pd.DataFrame, V: int) -> None:
    """Length at which block and Fourier frame tie, by width, for both metrics."""
    axes.axhline(V / 2, color=GREY, linewidth=1, linestyle=":")
    law, place = "V/2: theory for KL, m ≪ V", axes.get_yaxis_transform()
    note(axes, law, (0.02, V / 2), (0, 9), xycoords=place)
    for metric, colour, label, up in (
        ("kl_divergence", COLOURS[2], "KL", -16),
        ("total_variation", COLOURS[4], "total variation", 9),
    ):
        rows = table[(table["metric"] == metric) & table["solution"].isin(["block", "fourier"])]
        values = rows.pivot(index=["width", "length"], columns="solution", values="value")
        excess = (values["fourier"] - values["block"]).unstack()
        ties = [_crossing(excess.columns, row) for row in excess.to_numpy()]
        axes.plot(excess.index, ties, color=colour, marker=MARKERS[2])
        note(axes, label, (excess.index[-1], ties[-1]), (4, up), ha="right", color=colour)
    axes.set(ylim=(0, V), ylabel="length s at which frame and block tie", xlabel="dimensions m")
    integer_ticks(axes, table["width"])


def _crossing(lengths: np.ndarray, excess: np.ndarray) -> float:
    """Length at which the excess first reaches zero from above, interpolated; NaN if nowhere."""
    (below,) = np.nonzero((excess[:-1] > 0) & (excess[1:] <= 0))
    if not len(below):
        return np.nan
    i = below[0]
    return lengths[i] + excess[i] / (excess[i] - excess[i + 1])
