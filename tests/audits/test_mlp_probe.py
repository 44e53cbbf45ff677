"""A probe with a hidden layer: its gradient, and what a linear probe cannot read."""

import numpy as np
import pytest

from gamecircuits.audits.mlp_probe import fill_gradient, fit_mlp_probe
from gamecircuits.audits.probes import fit_probe


def test_gradient_is_that_of_differences():
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(6, 3)), rng.integers(0, 3, (6, 2))
    weights = rng.normal(size=(4, 5)), rng.normal(size=(6, 6))
    found, unused = (tuple(np.zeros_like(w) for w in weights) for _ in range(2))
    fill_gradient(inputs, labels, weights, found)
    for part, gradient in zip(weights, found, strict=True):
        for place in np.ndindex(part.shape):
            before = part[place]
            part[place] = before + 1e-6
            above = fill_gradient(inputs, labels, weights, unused)
            part[place] = before - 1e-6
            below = fill_gradient(inputs, labels, weights, unused)
            part[place] = before
            assert (above - below) / 2e-6 == pytest.approx(gradient[place], abs=1e-7)


def test_parity_is_read_by_a_hidden_layer_only(monkeypatch):
    monkeypatch.setattr("gamecircuits.audits.mlp_probe.STEPS", 150)
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1], size=(400, 2))
    rows = signs + rng.normal(scale=0.1, size=(400, 2))
    labels = (signs.prod(axis=1, keepdims=True) > 0).astype(int)
    probe = fit_mlp_probe(rows, labels, 2, np.random.default_rng(1))
    np.testing.assert_array_equal(probe.score(rows).argmax(axis=2), labels)
    assert probe.loss < 0.05
    assert fit_probe(rows, labels, 2).loss == pytest.approx(np.log(2), abs=0.01)
    again = fit_mlp_probe(rows, labels, 2, np.random.default_rng(1))
    np.testing.assert_array_equal(probe.score(rows), again.score(rows))
