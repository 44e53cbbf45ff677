"""Figure: what lengths 1 and 2 certify for all lengths, beside the worst that happens."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    FULL,
    GREY,
    HOLLOW,
    MARKERS,
    headline,
    integer_ticks,
    key,
    new_panels,
    panel,
)

PANELS = {  # quantity: title, label, scale
    "absent_spread": ("spread of the absent logits", "highest − lowest (nats)", "log"),
    "other_displacement": (
        "displacement of earlier tokens",
        "lowest displacement (nats)",
        "linear",
    ),
    "highest_illegal_token_rate": (
        "illegal token rate, worst context",
        "probability",
        "log",
    ),
}
FLOOR = 1e-12
SHADES = ("#6BAED6", "#2171B5", "#08306B", "#000000")  # of more and more noise


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each quantity; a colour for each noise, of which the first draw is shown."""
    draws = table["draw"].nunique()
    table = table[table["draw"] == table["draw"].min()]
    figure, grid = new_panels(len(PANELS), len(PANELS), FULL / len(PANELS), 2.1)
    noises = table["noise"].unique()
    looks = {
        noise: {"color": SHADES[n % len(SHADES)], "marker": MARKERS[n % len(MARKERS)]}
        for n, noise in enumerate(noises)
    }
    for index, (quantity, (title, label, scale)) in enumerate(PANELS.items()):
        axes, rows = grid[0, index], table[table["quantity"] == quantity]
        rows = rows[rows["measured"].notna() & ((scale == "linear") | (rows["measured"] > 0))]
        panel(axes, index, title, xlabel="length s (tokens)", ylabel=label, yscale=scale)
        for noise, one in rows.groupby("noise", sort=False):
            certified = {"color": looks[noise]["color"], "linestyle": "--", "linewidth": 1}
            axes.plot(one["length"], one["certified"], **certified)
            axes.plot(one["length"], one["measured"], **looks[noise], **HOLLOW)
        if scale == "log":
            lowest = rows.loc[rows["measured"] > 0, "measured"].min()
            axes.set_ylim(bottom=np.fmax(FLOOR, lowest / 3))  # fmax: there may be none
        if quantity == "other_displacement":
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.set_ylim(bottom=max(-10, rows["certified"].min()))
        if quantity == "highest_illegal_token_rate":
            axes.set_ylim(top=2)
        integer_ticks(axes, rows["length"] if len(rows) else table["length"])
    handles = [
        *(key(label=f"noise {100 * noise:g} %", **look, **HOLLOW) for noise, look in looks.items()),
        key(marker="o", label="worst of all contexts", **HOLLOW),
        key(linestyle="--", label="certified by lengths 1 and 2"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
    of = f"the first of {draws} draws" if draws > 1 else "one draw"
    headline(figure, f"V = {table['vocab_size'].iloc[0]}, {of} of each noise on the weights")
    return figure
