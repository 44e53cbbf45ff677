"""Predictions that are hard to lay out."""

from functools import partial

import numpy as np
from scenarios_metrics import LONG

from gamecircuits.figures.models import board_predictions, predictions
from gamecircuits.games.game import make_game
from gamecircuits.transformer.constructions.construction import make_construction

GAMES = {
    "one model": ({"kind": "set_complement", "vocab_size": 6}, {"b": "balanced"}),
    "two tokens": ({"kind": "set_complement", "vocab_size": 2}, {"b": "untrained"}),
    "long names": (
        {"kind": "set_complement", "vocab_size": 8},
        {LONG: "balanced", LONG.replace("a", "b"): "untrained", "c": "minimal"},
    ),
    "a long game": (
        {"kind": "windowed_complement", "vocab_size": 6, "window": 2, "max_length": 50},
        {"b": "balanced", "u": "untrained"},
    ),
    "many tokens": ({"kind": "set_complement", "vocab_size": 64}, {"u": "untrained"}),
}


def draw(game, models):
    return predictions.draw(tabulate(make_game(**game), models), LONG)


def tabulate(rules, models):
    tokens = rules.play(1, np.random.default_rng(0))
    read = {
        name: make_construction(kind, vocab_size=rules.vocab_size).model()
        for name, kind in models.items()
    }
    mask = rules.get_valid_next_token_mask(tokens)
    return predictions.make_table(tokens[0], mask[0], read)


BOARDS = {
    "othello": ({"kind": "othello", "board_size": 8}, {LONG: "balanced", "u": "untrained"}),
    "connect four": ({"kind": "connect_four"}, {"b": "balanced", "u": "untrained"}),
    "a small board": (
        {"kind": "mnk", "rows": 1, "columns": 3, "in_a_row": 3},
        {"b": "balanced", "u": "untrained"},
    ),
    "a long line": (
        {"kind": "mnk", "rows": 1, "columns": 64, "in_a_row": 5},
        {"u": "untrained"},
    ),
}


def draw_boards(game, models):
    rules = make_game(**game)
    trained = dict.fromkeys(models, 2)
    return board_predictions.draw(tabulate(rules, models), LONG, rules, trained)


SCENARIOS = {name: partial(draw, game, models) for name, (game, models) in GAMES.items()}
SCENARIOS |= {f"on a board: {name}": partial(draw_boards, *BOARDS[name]) for name in BOARDS}
