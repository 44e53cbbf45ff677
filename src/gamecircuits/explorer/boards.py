"""Recorded games on a board as the page takes them: stones, ply by ply."""

import numpy as np

from gamecircuits.figures.boards._squares import get_colour, get_look
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD


def describe_board(game: BitboardGame, tokens: np.ndarray) -> dict:
    """The board, its players, and recorded plays.

    Args:
        tokens: recorded plays (N, L), padding at the end.
    """
    look = get_look(game)
    return {
        "rows": game.shape[0],
        "columns": game.shape[1],
        "row_0_is_below": game.row_0_is_below,
        "players": list(game.players),
        "colours": [get_colour(player, game) for player in game.players],
        "look": {"square": look.square, "line": look.line, "last": look.last_move},
        "hole": look.hole,
        "plays": [describe_play(game, row[row != PAD]) for row in tokens],
    }


def describe_play(game: BitboardGame, tokens: np.ndarray) -> dict:
    """One play of P tokens (P,) on S squares.

    Returns:
        after 0..P tokens: `owner` (P+1, S), 0 for an empty square, 1 and 2 for the players' stones;
        `side` (P+1,), 0 or 1, PAD at the end; `squares` (P+1, V), the square that each token would
        occupy, PAD if there is none; `legal` (P+1, V); `played` (P,), the square of each move;
        `winner`, 1 or 2, 0 for a draw; `line`, the squares that won, if a line did.
    """
    side = game.get_side_to_move(tokens[None])[0]
    viewer = np.where(side == PAD, 1 - np.roll(side, 1), side)  # at the end the last mover's foe
    states = game.get_board_states(tokens[None])[0]
    owner = np.where(states == 0, 0, 1 + ((states == 2) ^ (viewer[:, None] == 1)))
    squares = find_squares(game, owner)
    legal = np.concatenate(
        [game.opening_mask[None], game.get_valid_next_token_mask(tokens[None])[0]]
    )
    winner, line = find_winner(game, owner[-1])
    return {
        "tokens": tokens.astype(np.int32),
        "owner": owner.astype(np.int32),
        "side": side.astype(np.int32),
        "squares": squares.astype(np.int32),
        "legal": legal,
        "played": squares[np.arange(len(tokens)), tokens].astype(np.int32),
        "winner": winner,
        "line": line,
    }


def find_squares(game: BitboardGame, owner: np.ndarray) -> np.ndarray:
    """The square that each token would occupy on boards (P, S): (P, V), PAD for a full column."""
    if game.vocab_size == game.num_squares:
        return np.broadcast_to(np.arange(game.num_squares), (len(owner), game.num_squares))
    height = (owner != 0).reshape(len(owner), *game.shape).sum(axis=1)  # stones in each column
    places = height * game.shape[1] + np.arange(game.shape[1])
    return np.where(height < game.shape[0], places, PAD)


def find_winner(game: BitboardGame, owner: np.ndarray) -> tuple[int, list[int]]:
    """Who has won on a last board (S,), and the line; without lines who has more stones."""
    length = getattr(game, "in_a_row", None)
    if length is None:
        first, second = (owner == 1).sum(), (owner == 2).sum()
        return int(first != second) * (1 if first > second else 2), []
    for line in list_lines(*game.shape, length):
        if owner[line[0]] and (owner[line] == owner[line[0]]).all():
            return int(owner[line[0]]), line.tolist()
    return 0, []


def list_lines(rows: int, columns: int, length: int) -> np.ndarray:
    """All straight lines of that many squares, (lines, length)."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    found = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        steps = np.arange(length)
        r, c = row[:, None] + down * steps, column[:, None] + right * steps
        inside = ((r < rows) & (c >= 0) & (c < columns)).all(axis=1)
        found.append((r * columns + c)[inside])
    return np.concatenate(found)
