"""Trained models at other strengths, on models whose strengths are known by construction."""

import numpy as np
import pandas as pd
import pytest
from gpts import make_gpt
from standard_models import BETA, DIRECT, EXACT, OV, RANDOM, SCORES, V, X, play

from gamecircuits.analysis.standard_form import fit_model
from gamecircuits.training import measure, strengths
from gamecircuits.training.architectures.gpt import GptTrial
from gamecircuits.training.architectures.one_layer import OneLayerTrial
from gamecircuits.training.choices import COMPARED
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.one_layer import OneLayer


@pytest.fixture(scope="module")
def games():
    return play()


def test_strengths_are_those_wanted(games):
    """Half of the attention is dropped: twice the output; and the mean x of another model."""
    other = OneLayer(from_circuits(SCORES, 3 * OV, DIRECT))
    dropping = OneLayerTrial(attention_dropout=0.2, residual_dropout=0.375, embedding_dropout=0.9)
    factors = strengths.get_strengths(dropping, EXACT, other)
    assert factors == pytest.approx({"as_trained": 1, "rescaled": 2, "matched": 3})
    for factor in factors.values():
        scaled = strengths.scale_head(EXACT, factor)
        form = fit_model(scaled)
        np.testing.assert_allclose(form.x, factor * X)
        np.testing.assert_allclose(form.beta, BETA)
        assert form.residual() < 1e-12
        any_model = strengths.scale_head(RANDOM, factor)
        mean = fit_model(RANDOM).x.mean()
        assert fit_model(any_model).x.mean() == pytest.approx(factor * mean)
        table = strengths.measure_scaled(EXACT, factor, *games, [2, 4])
        wanted = measure.measure_average(scaled, *games, [2, 4]).drop(columns="standard_form")
        wanted = wanted[wanted["metric"].isin(COMPARED)]
        assert len(table) == 2 * len(COMPARED)
        pd.testing.assert_frame_equal(table, wanted)
    normed = OneLayer(EXACT.parameters, "residual", 3.0)
    opposite = OneLayer(from_circuits(SCORES, -OV, DIRECT))
    weak = OneLayer(from_circuits(SCORES, OV / 99, DIRECT))
    for model, reference in [(EXACT, None), (normed, EXACT), (EXACT, normed), (opposite, EXACT),
                             (EXACT, opposite), (weak, EXACT)]:  # fmt: skip
        assert set(strengths.get_strengths(OneLayerTrial(), model, reference)) == {
            "as_trained",
            "rescaled",
        }


def test_models_of_one_factor_are_measured_once(games):
    """Nothing is dropped: `rescaled` is the model itself, and has its values."""
    tokens, mask = games
    validation = tokens[:9], mask[:9]
    found = [*strengths.measure_strengths(
        OneLayerTrial(), EXACT, None, games, validation, {"trained": 2, "longest": 4}
    )]  # fmt: skip
    wanted = measure.measure_average(EXACT, *validation, [2]).set_index("metric")["mean"]
    assert [(s, f, v) for s, f, v, _ in found] == [
        (s, 1, wanted["total_variation"]) for s in ("as_trained", "rescaled")
    ]
    assert found[0][3] is None
    pd.testing.assert_frame_equal(found[1][3], strengths.measure_scaled(EXACT, 1, *games, [2, 4]))


def test_deeper_models_are_as_trained(games):
    model = make_gpt(np.random.default_rng(0), V=V)
    trial = GptTrial(attention_dropout=0.5)
    assert strengths.get_strengths(trial, model, EXACT) == {"as_trained": 1}
    assert strengths.get_strengths(OneLayerTrial(), EXACT, model).keys() == {
        "as_trained", "rescaled",
    }  # fmt: skip
    assert strengths.scale_head(model, 2.0) is model
