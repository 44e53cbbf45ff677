"""The strength of a first layer, changed: exact in one layer."""

import numpy as np
from gpts import as_gpt
from scipy.special import softmax

from gamecircuits.audits.first_layer import Readout, Strengths
from gamecircuits.audits.rescaling import find_directions, rescale, shrink
from gamecircuits.games.game import make_game
from gamecircuits.theory.dispersion import mean_strengths
from gamecircuits.transformer.circuits import ov_circuit
from gamecircuits.transformer.constructions.balanced import Balanced

V = 6


def test_rescaling_is_exact_in_one_layer():
    """Logits of played tokens come as near to the others as x times a factor says."""
    one = Balanced(V, max_illegal_rate=0.05).model()
    parameters = one.parameters
    model, readout = as_gpt(one), Readout(parameters.W_U, np.zeros(V))
    x, _ = mean_strengths(ov_circuit(parameters), np.zeros((V, V)))
    directions = np.linalg.pinv(readout.W)
    strengths = Strengths(np.full((1, V), x), np.zeros(V), np.zeros(V))
    changed = rescale(model, strengths, np.arange(V), directions, 0.25)
    tokens = make_game("set_complement", vocab_size=V).play(50, np.random.default_rng(0))
    played = (tokens[:, :, None, None] == np.arange(V)).any(axis=2)
    played = np.logical_or.accumulate(played, axis=1)
    before, after = model.logits(tokens), changed.logits(tokens)
    lengths = np.arange(1, V + 1)[:, None]
    wanted = before + np.where(played, 0.75 * x / lengths, 0)
    difference = (after - wanted)[:, : V - 1]
    np.testing.assert_allclose(np.ptp(difference, axis=2), 0, atol=1e-9)
    legal = ~played[:, : V - 1]
    p = softmax(shrink(*(a[:, : V - 1].reshape(-1, V) for a in (before, legal, ~legal)),
                               np.full(50 * (V - 1), 0.25)), axis=1)  # fmt: skip
    np.testing.assert_allclose(p, softmax(after[:, : V - 1], axis=2).reshape(-1, V), atol=1e-9)


def test_directions_raise_one_score_each_and_are_equally_large():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 8)) @ rng.normal(size=(8, 8))
    readout = Readout(rng.normal(size=(8, 3)), np.zeros(3))
    found = find_directions(rows, readout, rng)
    np.testing.assert_allclose(found["probe"] @ readout.W, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(found["random"] @ readout.W, 0, atol=1e-9)
    precision = np.linalg.inv(np.cov(rows, rowvar=False))
    sizes = [np.einsum("nd,de,ne->n", d, precision, d) for d in found.values()]
    np.testing.assert_allclose(*sizes)
