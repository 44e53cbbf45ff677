"""Games as the page takes them: rules by kind, and a few recorded plays with their legal tokens."""

from collections.abc import Mapping

import numpy as np

from gamecircuits.explorer.boards import describe_board
from gamecircuits.explorer.models import MAX_TOKENS
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD, Game
from gamecircuits.games.regular import Regular

RECORDED = 3  # plays of each game
MAX_LENGTH = 128  # tokens of a recorded play; of longer ones the page has the beginning
MAX_STEPS = 1 << 20  # states × tokens × length of an automaton: a few milliseconds in a browser
RULES = {  # what web/rules.js needs of each kind that it knows
    "set_complement": (),
    "windowed_complement": ("window",),
    "mnk": ("in_a_row",),
    "connect_four": ("in_a_row",),
    "othello": (),
    "dyck": ("num_brackets", "max_depth"),
    "flip_flop": (),
    "regular": ("alphabet", "transitions", "start", "accepting"),
}


def fits(game: Game) -> bool:
    """Whether the page can show a game: it has a button for each token."""
    return game.vocab_size <= MAX_TOKENS


def describe_game(game: Game, kind: str, tokens: np.ndarray) -> dict:
    """Size, opening, rules, board and recorded plays.

    Args:
        kind: the game's kind in the configuration.
        tokens: recorded plays (N, L), padding at the end.

    Returns:
        `recorded` has for each play its tokens (L,) and its legal next tokens (L, V) after every
        prefix. `rules` are None for a kind that the page does not know. `board` is that of
        `explorer.boards`, for games that have one.
    """
    plays = []
    for row in tokens:
        played = row[row != PAD]
        legal = game.get_valid_next_token_mask(played[None])[0]
        plays.append({"tokens": played[:MAX_LENGTH].astype(np.int32), "legal": legal[:MAX_LENGTH]})
    return {
        "vocab": game.vocab_size,
        "max_length": game.max_length,
        "opening": np.asarray(game.opening_mask),
        "rules": _describe_rules(game, kind),
        "board": describe_board(game, tokens) if isinstance(game, BitboardGame) else None,
        "recorded": plays,
    }


def _describe_rules(game: Game, kind: str) -> Mapping | None:
    if kind not in RULES or (isinstance(game, Regular) and _count_steps(game) > MAX_STEPS):
        return None
    return {name: getattr(game, name) for name in RULES[kind]}


def _count_steps(game: Regular) -> int:
    return len(game.transitions) * game.vocab_size * max(game.length, 256)
