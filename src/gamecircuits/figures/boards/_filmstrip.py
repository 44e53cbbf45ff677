"""One game of two players as a strip of boards."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from gamecircuits.figures.boards._squares import (
    column_name,
    disc,
    dot,
    draw_on,
    draw_stones,
    get_colour,
    get_look,
    square,
)
from gamecircuits.figures.style import Style
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD

DECIDED: Style = {"edgecolor": "#000000", "linewidth": 1.6}  # outline of the winning line
MAX_BOARDS = 10


def make_table(tokens: np.ndarray, game: BitboardGame) -> pd.DataFrame:
    """One row per (ply, square): who is to move, whose stone is there, and what is legal.

    Args:
        tokens: of one game, (L,), padding at the end.
    """
    played = tokens[None, tokens != PAD]
    side = game.get_side_to_move(played)[0]  # (plies,)
    owner = game.get_owners(played)[0]  # (plies, squares)
    is_new = np.zeros(owner.shape, dtype=bool)
    is_new[1:] = (owner[1:] != PAD) & (owner[:-1] == PAD)
    decisive = np.zeros(owner.shape, dtype=bool)
    result, decisive[-1] = game.get_result(owner[-1])
    ply, square = np.indices(owner.shape).reshape(2, -1)
    row, column = np.divmod(square, game.shape[1])
    names = np.array([*game.players, ""])  # PAD is the last
    return pd.DataFrame(
        {
            "first_ply": ply,
            "last_ply": ply,
            "square": square,
            "row": row,
            "column": column,
            "num_positions": 1,
            "num_legal": game.get_legal_squares(played).ravel().astype(int),
            "to_move": names[side[ply]],
            "content": names[owner.ravel()],
            "last_move": is_new.ravel(),
            "decisive": decisive.ravel(),
            "result": result,
        }
    )


def choose_plies(to_move: np.ndarray) -> np.ndarray:
    """At most MAX_BOARDS plies from the first to the last, evenly, and the first after a pass.

    Args:
        to_move: who is at each ply, "" at the end.
    """
    last = len(to_move) - 1
    after_pass = np.flatnonzero(to_move[1:] == to_move[:-1])[:1] + 1
    count = min(MAX_BOARDS - len(after_pass), last + 1)
    return np.union1d(np.linspace(0, last, count).round().astype(int), after_pass)


def draw_position(axes: Axes, rows: pd.DataFrame, game: BitboardGame) -> None:
    """The stones of one ply, the last move, the legal next ones and what decided the game."""
    look, last = get_look(game), rows[rows["last_move"]]
    draw_on(axes, rows, square, look.square, edgecolor=look.line, linewidth=0.6)
    draw_on(axes, last, square, look.last_move, edgecolor=look.line, linewidth=0.6)
    if look.hole:
        draw_on(axes, rows, disc, look.hole)
    for player in game.players:
        draw_stones(axes, rows[rows["content"] == player], player, game)
    if to_move := rows["to_move"].iloc[0]:
        draw_on(axes, rows[rows["num_legal"] > 0], dot, get_colour(to_move, game))
    draw_on(axes, rows[rows["decisive"]], square, "none", **DECIDED)


def describe(ply: int, to_move: np.ndarray, rows: pd.DataFrame, game: BitboardGame) -> str:
    """The last move, and who is next or how the game ended; `rows` are those of the ply."""
    title, before, now = f"ply {ply}", to_move[max(ply - 1, 0)], to_move[ply]
    last = rows[rows["last_move"]]
    squares = zip(last["row"], last["column"], strict=True)
    if moves := " ".join(f"{column_name(column)}{row + 1}" for row, column in squares):
        title += f": {before} {moves}"
    if not now:
        return f"{title}\n{rows['result'].iloc[0] or 'the game is over'}"
    passing = [f"{player} passes" for player in game.players if ply and player != before == now]
    return f"{title}\n{''.join(passing) or f'{now} to move'}"
