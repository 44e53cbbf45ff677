"""How often each square of a board is legal, by stage of the game."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm

from gamecircuits.games._bitboard_game import BitboardGame

NUM_STAGES = 5  # as many as boards in a line
NEVER = "#ececec"
EQUAL = 0.05  # shares that differ by less are said once
MIN_SIZE = 4.5  # points, of legible percentages


def make_table(counts: pd.DataFrame, game: BitboardGame) -> pd.DataFrame:
    """One row per (stage, square): in how many of the stage's positions it is legal.

    Args:
        counts: columns ply (tokens played), square, num_positions, num_legal.
    """
    plies = np.sort(counts["ply"].unique())
    width = -(-len(plies) // NUM_STAGES)
    first = plies[::width]
    last = plies[np.minimum(np.arange(len(first)) * width + width, len(plies)) - 1]
    stage = np.searchsorted(first, counts["ply"], side="right") - 1
    sums = counts.groupby([stage, "square"])[["num_positions", "num_legal"]].sum()
    stage, square = (sums.index.get_level_values(level) for level in (0, 1))
    row, column = np.divmod(square, game.shape[1])
    names = {"first_ply": first[stage], "last_ply": last[stage], "square": square}
    return pd.DataFrame(names | {"row": row, "column": column} | dict(sums.reset_index(drop=True)))


def get_shares(rows: pd.DataFrame, game: BitboardGame) -> np.ndarray:
    """Share of a stage's positions in which each square is legal, on the board."""
    return (rows["num_legal"] / rows["num_positions"]).to_numpy().reshape(game.shape)


def make_scale(shares: list[np.ndarray]) -> Normalize:
    """Colours that tell small shares apart."""
    return PowerNorm(0.6, 0, max((100 * share.max() for share in shares), default=1.0))


def draw_shares(axes: Axes, share: np.ndarray, scale: Normalize, side: float, falls: bool) -> None:
    """Percentages where there is room; grey is never legal.

    Args:
        side: of a square, in inches.
        falls: whether tokens are columns: then a row of equal squares has one number.
    """
    percent, size = 100 * share, min(7.5, 40 * side)
    edges = (np.arange(num + 1) - 0.5 for num in reversed(percent.shape))
    axes.set_facecolor(NEVER)
    masked = np.ma.masked_equal(percent, 0)
    axes.pcolormesh(*edges, masked, cmap="Blues", norm=scale, edgecolor="white", linewidth=0.5)
    if size < MIN_SIZE:
        return
    for row, values in enumerate(percent):
        shown = dict(enumerate(values))
        if falls and np.ptp(values) < 100 * EQUAL:
            shown = {(len(values) - 1) / 2: values.mean()}
        for column, value in shown.items():
            colour = "white" if scale(value) > 0.55 else "#303030"
            text = f"{value:.0f}" if value >= 1 else "<1" if value else ""
            axes.text(column, row, text, size=size, color=colour, ha="center", va="center")
