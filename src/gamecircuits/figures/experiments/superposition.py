"""Figure: some tokens perfectly or all a little, by length, by width, and where the two tie."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gamecircuits.figures.palette import colours_of
from gamecircuits.figures.style import (
    FULL,
    GREY,
    Style,
    integer_ticks,
    key,
    new_panels,
    note,
    panel,
)

TIES = {  # metric: name and dash in the last panel
    "kl_divergence": ("KL", "-"),
    "total_variation": ("total variation", "--"),
}
COLOURS = colours_of(["block", "frame", "equiangular"])
LOOKS = {  # colour, marker, name
    "block": (COLOURS["block"], "o", "block: m tokens, perfectly"),
    "fourier": (COLOURS["frame"], "s", "Fourier frame"),
    "equiangular": (COLOURS["equiangular"], "D", "equiangular frame"),
    "random_signs": (GREY, "", "random signs, median of seeds"),
}


def draw(table: pd.DataFrame) -> Figure:
    """KL that remains against length and against width; the length from which frames are better."""
    figure, grid = new_panels(3, 3, FULL / 3, 2.1)
    V = int(table["vocab_size"].iloc[0])
    table = table.assign(**{c: table[c] / table["untrained"] for c in ("value", "floor", "limit")})
    kl = table[table["metric"] == "kl_divergence"]
    by_length, by_width, tie = grid[0]

    part = kl[kl["width"] == V // 2]
    _draw_lines(by_length, part, "length")
    title = f"{V} tokens in {V // 2} dimensions"
    panel(by_length, 0, title, xlabel="length s (tokens)")
    _draw_lines(by_width, kl[kl["length"] == 1], "width")
    panel(by_width, 1, f"{V} tokens, length 1", xlabel="dimensions m")
    _draw_ties(tie, table, V)
    panel(tie, 2, "above a line, Fourier is better")
    shown = [solution for solution in LOOKS if (table["solution"] == solution).any()]
    handles = [
        key(color=colour, marker=marker or None, linestyle="none" if marker else "-", label=label)
        for colour, marker, label in map(LOOKS.__getitem__, shown)
    ]
    handles.append(key(linestyle="--", linewidth=1, label="proved lower bound"))
    handles += [
        key(color=COLOURS["frame"], linestyle=line, label=f"tie in {name}")
        for name, line in TIES.values()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return figure


def _draw_lines(axes: Axes, part: pd.DataFrame, along: str) -> None:
    """The block's limit as a line, the frames with a line for each seed, the floor shaded."""
    block = part[part["solution"] == "block"]
    axes.fill_between(block[along], block["floor"], color="#eeeeee", linewidth=0)
    axes.plot(block[along], block["floor"], color=GREY, linewidth=1, linestyle="--")
    axes.plot(block[along], block["limit"], color=LOOKS["block"][0])
    for solution, rows in part.groupby("solution", sort=False):
        colour, marker, _ = LOOKS[solution]
        seeds = rows.groupby(along)["value"]
        if not marker:
            low, high = seeds.min(), seeds.max()
            axes.fill_between(low.index, low, high, color=colour, alpha=0.25, linewidth=0)
        line: Style = {"linestyle": "none" if solution == "block" else "-"}
        axes.plot(seeds.median(), color=colour, marker=marker, **line)
    axes.set(ylim=(0, 1), ylabel="KL / that of the untrained")
    integer_ticks(axes, part[along])


def _draw_ties(axes: Axes, table: pd.DataFrame, V: int) -> None:
    """Length at which block and Fourier frame tie, by width, for both metrics."""
    axes.axhline(V / 2, color=GREY, linewidth=1, linestyle=":")
    note(axes, "V/2", (1, V / 2), (2, -2), xycoords=axes.get_yaxis_transform())
    for metric, (_, line) in TIES.items():
        rows = table[(table["metric"] == metric) & table["solution"].isin(["block", "fourier"])]
        values = rows.pivot(index=["width", "length"], columns="solution", values="value")
        excess = (values["fourier"] - values["block"]).unstack()
        ties = [_crossing(excess.columns, row) for row in excess.to_numpy()]
        axes.plot(excess.index, ties, color=COLOURS["frame"], marker="s", linestyle=line)
    axes.set(ylim=(0, V), ylabel="length s of the tie", xlabel="dimensions m")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    integer_ticks(axes, table["width"])


def _crossing(lengths: np.ndarray, excess: np.ndarray) -> float:
    """Length at which the excess first reaches zero from above, interpolated; NaN if nowhere."""
    (below,) = np.nonzero((excess[:-1] > 0) & (excess[1:] <= 0))
    if not len(below):
        return np.nan
    i = below[0]
    return lengths[i] + excess[i] / (excess[i] - excess[i + 1])
