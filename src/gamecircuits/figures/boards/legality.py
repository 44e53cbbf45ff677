"""Figure: how often each square of a board is legal, by stage of the game."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.boards._board import new_boards
from gamecircuits.figures.style import colour_bar, headline, panel, readable
from gamecircuits.games._bitboard_game import BitboardGame

NUM_STAGES = 6
NEVER = "#ececec"
MIN_SIZE = 4.5  # points, of legible percentages


def make_table(counts: pd.DataFrame, game: BitboardGame) -> pd.DataFrame:
    """One row per (stage, square): the share of the stage's positions in which it is legal.

    Args:
        counts: columns game, ply (tokens played), square, num_positions, num_legal.
    """
    plies = np.sort(counts["ply"].unique())
    parts = np.array_split(plies, min(NUM_STAGES, len(plies)))
    stage_of = {ply: stage for stage, part in enumerate(parts) for ply in part}
    first, last = (np.array([part[end] for part in parts]) for end in (0, -1))
    stages = counts.assign(stage=counts["ply"].map(stage_of))
    sums = stages.groupby(["game", "stage", "square"])[["num_positions", "num_legal"]].sum()
    table = sums.reset_index()
    row, column = np.divmod(table["square"], game.shape[1])
    return pd.DataFrame(
        {
            "game": table["game"],
            "stage": table["stage"],
            "first_ply": first[table["stage"]],
            "last_ply": last[table["stage"]],
            "square": table["square"],
            "row": row,
            "column": column,
            "num_positions": table["num_positions"],
            "num_legal": table["num_legal"],
            "share_legal": table["num_legal"] / table["num_positions"],
        }
    )


def draw(table: pd.DataFrame, game: BitboardGame) -> Figure:
    """A board for each stage, with percentages where there is room; grey is never legal."""
    count = table["stage"].nunique()
    figure, grid, side = new_boards(game, count, 3)
    size = min(7.5, 24 * side)  # points
    for stage, rows in table.groupby("stage"):
        axes, first_row = grid.flat[stage], rows.iloc[0]
        percent = 100 * rows["share_legal"].to_numpy().reshape(game.shape)
        axes.set_facecolor(NEVER)
        mesh = axes.pcolormesh(
            *(np.arange(num + 1) - 0.5 for num in reversed(game.shape)),
            np.ma.masked_equal(percent, 0),
            cmap="Blues",
            edgecolor="white",
            linewidth=0.6,
            vmin=0,
            vmax=100 * table["share_legal"].max(),
        )
        for (row, column), value in np.ndenumerate(percent):
            if value and size >= MIN_SIZE:
                axes.text(
                    column,
                    row,
                    f"{value:.0f}" if value >= 1 else "<1",
                    fontsize=size,
                    color="white" if mesh.norm(value) > 0.6 else "#303030",
                    ha="center",
                    va="center",
                )
        first, last = first_row["first_ply"], first_row["last_ply"]
        plies = f"ply {first}" if first == last else f"plies {first}–{last}"
        panel(axes, stage, f"{plies}\n{first_row['num_positions']:,} positions")
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    place = {"shrink": 0.6, "pad": 0.02, "panchor": False}
    colour_bar(figure, mesh, list(grid.flat), "square legal (% of positions)", **place)
    title = f"where the next move may go in {readable(table['game'].iloc[0])}"
    headline(figure, title)
    return figure
