"""Figure: what lengths 1 and 2 certify for all lengths, beside the worst that happens."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    GREY,
    HOLLOW,
    headline,
    integer_ticks,
    key,
    new_figure,
    nth_look,
    panel,
)

PANELS = {  # quantity: title, label, scale
    "absent_spread": ("spread of the absent logits", "highest − lowest absent logit (nats)", "log"),
    "other_displacement": (
        "displacement of the tokens before the last",
        "lowest displacement (nats)",
        "linear",
    ),
    "highest_illegal_token_rate": (
        "illegal token rate, worst context",
        "illegal token rate (probability)",
        "log",
    ),
}
FLOOR = 1e-12


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each quantity; a colour for each noise, one line for each draw."""
    figure, grid = new_figure(1, len(PANELS), 10.4, 3.6)
    looks = {noise: nth_look(n) for n, noise in enumerate(table["noise"].unique())}
    for index, (quantity, (title, label, scale)) in enumerate(PANELS.items()):
        axes, rows = grid[0, index], table[table["quantity"] == quantity]
        panel(axes, index, title, xlabel="length s (tokens)", ylabel=label, yscale=scale)
        for (noise, _), one in rows.groupby(["noise", "draw"], sort=False):
            certified = {"color": looks[noise]["color"], "linestyle": "--", "linewidth": 1}
            axes.plot(one["length"], one["certified"], **certified)
            axes.plot(one["length"], one["measured"], **looks[noise], markersize=4, **HOLLOW)
        if scale == "log":
            lowest = rows.loc[rows["measured"] > 0, "measured"].min()
            axes.set_ylim(bottom=np.fmax(FLOOR, lowest / 3))  # fmax: there may be none
        if quantity == "other_displacement":
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.set_ylim(bottom=max(-10, rows["certified"].min()))
        if quantity == "highest_illegal_token_rate":
            axes.set_ylim(top=2)
        integer_ticks(axes, table["length"])
    handles = [
        *(key(label=f"noise {100 * noise:g} %", **look, **HOLLOW) for noise, look in looks.items()),
        key(marker="o", label="worst of all contexts", **HOLLOW),
        key(linestyle="--", label="certified by lengths 1 and 2"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    V, draws = table["vocab_size"].iloc[0], table["draw"].nunique()
    headline(figure, f"V = {V}, {draws} draw{'s' * (draws > 1)} of each noise", 9.5)
    return figure
