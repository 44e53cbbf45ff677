"""Figure: loss, mechanism and metrics along training, and the noise that is left at its end."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.searches._search import (
    KEYS,
    get_looks,
    join_trials,
    label_log_axis,
    set_title,
    variant_keys,
)
from gamecircuits.figures.style import letter, new_figure

RANGE = ["x_min", "x_max"]  # over tokens
PANELS = {  # quantity: title, label of the axis, its scale
    "loss": ("training loss", "cross-entropy (nats)", "linear"),
    "x_mean": ("OV strength x, dotted: range of tokens", "nats (before a norm)", "linear"),
    "beta_mean": ("direct strength β, mean of tokens", "nats (before a norm)", "linear"),
    "misfit": ("outside the standard form", "relative to mean |x|", "log"),
    "displacement_trained": ("displacement at {length}", "nats", "linear"),
    "displacement_longest": ("displacement at {longest}", "nats", "linear"),
    "illegal_token_rate_trained": ("illegal token rate at {length}", "probability", "log"),
    "illegal_token_rate_longest": ("illegal token rate at {longest}", "probability", "log"),
}
NOISE = ["noise", "bias"]


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """One row per trial, quantity and place: a step, or a mean number of legal tokens."""
    parts = []
    for name, place, quantities in [
        ("dynamics", "step", [*PANELS, *RANGE]),
        ("noise", "num_legal", NOISE),
    ]:
        if len(tables[name]):  # else all trials diverged too soon
            shape = {"id_vars": [*KEYS, place], "value_vars": quantities, "var_name": "quantity"}
            parts.append(tables[name].melt(**shape))
    rows = pd.concat(parts, ignore_index=True)
    return join_trials(rows, tables).assign(longest=tables["metrics"]["length"].max())


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A panel for each quantity; thin: every trial, thick: their median; variants in colour."""
    figure, grid = new_figure(3, 3, 9.6, 7.4)
    looks = get_looks(table["variant"])
    lengths = {"length": f"{length} tokens", "longest": f"{table['longest'].iloc[0]} tokens"}
    for index, (quantity, (title, label, scale)) in enumerate(PANELS.items()):
        axes = grid.flat[index]
        axes.set_yscale(scale)
        _draw_variants(axes, table, quantity, "step", looks)
        letter(axes, index, title.format(**lengths))
        axes.set_ylabel(label)
        axes.set_xlabel("step")
    for quantity in RANGE:
        _draw_variants(grid.flat[1], table, quantity, "step", looks, medians_only=True)
    last = grid.flat[len(PANELS)]
    last.set_yscale("log")
    _draw_variants(last, table, "noise", "num_legal", looks)
    _draw_variants(last, table, "bias", "num_legal", looks, medians_only=True)
    letter(last, len(PANELS), "late iterates: noise, dotted: bias")
    last.set_xlabel("legal tokens (mean)")
    last.set_ylabel("total variation (probability)")
    for axes in grid.flat:
        label_log_axis(axes.yaxis)
    figure.legend(handles=variant_keys(table, looks, marker=""), loc="outside lower left", ncols=4)
    set_title(figure, game, length, "thin: every trial, thick: their median")
    return figure


def _draw_variants(
    axes: Axes,
    table: pd.DataFrame,
    quantity: str,
    place: str,
    looks: dict[str, dict],
    medians_only: bool = False,
) -> None:
    """Curves of one quantity; dotted medians where it only accompanies another."""
    of_quantity = table[table["quantity"] == quantity]
    for variant, rows in of_quantity.groupby("variant", sort=False):
        # Several lengths can have as many legal tokens: then their mean.
        wide = rows.pivot_table(index=place, columns="number", values="value")
        style = {"color": looks[variant]["color"], "linestyle": looks[variant]["linestyle"]}
        if medians_only:
            style["linestyle"] = ":"
        else:
            axes.plot(wide.index, wide, linewidth=0.6, alpha=0.35, **style)
        axes.plot(wide.index, wide.median(axis=1), linewidth=1.6, **style)
