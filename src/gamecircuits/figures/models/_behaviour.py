"""Panels of a model's figure: strengths by token, illegal token rate and displacement by length.

Symbols are measured. Thin lines are predicted, and broad pale ones certified, so that all three are
seen where they coincide.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.models._words import get_whole
from gamecircuits.figures.palette import colour_of
from gamecircuits.figures.style import (
    GREY,
    HOLLOW,
    Style,
    count_contexts,
    integer_ticks,
    key,
    panel,
)

FLOOR = 1e-8  # of the axis of rates
CERTIFIED: Style = {"color": "#c9c9c9", "linewidth": 4.5, "solid_capstyle": "butt", "zorder": 1}
PREDICTED: Style = {"linewidth": 0.9, "zorder": 2}
SMALL: Style = {"markersize": 2.6, "markeredgewidth": 0.7, "linestyle": "none", "zorder": 3}
LARGE: Style = {"markersize": 4.6, "markeredgewidth": 0.8, "zorder": 3, **HOLLOW}
TRAINED = "#eef1f4"


def draw_strengths(axes: Axes, index: int, table: pd.DataFrame) -> None:
    """x and β by token."""
    colour = colour_of(table["kind"].iloc[0])
    for name, label, style in (
        ("x", "x: OV circuit", SMALL),
        ("beta", "β: direct path", LARGE | {"marker": "s", "markersize": 3.4}),
    ):
        rows = table[table["quantity"] == name]
        token = rows["token"].astype(int)
        axes.plot(token, rows["measured"], **{"marker": "o", "color": colour, "label": label} | style)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=0)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.25 * (high - low))  # room for the legend
    axes.legend(loc="upper center", ncols=2, handletextpad=0.1, columnspacing=1, borderaxespad=0.1)
    panel(axes, index, "strength of each token", xlabel="token", ylabel="strength (nats)")
    integer_ticks(axes, table.loc[table["quantity"] == "x", "token"].astype(int))


def draw_rates(axes: Axes, index: int, table: pd.DataFrame) -> None:
    """Illegal token rate by length: mean over contexts, and worst of them."""
    axes.set(yscale="log", ylim=(FLOOR, 2))
    names = {"illegal_token_rate": "mean", "highest_illegal_token_rate": "worst context"}
    _draw_pair(axes, table, names, "all contexts alike")
    counts = table[table["quantity"] == "contexts"]
    are_all = "predicted" in table and bool((counts["measured"] == counts["predicted"]).all())
    title = f"illegal token rate\n{count_contexts(counts['measured'].sum(), are_all)}"
    axes.set(xlabel="length s (tokens)", ylabel="probability")
    panel(axes, index, title)
    axes.legend(loc="lower right", handletextpad=0.1)


def draw_displacements(axes: Axes, index: int, table: pd.DataFrame) -> None:
    """Lowest displacement of all contexts by length."""
    names = {"other_displacement": "tokens before", "last_displacement": "last token"}
    if "lowest_displacement" in set(table["quantity"]):
        names = {"lowest_displacement": "illegal token nearest to legal"}
    rows = _draw_pair(axes, table, names, "every token")
    columns = [name for name in ("measured", "predicted") if name in rows]
    values = rows[columns].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    if low > 0:
        axes.set(yscale="log", ylim=(low / 1.6, 2.5 * high))
    elif max(high, -low) > 3:
        axes.set_yscale("symlog", linthresh=1, linscale=0.6)
        axes.set_ylim(1.8 * low - 0.4, 3 * high + 0.6)
        tens = [10.0**power for power in range(0, 9) if 10.0**power <= 3 * max(high, -low)]
        tens = tens[:: -(-len(tens) // 3)]
        ticks = [*(-ten for ten in tens if -ten >= 1.8 * low - 0.4), 0, *tens]
        axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
        axes.set_yticks([], minor=True)
    else:
        size = max(high - low, 0.2)
        axes.set_ylim(low - 0.15 * size, high + 0.4 * size)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=0)
    whole = get_whole(table)
    failure = whole.get("first_failure_found", whole.get("first_failure_in_plays", np.nan))
    note = "positive at all lengths" if np.isnan(failure) else f"fails at length {failure:.0f}"
    axes.set(xlabel="length s (tokens)", ylabel="nats")
    panel(axes, index, f"lowest displacement\n{note}")
    axes.legend(loc="upper right", handletextpad=0.1)


def _draw_pair(
    axes: Axes, table: pd.DataFrame, names: dict[str, str], together: str
) -> pd.DataFrame:
    """A quantity by length with full symbols, another with hollow ones; one if they are equal.

    Returns:
        the rows that were drawn.
    """
    parts = {name: table[table["quantity"] == name] for name in names}
    measured = [rows.set_index("length")["measured"] for rows in parts.values()]
    if len(parts) == 2 and _are_equal(*measured):
        names = {list(names)[1]: together}
    colour = colour_of(table["kind"].iloc[0])
    trained = table["trained_length"].iloc[0]
    if np.isfinite(trained):
        axes.axvspan(0.5, trained + 0.5, color=TRAINED, linewidth=0, zorder=0)
    for style, (name, label) in zip((SMALL, LARGE)[-len(names) :], names.items(), strict=True):
        rows = parts[name]
        lengths = rows["length"].astype(int)
        if "predicted" in rows:
            axes.plot(lengths, rows["certified"], **CERTIFIED)
            axes.plot(lengths, rows["predicted"], color=colour, **PREDICTED)
        axes.plot(lengths, rows["measured"], marker="o", color=colour, label=label, **style)
    integer_ticks(axes, table["length"].dropna().astype(int))
    return pd.concat([parts[name] for name in names])


def _are_equal(first: pd.Series, second: pd.Series) -> bool:
    """Whether two quantities are equal at all lengths that both have."""
    both = first.index.intersection(second.index)
    return len(both) > 0 and np.allclose(first[both], second[both], rtol=1e-6, atol=1e-300)


def explain_lines(figure: Figure, table: pd.DataFrame) -> None:
    """Legend of the figure: what symbols and lines are."""
    colour = colour_of(table["kind"].iloc[0])
    handles = [key(marker="o", color=colour, label="measured", **LARGE)]
    if "predicted" in table:
        handles.append(key(color=colour, label="predicted from x, β and attention", **PREDICTED))
        if table["certified"].notna().any():  # not under a norm
            handles.append(key(label="certified by lengths 1 and 2", **CERTIFIED))
    if np.isfinite(table["trained_length"].iloc[0]):
        handles.append(key(color=TRAINED, linewidth=6, label="trained lengths"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
