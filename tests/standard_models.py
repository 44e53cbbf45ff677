"""A OneLayer of exactly the standard form, its parts, and one of random tables."""

import numpy as np

from gamecircuits.games.game import make_game
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.one_layer import OneLayer

V = 6
_rng = np.random.default_rng(0)
SCORES = _rng.normal(size=(V, V))
X, BETA, R = _rng.uniform(2, 6, V), _rng.normal(size=V), _rng.normal(size=V)
GAUGE = _rng.normal(size=(2, V, 1))  # c and c'
OV, DIRECT = GAUGE[0] + R - np.diag(X), GAUGE[1] - R - np.diag(BETA)
EXACT = OneLayer(from_circuits(SCORES, OV, DIRECT))
RANDOM = OneLayer(from_circuits(SCORES, *_rng.normal(size=(2, V, V))))


def play():
    """Tokens of some games of set complement, and the legal next tokens."""
    game = make_game("set_complement", vocab_size=V)
    tokens = game.play(40, np.random.default_rng(1))
    return tokens, game.get_valid_next_token_mask(tokens)
