"""Panels of a model's figure: strengths by token, illegal token rate and displacement by length.

Symbols are measured. Thin lines are predicted, and broad pale ones certified, so that all three are
seen where they coincide.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.analysis.plays import TIE
from gamecircuits.figures.models._words import get_colour, get_whole
from gamecircuits.figures.style import (
    GREY,
    HOLLOW,
    TRAINED,
    Style,
    count_contexts,
    integer_ticks,
    key,
    panel,
    plain_log_ticks,
)

FLOOR = 1e-8  # of the axis of rates
CERTIFIED: Style = {"color": "#c9c9c9", "linewidth": 4.5, "solid_capstyle": "butt", "zorder": 1}
PREDICTED: Style = {"linewidth": 0.9, "zorder": 2}
SMALL: Style = {"markersize": 2.6, "markeredgewidth": 0.7, "linestyle": "none", "zorder": 3}
LARGE: Style = {"markersize": 4.6, "markeredgewidth": 0.8, "zorder": 3, **HOLLOW}


def draw_strengths(axes: Axes, index: int, table: pd.DataFrame) -> None:
    """x and β by token."""
    colour = get_colour(table)
    for name, style in (("x", SMALL), ("beta", LARGE | {"marker": "s", "markersize": 3.4})):
        rows = _get(table, name)
        marks: Style = {"marker": "o", "color": colour}
        axes.plot(rows["token"].astype(int), rows["measured"], **marks | style)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=0)
    title = "strengths by token\n● x, of the OV circuit\n□ β, of the direct path"
    panel(axes, index, title, xlabel="token", ylabel="strength (nats)")
    integer_ticks(axes, table.loc[table["quantity"] == "x", "token"].astype(int))


def draw_rates(axes: Axes, index: int, table: pd.DataFrame) -> None:
    """Illegal token rate by length: mean over contexts, and worst of them."""
    means, worst = (_get(table, f"{name}illegal_token_rate") for name in ("", "highest_"))
    are_equal = _are_equal(means, worst)
    _draw_lengths(axes, table, worst, LARGE)
    if not are_equal:
        _draw_lengths(axes, table, means, SMALL)
    counts = table[table["quantity"] == "contexts"]
    are_all = "predicted" in table and bool((counts["measured"] == counts["predicted"]).all())
    number = count_contexts(counts["measured"].sum(), are_all)
    signs = "○ the same in" if are_equal else "● mean, ○ worst of"
    highest = worst["measured"].max()
    if highest > 0:
        lowest = 0.3 * min(means["measured"].min(), worst["measured"].min())
        floor = min(FLOOR, 1e-6 * highest)  # of rates that are all tiny
        axes.set(yscale="log", ylim=(min(max(lowest, floor), 0.1), 2))
    else:
        axes.set_ylim(-0.02, 1)
    panel(axes, index, f"illegal token rate\n{signs}\n{number}", ylabel="probability")


def draw_displacements(axes: Axes, index: int, table: pd.DataFrame) -> None:
    """Lowest displacement of all contexts by length."""
    others, last = (_get(table, f"{name}_displacement") for name in ("other", "last"))
    signs = "○ last token, ● the others"
    if others.empty and last.empty:
        shown, signs = [_get(table, "lowest_displacement")], "○ of any illegal token"
    elif others.empty or _are_equal(others, last):
        shown, signs = [last], "○ of any seen token"
    else:
        shown = [last, others]
    for rows, style in zip(shown, (LARGE, SMALL), strict=False):
        _draw_lengths(axes, table, rows, style)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=0)
    columns = [name for name in ("measured", "predicted") if name in table]
    values = pd.concat(shown)[columns].to_numpy(dtype=float).ravel()
    _scale(axes, values[np.isfinite(values)])
    found = pd.Series(get_whole(table).get("first_failure_found")).dropna()
    failing = [*(n for rows in shown for n in rows.loc[rows["measured"] <= TIE, "length"]), *found]
    note = f"fails at length {min(failing):.0f}" if failing else "positive at every length"
    panel(axes, index, f"lowest displacement\n{signs}\n{note}", ylabel="nats")


def _scale(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic axis, with a linear part around 0 if there are values of both signs."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    if low > 0:
        axes.set(yscale="log", ylim=(low / 1.6, 1.6 * high))
        if high < 1000 * low:
            plain_log_ticks(axes.yaxis)
    elif max(high, -low) > 3:
        axes.set_yscale("symlog", linthresh=1, linscale=0.6)
        axes.set_ylim(1.6 * low - 0.4, 1.6 * high + 0.4)
        tens = [10.0**power for power in range(309) if 10.0**power <= max(high, -low)]
        tens = tens[:: -(-len(tens) // 3)]
        ticks = [*(-ten for ten in tens if ten <= -low), 0, *(t for t in tens if t <= high)]
        axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
        axes.set_yticks([], minor=True)
    else:
        size = max(high - low, 0.2)
        axes.set_ylim(low - 0.1 * size, high + 0.1 * size)


def _get(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    return table[table["quantity"] == quantity]


def _draw_lengths(axes: Axes, table: pd.DataFrame, rows: pd.DataFrame, style: Style) -> None:
    """One quantity by length: certified, predicted and measured."""
    colour, trained = get_colour(table), table["trained_length"].iloc[0]
    if np.isfinite(trained):
        axes.axvspan(0.5, trained + 0.5, zorder=0, **TRAINED)
    lengths = rows["length"].astype(int)
    if "predicted" in rows:
        axes.plot(lengths, rows["certified"], **CERTIFIED)
        axes.plot(lengths, rows["predicted"], color=colour, **PREDICTED)
    marks: Style = {"marker": "o", "color": colour}
    axes.plot(lengths, rows["measured"], **marks | style)
    axes.set_xlabel("length s (tokens)")
    integer_ticks(axes, table["length"].dropna().astype(int))


def _are_equal(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two quantities are measured equal at all lengths that both have."""
    first, second = (rows.set_index("length")["measured"] for rows in (first, second))
    both = first.index.intersection(second.index)
    return len(both) > 0 and np.allclose(first[both], second[both], rtol=1e-6, atol=1e-300)


def explain_lines(figure: Figure, table: pd.DataFrame) -> None:
    """Legend of the figure: what symbols and lines are."""
    colour = get_colour(table)
    handles: list = [key(marker="o", color=colour, label="measured", **LARGE)]
    if "predicted" in table:
        handles.append(key(color=colour, label="predicted from x, β and attention", **PREDICTED))
        if table["certified"].notna().any():  # not under a norm
            handles.append(key(label="certified by lengths 1 and 2", **CERTIFIED))
    if np.isfinite(table["trained_length"].iloc[0]):
        handles.append(Patch(label="lengths in training", **TRAINED))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
