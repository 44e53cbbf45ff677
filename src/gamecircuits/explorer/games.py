"""Games as the page takes them: rules by kind, and a few recorded plays with their legal tokens."""

from collections.abc import Mapping

import numpy as np

from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD, Game

RECORDED = 3  # plays of each game


def describe_game(game: Game, tokens: np.ndarray) -> dict:
    """Size, opening, board and recorded plays.

    Args:
        tokens: recorded plays (N, L), padding at the end.

    Returns:
        `recorded` has for each play its tokens (L,) and its legal next tokens (L, V) after every
        prefix. `board` is rows and columns, for games that have one.
    """
    plays = []
    for row in tokens:
        played = row[row != PAD]
        legal = game.get_valid_next_token_mask(played[None])[0]
        plays.append({"tokens": played.astype(np.int32), "legal": legal})
    return {
        "vocab": game.vocab_size,
        "max_length": game.max_length,
        "opening": np.asarray(game.opening_mask),
        "board": _describe_board(game),
        "recorded": plays,
    }


def _describe_board(game: Game) -> Mapping | None:
    if not isinstance(game, BitboardGame):
        return None
    rows, columns = game.shape
    return {"rows": rows, "columns": columns}
