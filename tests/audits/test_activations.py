"""Activations at the sites of a GPT: in chunks as at once, and of the model's own weights."""

import numpy as np
import pytest
from gpts import make_gpt

from gamecircuits.audits import activations
from gamecircuits.audits.activations import (
    check_sites,
    list_sites,
    read_activations,
    shuffle_weights,
)
from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.gpt import normalize


@pytest.mark.parametrize("d_mlp", [7, None])
def test_last_site_gives_the_logits(d_mlp, monkeypatch):
    rng = np.random.default_rng(0)
    model = make_gpt(rng, d_mlp=d_mlp)
    tokens = rng.integers(-1, 5, size=(11, 6))
    keep = tokens >= 0
    sites = list_sites(model)
    assert len(sites) == (5 if d_mlp else 3)
    check_sites(model, sites)
    found = read_activations(model, tokens, keep, sites)
    weights = model.parameters
    last = normalize(np, found[sites[-1]], weights.ln_final, "layer")
    np.testing.assert_allclose(last @ weights.W_U + weights.b_U, model.logits(tokens)[keep])
    monkeypatch.setattr(activations, "POSITIONS", 12)
    for site, rows in read_activations(model, tokens, keep, sites).items():
        np.testing.assert_allclose(rows, found[site], rtol=1e-12)
        assert rows.shape == (keep.sum(), 6)


def test_unknown_sites_are_named():
    model = make_gpt(np.random.default_rng(0))
    with pytest.raises(GamecircuitsError, match=r"'blocks.2.resid_post'; allowed: blocks.0"):
        check_sites(model, ["blocks.2.resid_post"])
    with pytest.raises(GamecircuitsError, match="no site 'nowhere'"):
        read_activations(model, np.zeros((1, 2), int), np.ones((1, 2), bool), ["nowhere"])


def test_shuffled_weights_are_the_same_numbers():
    model = make_gpt(np.random.default_rng(0))
    shuffled = shuffle_weights(model, np.random.default_rng(1))
    for before, after in zip(model.parameters, shuffled.parameters, strict=True):
        if isinstance(before, np.ndarray):
            assert before.shape == after.shape
            assert (before != after).any()
            np.testing.assert_array_equal(np.sort(before, axis=None), np.sort(after, axis=None))
