"""Figure: dispersion and its remedies side by side."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
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
    "illegal token rate": (1, "-", "o"),
}


def draw(table: pd.DataFrame) -> Figure:
    """A column for each model: displacements (top), illegal token rate (bottom)."""
    models = list(table["model"].unique())
    width = 2.2 * len(models) + 0.4
    figure, grid = new_figure(2, len(models), width, 4.7, sharex=True, sharey="row")
    plain = table[table["model"] == models[0]]
    for column, model in enumerate(models):
        rows = table[table["model"] == model]
        top, bottom = grid[:, column]
        panel(top, column, f"{model}\nOV strength x = {rows['x'].iloc[0]:.3g}", yscale="log")
        bottom.set(yscale="log", ylim=(FLOOR, 2), xlabel="length s (tokens)")
        for quantity, (row, line, marker) in QUANTITIES.items():
            if column and line == "-":
                _draw_theory(grid[row, column], plain, quantity, **PLAIN)
            style: Style = {"color": COLOURS[column], "linestyle": line}
            one = _draw_theory(grid[row, column], rows, quantity, **style)
            # Lowest and highest of all contexts: one upon the other where theory is exact.
            style |= {"marker": marker, "markersize": 4, "markeredgewidth": 0.9, **HOLLOW}
            grid[row, column].plot(one["length"], one[["lowest", "highest"]], zorder=3, **style)
        integer_ticks(bottom, rows["length"])
    plain_log_ticks(grid[0, 0].yaxis)
    grid[0, 0].set_ylabel("displacement (nats)")
    grid[1, 0].set_ylabel("illegal token rate\n(probability)")
    total = plain.loc[plain["quantity"] == "illegal token rate", "contexts"].sum()
    contexts = count_contexts(total, table["all_contexts"].all())
    start = f"all models start from displacement {plain['predicted'].iloc[0]:.3g}"
    headline(figure, f"V = {plain['vocab_size'].iloc[0]}, {contexts}; {start}", 9.5)
    points: Style = {"markerfacecolor": "none", "markersize": 4}
    handles = [
        key(marker="o", label="tokens before the last", **points),
        key(linestyle="--", marker="s", label="the last token", **points),
        key(label="no norm", **PLAIN),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
    return figure


def _draw_theory(axes: Axes, table: pd.DataFrame, quantity: str, **style) -> pd.DataFrame:
    rows = table[table["quantity"] == quantity]
    axes.plot(rows["length"], rows["predicted"], zorder=2, **style)
    return rows
