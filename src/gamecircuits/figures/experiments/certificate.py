"""Figure: what lengths 1 and 2 certify for all lengths, beside the worst that happens."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    HOLLOW,
    MARKERS,
    integer_ticks,
    key,
    letter,
    new_figure,
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
    for index, (quantity, (title, label, scale)) in enumerate(PANELS.items()):
        axes = grid[0, index]
        axes.set_yscale(scale)
        rows = table[table["quantity"] == quantity]
        for number, (_, part) in enumerate(rows.groupby("noise", sort=False)):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            for _, one in part.groupby("draw"):
                axes.plot(
                    one["length"], one["certified"], color=colour, linestyle="--", linewidth=1
                )
                axes.plot(
                    one["length"],
                    one["measured"],
                    color=colour,
                    marker=marker,
                    markersize=4,
                    **HOLLOW,
                )
        if quantity == "other_displacement":
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.set_ylim(bottom=max(-10, rows["certified"].min()))
        if scale == "log":
            positive = rows.loc[rows["measured"] > 0, "measured"]
            axes.set_ylim(bottom=max(FLOOR, positive.min() / 3) if len(positive) else FLOOR)
        if quantity == "highest_illegal_token_rate":
            axes.set_ylim(top=2)
        letter(axes, index, title)
        axes.set_xlabel("length s (tokens)")
        axes.set_ylabel(label)
        integer_ticks(axes, table["length"])
    noises = table["noise"].unique()
    handles = [
        key(
            color=COLOURS[n % len(COLOURS)],
            marker=MARKERS[n % len(MARKERS)],
            label=f"noise {100 * noise:g} %",
            **HOLLOW,
        )
        for n, noise in enumerate(noises)
    ]
    handles += [
        key(marker="o", label="worst of all contexts", **HOLLOW),
        key(linestyle="--", label="certified by lengths 1 and 2"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    V = table["vocab_size"].iloc[0]
    draws = table["draw"].nunique()
    figure.suptitle(
        f"V = {V}, {draws} draw{'s' * (draws > 1)} of each noise", x=0.01, ha="left", fontsize=9.5
    )
    return figure
