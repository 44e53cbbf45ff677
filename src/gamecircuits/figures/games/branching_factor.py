"""Figure: how many tokens are legal at each ply of random games, and how long games are."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from gamecircuits.figures.style import (
    COLOURS,
    FULL,
    GREY,
    Style,
    integer_ticks,
    key,
    new_panels,
    nth_look,
    panel,
    readable,
)

PER_LINE = 3  # panels
HEIGHT = 1.75  # inches, of a line of panels
PEAK = 50  # percent of one length beyond which the others can only be seen on a logarithmic axis
BANDS = {("min", "max"): 0.14, ("q05", "q95"): 0.28}  # opacity


def make_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Statistics over the games that are still running, one row per (game, ply).

    Args:
        counts: columns game, ply (tokens played), num_legal (0: over), num_games.
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


def get_lengths(rows: pd.DataFrame) -> pd.Series:
    """Share of games by length, from the rows of one game: those running before but not at it."""
    running = pd.Series([*rows["share_running"], 0.0], index=[*rows["ply"], rows["ply"].max() + 1])
    ended = -running.diff().iloc[1:]
    return ended[ended > 0]


def draw(table: pd.DataFrame) -> Figure:
    """Games whose ply says how many are legal share a panel; one each for others and lengths."""
    games = dict(list(table.groupby("game", sort=False)))
    lengths = {game: get_lengths(rows) for game, rows in games.items()}
    certain = [game for game, rows in games.items() if (rows["min"] == rows["max"]).all()]
    others = [game for game in games if game not in certain]
    ending = [game for game, ends in lengths.items() if len(ends) > 1]
    count = bool(certain) + len(others) + len(ending)
    per_line = min(count, PER_LINE)
    figure, grid = new_panels(count, per_line, FULL / per_line, HEIGHT)
    panels = iter(enumerate(grid.flat))
    handles: list = []
    if certain:
        index, axes = next(panels)
        panel(axes, index, "the same in every game")
        for n, game in enumerate(certain):
            look: Style = nth_look(n) | {"markevery": 0.2}
            axes.plot(games[game]["ply"], games[game]["mean"], **look)
            handles.append(key(label=f"{readable(game)}: {_describe(games[game])}", **look))
        _prepare(axes, table[table["game"].isin(certain)])
    for game in others:
        index, axes = next(panels)
        panel(axes, index, f"{readable(game)}\n{_describe(games[game])}")
        _draw_spread(axes, games[game])
    for game in ending:
        index, axes = next(panels)
        ends = lengths[game]
        mean = np.average(ends.index, weights=ends)
        panel(axes, index, f"lengths of {readable(game)}\nmean {mean:.4g} tokens")
        _draw_lengths(axes, lengths[game])
    if others:
        handles += [
            key(color=COLOURS[0], label="mean"),
            Patch(color=COLOURS[0], alpha=0.4, linewidth=0, label="5 to 95 % of games"),
            Patch(color=COLOURS[0], alpha=0.14, linewidth=0, label="all games"),
        ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def _describe(rows: pd.DataFrame) -> str:
    """How many games there are, and how many tokens they have, in words."""
    lengths = get_lengths(rows).index
    low, high = int(lengths.min()), int(lengths.max())
    span = f"{low} to {high}" if low < high else f"{low}"
    return f"{rows['num_games'].max():,} games of {span} token{'s' * (high > 1)}"


def _prepare(axes: Axes, rows: pd.DataFrame) -> None:
    axes.set(ylim=(0, 1.08 * rows["max"].max()), xlabel="ply (tokens played)")
    axes.set_ylabel("legal next tokens")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    integer_ticks(axes, rows["ply"])


def _draw_spread(axes: Axes, rows: pd.DataFrame) -> None:
    """Mean, quantiles and range, over the games that are still running."""
    for (low, high), opacity in BANDS.items():
        style: Style = {"color": COLOURS[0], "alpha": opacity, "linewidth": 0}
        axes.fill_between(rows["ply"], rows[low], rows[high], **style)
    axes.plot(rows["ply"], rows["mean"], color=COLOURS[0])
    _prepare(axes, rows)


def _draw_lengths(axes: Axes, lengths: pd.Series) -> None:
    """The share of games of every length."""
    percent = 100 * lengths
    axes.bar(percent.index, percent, width=0.85, color=GREY, linewidth=0)
    integer_ticks(axes, percent.index)
    axes.set(xlabel="length (tokens)", ylabel="games (%)")
    if percent.max() > PEAK:
        axes.set_yscale("log")
        axes.set_ylim(10 ** np.floor(np.log10(percent.min())), 200)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_ylabel("games (%), log scale")
