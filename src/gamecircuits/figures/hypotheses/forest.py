"""Figure: each hypothesis with the region that it claims, the interval found, and the verdict."""

from itertools import groupby
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from gamecircuits.figures.style import FULL, GREY, Style, headline, key, new_figure, readable
from gamecircuits.training.hypotheses import describe_interval

LOOKS = {  # verdict: colour, marker, filling
    "supported": ("#009E73", "o", None),
    "contradicted": ("#D55E00", "X", None),
    "undecided": (GREY, "D", "white"),
}
REGION = "#d9e8f5"
# All lengths are in inches: the axes are as large as the figure, and have no ticks.
WIDTH, LEFT, RIGHT = FULL, 3.25, 5.15  # of the figure; ends of the scales
CLOSE = 0.5  # two numbers need so much room to be written apart
MARGIN = 0.22  # of a scale, beyond the numbers on it
LINE, GAP = 0.135, 0.13  # height of a line, distance of rows
CLAIM: Style = {"fontsize": 7.5, "va": "top"}
SMALL: Style = {"fontsize": 6.5, "va": "top", "color": GREY}
LETTERS = {7.5: 56, 6.5: 64}  # that fit into a line on the left, by size


def make_table(hypotheses: pd.DataFrame) -> pd.DataFrame:
    """The table of hypotheses as it is."""
    return hypotheses


def draw(table: pd.DataFrame) -> Figure:
    """A row for each hypothesis, on a scale of its own, under the name of its search."""
    rows = list(table.itertuples())
    blocks = [(search, list(some)) for search, some in groupby(rows, lambda row: row.search)]
    height = sum(_height(row) for row in rows) + len(blocks) * (LINE + GAP)
    figure, grid = new_figure(1, 1, WIDTH, height + 0.75)
    axes = grid[0, 0]
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    top = 0.0
    for search, some in blocks:
        axes.axhline(top, color="#404040", linewidth=0.7)
        axes.text(0, top + GAP / 2, readable(search), weight="bold", **CLAIM)
        top += LINE + GAP
        for row in some:
            _draw_row(axes, row, top)
            top += _height(row)
    handles: list = [
        key(color=colour, marker=marker, markerfacecolor=filling or colour, label=verdict)
        for verdict, (colour, marker, filling) in LOOKS.items()
    ]
    handles.append(Patch(color=REGION, label="region claimed"))
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    counts = table["verdict"].value_counts()
    found = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in LOOKS)
    headline(figure, f"Hypotheses stated before the run: {found}", 9.5)
    return figure


def _list_lines(row: Any) -> tuple[list[str], list[str]]:
    """The claim, and what is measured, as lines of text."""
    measured = f"{readable(row.measure)}: {readable(row.compared)}"
    return wrap(row.claim, LETTERS[7.5]), wrap(measured, LETTERS[6.5])


def _height(row: Any) -> float:
    return LINE * max(3, sum(map(len, _list_lines(row)))) + GAP


def _draw_row(axes: Axes, row: Any, top: float) -> None:
    """Text on the left, the scale in the middle, numbers on the right."""
    claim, measured = _list_lines(row)
    axes.text(0, top, "\n".join(claim), **CLAIM)
    axes.text(0, top + LINE * len(claim), "\n".join(measured), **SMALL)
    axes.text(RIGHT + 0.1, top, describe_interval(row.mean, row.low, row.high), **CLAIM)
    trials = "1 trial" if row.num_trials == 1 else f"{row.num_trials} trials"
    trials += f", {row.num_missing} missing" * (row.num_missing > 0)
    axes.text(RIGHT + 0.1, top + LINE, f"{row.verdict}, {trials}", **SMALL)
    axes.text(RIGHT + 0.1, top + 2 * LINE, row.unit, **SMALL)
    _draw_scale(axes, row, top)


def _draw_scale(axes: Axes, row: Any, top: float) -> None:
    """The region, shaded to the edge where it has no limit, its ends, and the interval."""
    ends = (row.region_low, row.region_high)
    numbers = np.array([*ends, row.low, row.high, row.mean], dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    low, high = numbers.min(), numbers.max()

    def place(number: float) -> float:
        share = (number - low) / (high - low) if high > low else 0.5
        return LEFT + MARGIN + share * (RIGHT - LEFT - 2 * MARGIN)

    bottom, middle = top + 2 * LINE, top + LINE
    left, right = (
        edge if np.isnan(end) else place(end) for end, edge in zip(ends, (LEFT, RIGHT), strict=True)
    )
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, color=REGION, linewidth=0))
    axes.plot([LEFT, RIGHT], [bottom, bottom], color="#404040", linewidth=0.5)
    known = [end for end in ends if np.isfinite(end)]
    for end in known:
        axes.plot([place(end)] * 2, [bottom, bottom + 0.03], color="#404040", linewidth=0.5)
    labels = {place(end): _show(end) for end in known}
    if len(known) == 2 and place(known[1]) - place(known[0]) < CLOSE:
        labels = {np.mean(list(labels)): f"{_show(known[0])} to {_show(known[1])}"}
    for at, label in labels.items():
        at = min(at, RIGHT + 0.1 - 0.06 * len(label) / 2)  # the unit stands on the right
        axes.text(at, bottom + 0.04, label, ha="center", **SMALL)
    if low < 0 < high and 0 not in ends:
        axes.plot([place(0)] * 2, [top, bottom], color=GREY, linewidth=0.6, linestyle=":")
    colour, marker, filling = LOOKS[row.verdict]
    if np.isfinite(row.low):
        axes.plot([place(row.low), place(row.high)], [middle] * 2, color=colour)
    if np.isfinite(row.mean):
        look: Style = {"marker": marker, "markersize": 5, "markerfacecolor": filling or colour}
        axes.plot(place(row.mean), middle, color=colour, **look)


def _show(number: float) -> str:
    return f"{number:.4g}".replace("-", "−")
