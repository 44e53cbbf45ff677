"""Figure: loss, mechanism and metrics along training, and the noise that is left at its end."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.searches._search import (
    KEYS,
    draw_variants,
    finish,
    get_looks,
    join_trials,
    variant_keys,
)
from gamecircuits.figures.style import new_figure, panel

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
    """A panel for each quantity; variants in colour, dotted what accompanies another quantity."""
    figure, grid = new_figure(3, 3, 9.6, 7.4)
    looks = get_looks(table["variant"])
    lengths = {"length": f"{length} tokens", "longest": f"{table['longest'].iloc[0]} tokens"}
    for index, (quantity, (title, label, scale)) in enumerate(PANELS.items()):
        axes, text = grid.flat[index], title.format(**lengths)
        panel(axes, index, text, ylabel=label, yscale=scale, xlabel="step")
        draw_variants(axes, table, quantity, "step", looks)
    for quantity in RANGE:
        draw_variants(grid.flat[1], table, quantity, "step", looks, medians_only=True)
    last = grid.flat[len(PANELS)]
    panel(last, len(PANELS), "late iterates: noise, dotted: bias", yscale="log")
    last.set(xlabel="legal tokens (mean)", ylabel="total variation (probability)")
    for quantity in NOISE:
        is_bias = quantity == "bias"
        draw_variants(last, table, quantity, "num_legal", looks, medians_only=is_bias)
    handles = variant_keys(table, looks, marker="")
    finish(figure, game, length, "thin: every trial, thick: their median", handles)
    return figure
