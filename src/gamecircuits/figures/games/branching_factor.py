"""Figure: how many tokens are legal at each ply of random games."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    integer_ticks,
    key,
    new_panels,
    panel,
    readable,
)


def make_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Statistics over the games that are still running, one row per (game, ply).

    Args:
        counts: columns game, ply (tokens played), num_legal, num_games.
    """
    rows = []
    for (game, ply), group in counts.groupby(["game", "ply"], sort=False):
        running = group[group["num_legal"] > 0].sort_values("num_legal")
        num_games = int(running["num_games"].sum())
        total = int(counts.loc[(counts["game"] == game) & (counts["ply"] == 0), "num_games"].sum())
        if num_games == 0:
            continue
        values, weights = running["num_legal"].to_numpy(), running["num_games"].to_numpy()
        cumulative = np.cumsum(weights) / num_games
        mean = float((values * weights).sum() / num_games)
        rows.append(
            {
                "game": game,
                "ply": ply,
                "num_games": num_games,
                "share_running": num_games / total,
                "mean": mean,
                "std": float(np.sqrt((weights * (values - mean) ** 2).sum() / num_games)),
                "min": int(values[0]),
                "q05": int(values[np.searchsorted(cumulative, 0.05)]),
                "median": int(values[np.searchsorted(cumulative, 0.5)]),
                "q95": int(values[np.searchsorted(cumulative, 0.95)]),
                "max": int(values[-1]),
            }
        )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each game: mean, quantiles and range, and the share of games still running."""
    games = list(table["game"].unique())
    figure, grid = new_panels(len(games), 4, 2.9, 2.7)
    columns = grid.shape[1]
    for index, game in enumerate(games):
        axes, rows = grid.flat[index], table[table["game"] == game]
        ply, colour = rows["ply"], COLOURS[0]
        axes.fill_between(ply, rows["min"], rows["max"], color=colour, alpha=0.12, linewidth=0)
        axes.fill_between(ply, rows["q05"], rows["q95"], color=colour, alpha=0.25, linewidth=0)
        axes.plot(ply, rows["mean"], color=colour, marker="o", markersize=3)
        axes.set_ylim(0, rows["max"].max() * 1.08)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        integer_ticks(axes, ply)
        panel(axes, index, f"{readable(game)}\n{rows['num_games'].max():,} random games")
        axes.set_xlabel("ply (tokens played)")
        if index % columns == 0:
            axes.set_ylabel("legal next tokens")
        twin = axes.twinx()
        twin.plot(ply, 100 * rows["share_running"], color=GREY, linestyle="--", linewidth=1)
        twin.set_ylim(0, 108)
        twin.grid(False)
        twin.spines["right"].set_visible(True)
        twin.tick_params(colors=GREY)
        if index % columns == columns - 1 or index == len(games) - 1:
            twin.set_ylabel("games still running (%)", color=GREY)
    handles = [
        key(color=COLOURS[0], marker="o", markersize=3, label="mean"),
        Patch(color=COLOURS[0], alpha=0.35, linewidth=0, label="5 to 95 %"),
        Patch(color=COLOURS[0], alpha=0.12, linewidth=0, label="smallest to largest"),
        key(linestyle="--", linewidth=1, label="still running"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=4)
    return figure
