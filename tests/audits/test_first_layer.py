"""The first layer as token tables: exact without positions, and with them at places that agree."""

import numpy as np
import pytest
from gpts import as_gpt, make_gpt
from standard_models import BETA, DIRECT, EXACT, OV, SCORES, V, X, play

from gamecircuits.audits.first_layer import (
    Readout,
    attend,
    fit_strengths,
    read_circuits,
    read_residual,
    score_by_form,
    score_by_tables,
)
from gamecircuits.games.game import PAD

TOKENS = np.arange(V)


def contexts(tokens, length):
    """Sets (N, V) and last tokens (N,) of prefixes of one length."""
    members = (tokens[:, :length, None] == TOKENS).any(axis=1)
    return members, tokens[:, length - 1]


def draw_readout(model, rng):
    return Readout(rng.normal(size=(model.parameters.W_E.shape[1], V)), rng.normal(size=V))


def test_with_the_unembedding_as_probe_it_is_the_one_layer_transformer():
    model = as_gpt(EXACT)
    circuits = read_circuits(model, Readout(model.parameters.W_U, np.zeros(V)), TOKENS, 3)
    np.testing.assert_allclose(circuits.qk[0], SCORES, atol=1e-9)
    np.testing.assert_allclose(circuits.ov[0], OV, atol=1e-9)
    np.testing.assert_allclose(circuits.direct, DIRECT, atol=1e-9)
    np.testing.assert_allclose(circuits.place_spread, 0, atol=1e-9)
    strengths = fit_strengths(circuits)
    np.testing.assert_allclose(strengths.x[0], X, atol=1e-9)
    np.testing.assert_allclose(strengths.beta, BETA, atol=1e-9)
    np.testing.assert_allclose(strengths.level - strengths.level[0], 0, atol=1e-9)
    tokens, _ = play()
    members, last = contexts(tokens, 4)
    logits = model.logits(tokens)[:, 3]
    np.testing.assert_allclose(score_by_tables(circuits, members, last), logits, atol=1e-9)
    form = score_by_form(circuits, strengths, members, last)
    np.testing.assert_allclose(np.ptp(form - logits, axis=1), 0, atol=1e-9)


@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("placement", ["before", "after"])
def test_tables_of_several_heads_and_norms_are_exact_without_positions(norm, placement):
    rng = np.random.default_rng(0)
    model = make_gpt(rng, V=V, positions="none", norm=norm, placement=placement)
    readout, (tokens, _) = draw_readout(model, rng), play()
    for length in (1, 4):
        circuits = read_circuits(model, readout, TOKENS, length)
        rows = read_residual(model, tokens, np.broadcast_to(np.arange(V) == length - 1, (40, V)))
        scores = score_by_tables(circuits, *contexts(tokens, length))
        np.testing.assert_allclose(scores, rows @ readout.W + readout.b, atol=1e-9)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_positions_are_those_of_the_length(positions):
    """Of two tokens, nothing is averaged but values; without them tables are exact."""
    rng = np.random.default_rng(1)
    model = make_gpt(rng, V=V, positions=positions)
    tokens = np.array([[0, 1, PAD], [4, 2, PAD], [2, 4, PAD]])
    circuits = read_circuits(model, draw_readout(model, rng), TOKENS, 2)
    patterns = []
    model.logits(tokens, lambda site, v: (patterns.append(v) or v) if "pattern" in site else v)
    members, last = contexts(tokens, 2)
    found = attend(circuits, members, last)
    for n, (first, second, _) in enumerate(tokens):
        np.testing.assert_allclose(found[:, n, [first, second]], patterns[0][n, :, 1, :2])
    at_one = read_circuits(model, draw_readout(model, rng), TOKENS, 1)
    assert at_one.qk.shape == (2, V, V)
    assert (at_one.place_spread == 0).all()
