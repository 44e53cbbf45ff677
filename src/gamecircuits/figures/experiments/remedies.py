"""Figure: dispersion and its remedies side by side."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.palette import colours_of
from gamecircuits.figures.style import (
    FULL,
    HOLLOW,
    Style,
    count_contexts,
    headline,
    integer_ticks,
    key,
    new_figure,
    panel,
    plain_log_ticks,
)

FLOOR = 1e-9  # of the axis of rates
PLAIN: Style = {"color": "#b0b0b0", "linewidth": 1}  # the first model, for comparison
QUANTITIES = {  # row of panels, line style, marker
    "displacement of the others": (0, "-", "o"),
    "displacement of the last": (0, "--", "s"),
    "illegal token rate": (1, "-", "x"),
}


def draw(table: pd.DataFrame) -> Figure:
    """A column for each model: displacements (top), illegal token rate (bottom)."""
    models = list(table["model"].unique())
    colours = colours_of(models)
    figure, grid = new_figure(2, len(models), FULL, 3.6, sharex=True, sharey="row")
    plain = table[table["model"] == models[0]]
    for column, model in enumerate(models):
        rows = table[table["model"] == model]
        top, bottom = grid[:, column]
        x, gain = rows[["x", "gain"]].iloc[0]
        strength = f"x = {x:.3g}" if gain == 1 else f"gain {gain:.3g}"
        panel(top, column, f"{model}\n{strength}", yscale="log")
        bottom.set(yscale="log", ylim=(FLOOR, 2), xlabel="length s")
        for quantity, (row, line, marker) in QUANTITIES.items():
            if column and line == "-":
                _draw_theory(grid[row, column], plain, quantity, **PLAIN)
            style: Style = {"color": colours[model], "linestyle": line}
            one = _draw_theory(grid[row, column], rows, quantity, **style)
            # Lowest and highest of all contexts: one upon the other where theory is exact.
            style |= {"marker": marker, "markeredgewidth": 0.8, **HOLLOW}
            grid[row, column].plot(one["length"], one[["lowest", "highest"]], zorder=3, **style)
        integer_ticks(bottom, rows["length"])
    plain_log_ticks(grid[0, 0].yaxis)
    grid[0, 0].set_ylabel("displacement (nats)")
    grid[1, 0].set_ylabel("illegal token rate\n(probability)")
    total = plain.loc[plain["quantity"] == "illegal token rate", "contexts"].sum()
    contexts = count_contexts(total, table["all_contexts"].all())
    start = f"all models start from displacement {plain['predicted'].iloc[0]:.3g}"
    headline(figure, f"V = {plain['vocab_size'].iloc[0]}, {contexts}; {start}")
    points: Style = {"markerfacecolor": "none"}
    handles = [
        key(marker="o", label="tokens before the last", **points),
        key(linestyle="--", marker="s", label="the last token", **points),
        key(label="no norm", **PLAIN),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return figure


def _draw_theory(axes: Axes, table: pd.DataFrame, quantity: str, **style) -> pd.DataFrame:
    """A line, which begins where there are other tokens beside the last; the rows."""
    rows = table[table["quantity"] == quantity]
    line = rows[rows["length"] > 1] if "displacement" in quantity else rows
    axes.plot(line["length"], line["predicted"], zorder=2, **style)
    return rows
