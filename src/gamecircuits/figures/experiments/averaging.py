"""Figure: how an average tells which tokens were not seen, step by step."""

import string

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gamecircuits.figures.style import FULL, GREY, key, new_figure, note, panel

SEEN, ABSENT = "#D55E00", "#0072B2"
STEPS = {  # column: title; the last is compared with the target
    "average": "average of the seen",
    "logit": "times −x: logits (nats)",
    "exponential": "exponentials",
    "probability": "their shares: p",
}
MANY = 8  # tokens: more have no numbers at their bars


def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each prefix, a column for each step; a bar for each token."""
    lengths = table["length"].unique()
    count = table["token"].nunique()
    height = 0.9 + 1.1 * len(lengths)
    figure, grid = new_figure(len(lengths), len(STEPS), FULL, height, sharex=True, sharey="col")
    for line, length in zip(grid, lengths, strict=True):
        rows = table[table["length"] == length]
        for axes, column in zip(line, STEPS, strict=True):
            _draw_bars(axes, rows, column)
        last = [table.loc[table["length"] == s, "last"].iloc[0] for s in lengths if s <= length]
        line[0].set_ylabel(f"{_name(last)}\nseen", rotation=0, ha="right", va="center")
    for index, (axes, title) in enumerate(zip(grid[0], STEPS.values(), strict=True)):
        panel(axes, index, title)
    for axes in grid[-1]:
        axes.set_xticks(range(count), list(string.ascii_lowercase[:count]))
    low, high = grid[0, 1].get_ylim()
    grid[0, 1].set_ylim(1.3 * low, max(high, -0.15 * low))
    for axes in grid[0, [0, 2, 3]]:
        axes.set_ylim(0, 1.3)
    handles = [
        key(marker="s", linestyle="none", color=SEEN, label="seen token"),
        key(marker="s", linestyle="none", color=ABSENT, label="absent token"),
        key(linewidth=1.4, color="black", label="target"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return figure


def _draw_bars(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    values = rows[column].to_numpy()
    tokens = rows["token"].to_numpy()
    axes.bar(tokens, values, width=0.62, color=np.where(rows["seen"], SEEN, ABSENT))
    axes.axhline(0, color="#404040", linewidth=0.7)
    axes.set_xlim(-0.8, len(tokens) - 0.2)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    if column == "probability":
        wanted = rows[~rows["seen"]]
        axes.hlines(wanted["target"], wanted["token"] - 0.42, wanted["token"] + 0.42, color="black")
    if len(tokens) <= MANY:
        for token, value in zip(tokens, values, strict=True):
            up = value >= 0
            place = {"ha": "center", "va": "bottom" if up else "top", "color": GREY}
            note(
                axes,
                f"{value:.{2 if abs(value) >= 0.01 else 1}g}".replace("-", "−"),
                (token, value),
                (0, 2 if up else -2),
                **place,
            )


def _name(tokens: list[int]) -> str:
    return ", ".join(string.ascii_lowercase[token] for token in tokens)
