"""Figure: one game of two players as a strip of boards."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.boards._board import (
    column_name,
    disc,
    dot,
    draw_on,
    draw_stones,
    get_colour,
    get_look,
    new_boards,
    square,
)
from gamecircuits.figures.style import headline, key, readable
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD

MAX_BOARDS = 10


def make_table(tokens: np.ndarray, game: BitboardGame, name: str) -> pd.DataFrame:
    """One row per (ply, square): who is to move, whose stone is there, and what is legal.

    Args:
        tokens: of one game, (L,), padding at the end.
        name: what the config calls the game.
    """
    played = tokens[None, tokens != PAD]
    side = game.get_side_to_move(played)[0]  # (plies,)
    viewer = np.where(side == PAD, 1 - np.roll(side, 1), side)  # at the end the last mover's foe
    states = game.get_board_states(played)[0]  # (plies, squares)
    owner = np.where(states == 0, PAD, (states == 2) ^ viewer[:, None])
    is_new = np.zeros(owner.shape, dtype=bool)
    is_new[1:] = (owner[1:] != PAD) & (owner[:-1] == PAD)
    ply, square = np.indices(owner.shape).reshape(2, -1)
    row, column = np.divmod(square, game.shape[1])
    names = np.array([*game.players, ""])  # PAD is the last
    return pd.DataFrame(
        {
            "game": name,
            "ply": ply,
            "to_move": names[side[ply]],
            "square": square,
            "row": row,
            "column": column,
            "content": names[owner.ravel()],
            "legal": game.get_legal_squares(played).ravel(),
            "last_move": is_new.ravel(),
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


def draw(table: pd.DataFrame, game: BitboardGame) -> Figure:
    """A board for each chosen ply, with its stones, the last move and the legal next ones."""
    to_move = table.drop_duplicates("ply")["to_move"].to_numpy()
    plies = choose_plies(to_move)
    figure, grid, _ = new_boards(game, len(plies), 5)
    look = get_look(game)
    for axes, ply in zip(grid.flat, plies, strict=False):
        rows = table[table["ply"] == ply]
        last = rows[rows["last_move"]]
        draw_on(axes, rows, square, look.square, edgecolor=look.line, linewidth=0.6)
        draw_on(axes, last, square, look.last_move, edgecolor=look.line, linewidth=0.6)
        if look.hole:
            draw_on(axes, rows, disc, look.hole)
        for player in game.players:
            draw_stones(axes, rows[rows["content"] == player], player, game)
        if to_move[ply]:
            draw_on(axes, rows[rows["legal"]], dot, get_colour(to_move[ply], game))
        axes.set_title(_describe(ply, to_move, last, game), fontsize=7.5, linespacing=1.3)
    handles = [
        Patch(facecolor=look.last_move, edgecolor=look.line, linewidth=0.6, label="last move"),
        key(linestyle="none", marker="o", markersize=3, label="legal next"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    title = f"one random game of {readable(table['game'].iloc[0])}"
    headline(figure, title)
    return figure


def _describe(ply: int, to_move: np.ndarray, last: pd.DataFrame, game: BitboardGame) -> str:
    """The last move, and who is next; `last` are the rows of the squares it occupied."""
    title, before, now = f"ply {ply}", to_move[max(ply - 1, 0)], to_move[ply]
    squares = zip(last["row"], last["column"], strict=True)
    if moves := " ".join(f"{column_name(column)}{row + 1}" for row, column in squares):
        title += f": {before} {moves}"
    if not now:
        return f"{title}\nthe game is over"
    passing = [f"{player} passes, " for player in game.players if ply and player != before == now]
    return f"{title}\n{''.join(passing)}{now} to move"
