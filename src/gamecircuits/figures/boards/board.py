"""Figure: one game on a board, move by move, and how often each square is legal."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.boards import _filmstrip, _legality
from gamecircuits.figures.boards._squares import get_look, new_boards
from gamecircuits.figures.style import headline, key, readable
from gamecircuits.games._bitboard_game import BitboardGame

GAME, LEGALITY = "game", "legality"  # parts of the table


def make_table(
    tokens: np.ndarray, counts: pd.DataFrame, game: BitboardGame, name: str
) -> pd.DataFrame:
    """One row per (ply, square) of one game, and per (stage, square) of all games.

    Args:
        tokens: of one game, (L,), padding at the end.
        counts: columns ply (tokens played), square, num_positions, num_legal.
        name: what the config calls the game.
    """
    strip = _filmstrip.make_table(tokens, game).assign(part=GAME)
    nothing = {"to_move": "", "content": "", "last_move": False, "decisive": False, "result": ""}
    stages = _legality.make_table(counts, game).assign(part=LEGALITY, **nothing)
    table = pd.concat([strip, stages[strip.columns]], ignore_index=True).assign(game=name)
    return table[["game", "part", *strip.columns.drop("part")]]


def draw(table: pd.DataFrame, game: BitboardGame) -> Figure:
    """Boards of the chosen plies, then one for each stage in which squares differ."""
    strip = dict(list(table[table["part"] == GAME].groupby("first_ply")))
    to_move = np.array([rows["to_move"].iloc[0] for rows in strip.values()])
    plies = _filmstrip.choose_plies(to_move)
    legality = table[table["part"] == LEGALITY]
    stages = [(rows, _legality.get_shares(rows, game)) for _, rows in legality.groupby("first_ply")]
    differ = [(rows, share) for rows, share in stages if np.ptp(share) >= _legality.EQUAL]
    figure, strip_axes, stage_axes, side = new_boards(game, len(plies), len(differ))
    small = {"fontsize": 7, "linespacing": 1.3}
    for axes, ply in zip(strip_axes, plies, strict=True):
        _filmstrip.draw_position(axes, strip[ply], game)
        axes.set_title(_filmstrip.describe(ply, to_move, strip[ply], game), **small)
    scale = _legality.make_scale([share for _, share in differ])
    falls = game.vocab_size < game.num_squares
    for axes, (rows, share) in zip(stage_axes, differ, strict=True):
        _legality.draw_shares(axes, share, scale, side, falls)
        first, last, total = rows[["first_ply", "last_ply", "num_positions"]].iloc[0]
        plies_of = f"ply {first}–{last}" if first < last else f"ply {first}"
        axes.set_title(f"legal %, {plies_of}\n{total:,} positions", **small)
    look = get_look(game)
    handles: list = [
        Patch(facecolor=look.last_move, edgecolor=look.line, linewidth=0.6, label="last move"),
        key(linestyle="none", marker="o", markersize=3, label="legal next"),
    ]
    if table["decisive"].any():
        handles.append(Patch(facecolor="none", **_filmstrip.DECIDED, label="decides the game"))
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    text = f"a random game of {readable(table['game'].iloc[0])}"
    if not differ:
        text += "; all squares are legal equally often"
    elif len(differ) < len(stages):
        text += ", and where squares are not legal equally often"
    else:
        text += ", and how often each square is legal"
    headline(figure, text)
    return figure
