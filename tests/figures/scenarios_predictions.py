"""Predictions that are hard to lay out."""

from functools import partial

import numpy as np
from scenarios_metrics import LONG

from gamecircuits.figures.models import predictions
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
    rules = make_game(**game)
    tokens = rules.play(1, np.random.default_rng(0))
    read = {
        name: make_construction(kind, vocab_size=rules.vocab_size).model()
        for name, kind in models.items()
    }
    mask = rules.get_valid_next_token_mask(tokens)
    return predictions.draw(predictions.make_table(tokens[0], mask[0], read), LONG)


SCENARIOS = {name: partial(draw, game, models) for name, (game, models) in GAMES.items()}
