"""Figure: how many tokens complete random games have."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    Style,
    integer_ticks,
    new_panels,
    panel,
    readable,
)

PEAK = 50  # percent of one length beyond which the others can only be seen on a logarithmic axis


def make_table(counts: pd.DataFrame) -> pd.DataFrame:
    """One row per (game, length), with the share of the game's plays that have it.

    Args:
        counts: columns game, ply (tokens played), num_legal (0: over), num_games.
    """
    over = counts[counts["num_legal"] == 0]
    table = over[["game", "ply", "num_games"]].rename(columns={"ply": "length"})
    total = table.groupby("game")["num_games"].transform("sum")
    return table.assign(share=table["num_games"] / total).reset_index(drop=True)


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each game: the share of every length and the mean, or the only length."""
    games = list(table["game"].unique())
    figure, grid = new_panels(len(games), 4, 2.6, 2.4)
    for index, game in enumerate(games):
        axes, rows = grid.flat[index], table[table["game"] == game]
        length, percent = rows["length"], 100 * rows["share"]
        mean = np.average(length, weights=rows["num_games"])
        title = f"{readable(game)}\n{rows['num_games'].sum():,} games"
        if len(rows) == 1:
            panel(axes, index, title)
            _draw_number(axes, length.item())
            continue
        panel(axes, index, f"{title}, mean {mean:.4g}")
        axes.bar(length, percent, width=0.85, color=COLOURS[0], alpha=0.8, linewidth=0)
        axes.axvline(mean, color=GREY, linestyle="--", linewidth=1)
        integer_ticks(axes, length)
        axes.set_xlabel("length (tokens)")
        axes.set_ylabel("games (%)")
        if percent.max() > PEAK:
            axes.set_yscale("log")
            axes.set_ylim(10 ** np.floor(np.log10(percent.min())), 200)
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.set_ylabel("games (%), log scale")
    return figure


def _draw_number(axes: Axes, length: int) -> None:
    """What there is to say of games that all have one length."""
    axes.set(facecolor="#f3f6f9", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    centred: Style = {"transform": axes.transAxes, "ha": "center"}
    axes.text(0.5, 0.48, str(length), fontsize=26, color=COLOURS[0], **centred)
    axes.text(0.5, 0.34, f"token{'s' * (length > 1)}, every game", color=GREY, **centred)
