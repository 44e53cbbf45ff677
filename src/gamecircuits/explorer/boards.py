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
        after 0..P tokens: `owner` (P+1, S), 0 and 1 for the players' stones, PAD for none; `side`
        (P+1,), 0 or 1, PAD at the end; `squares` (P+1, V), the square that each token would occupy,
        PAD if there is none; `legal` (P+1, V); `played` (P,), the square of each move; `result`,
        how it ended in words, and `decisive`, the squares that decided it.
    """
    side = game.get_side_to_move(tokens[None])[0]
    owner = game.get_owners(tokens[None])[0]
    squares = find_squares(game, owner)
    legal = np.concatenate(
        [game.opening_mask[None], game.get_valid_next_token_mask(tokens[None])[0]]
    )
    result, decisive = game.get_result(owner[-1])
    return {
        "tokens": tokens.astype(np.int32),
        "owner": owner.astype(np.int32),
        "side": side.astype(np.int32),
        "squares": squares.astype(np.int32),
        "legal": legal,
        "played": squares[np.arange(len(tokens)), tokens].astype(np.int32),
        "result": result,
        "decisive": np.flatnonzero(decisive).tolist(),
    }


def find_squares(game: BitboardGame, owner: np.ndarray) -> np.ndarray:
    """The square that each token would occupy on boards (P, S): (P, V), PAD for a full column."""
    if game.vocab_size == game.num_squares:
        return np.broadcast_to(np.arange(game.num_squares), (len(owner), game.num_squares))
    height = (owner != PAD).reshape(len(owner), *game.shape).sum(axis=1)  # stones in each column
    places = height * game.shape[1] + np.arange(game.shape[1])
    return np.where(height < game.shape[0], places, PAD)
