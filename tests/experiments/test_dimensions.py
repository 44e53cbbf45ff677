"""What too few dimensions cost: gradients, floors, the threshold at V−1, balance at a price."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.metrics import context_metrics
from gamecircuits.errors import ParameterError
from gamecircuits.experiments.dimensions import (
    SOLVED,
    Dimensions,
    LogImbalance,
    MeanKl,
    imbalance,
)
from gamecircuits.figures.experiments.dimensions import draw
from gamecircuits.theory.basics import centering
from gamecircuits.theory.widths import imbalance_floor
from gamecircuits.transformer.circuits import TokenTables, ov_circuit
from gamecircuits.transformer.constructions._chains import get_chains
from gamecircuits.transformer.model import Parameters

V = 4
WEIGHTS = [(5, 3), (3, 2), (2, 3), (3, 5)]


@pytest.fixture(scope="module")
def table():
    experiment = Dimensions(vocab_size=V, restarts=2, iterations=200, doublings=4)
    return experiment.run(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("loss", "shapes"),
    [
        (MeanKl(5), WEIGHTS),
        (MeanKl(5), [*WEIGHTS, (5, 5)]),
        (LogImbalance(3.0), [(4, 6), (6, 4)]),
    ],
)
def test_gradient_is_the_slope(loss, shapes):
    rng = np.random.default_rng(1)
    at, along = ([rng.standard_normal(shape) for shape in shapes] for _ in range(2))
    ahead, behind = (
        loss(*[a + step * b for a, b in zip(at, along, strict=True)])[0] for step in (1e-6, -1e-6)
    )
    slope = sum((g * b).sum() for g, b in zip(loss(*at)[1], along, strict=True))
    assert (ahead - behind) / 2e-6 == pytest.approx(slope, rel=1e-5)


def test_mean_kl_is_that_of_the_model():
    rng = np.random.default_rng(2)
    W_E, W_V, W_O, W_U = (rng.standard_normal(shape) for shape in WEIGHTS)
    none = np.zeros((3, 0))
    tables = TokenTables(Parameters(W_E, none, none, W_V, W_O, W_U))
    mean = 0
    for length in (1, 2):
        members, last = all_contexts(5, [length])
        kl = context_metrics(tables.set_logits(members, last), ~members)["kl_divergence"]
        mean += kl.mean() / 2
    assert MeanKl(5)(W_E, W_V, W_O, W_U)[0] == pytest.approx(mean, rel=1e-12)


def test_no_kl_below_its_floor(table):
    kl = table[table["part"] != "balance"]
    assert (kl["kl"] >= kl["floor"] - 1e-12).all()
    assert (kl["kl"] <= kl["untrained"]).all()


def test_no_attention_is_worse_than_uniform_attention(table):
    """A special case, which random starts of free attention miss at some widths."""
    best = table[table["part"] != "balance"].groupby(["part", "width", "attention"])["kl"].min()
    best = best.unstack()
    assert (best["free"] <= best["uniform"]).all()


@pytest.mark.parametrize("part", ["embedding", "values"])
def test_threshold_is_at_v_minus_1(table, part):
    best = table[table["part"] == part].groupby("width")["kl"].min()
    assert (best[best.index >= V - 1] < 10 * SOLVED).all()
    assert best[V - 2] > 1e-3


def test_balance_at_width_v_minus_1_costs_large_weights(table):
    rows = table[(table["part"] == "balance") & (table["width"] == V - 1)]
    assert rows["size"].max() > 10
    np.testing.assert_allclose(rows["imbalance"], 1 / rows["size"], rtol=1e-3)


def test_balance_is_above_its_floor_and_free_at_twice_the_width(table):
    rows = table[table["part"] == "balance"]
    assert (rows["imbalance"] >= (1 - 1e-9) * rows["floor"]).all()
    best = rows.groupby(["width", "budget"])[["imbalance", "chains"]].min()
    assert (best["imbalance"] < 1.05 * best["chains"] + 1e-8).all()
    assert (rows.loc[rows["width"] == 2 * (V - 1), "imbalance"] < 1e-8).all()


@pytest.mark.parametrize("d", range(5, 11))
def test_chains_are_as_unbalanced_as_the_contexts_show(d):
    vocab_size, n, size = 6, 5, 5.0
    parameters = get_chains(vocab_size, d, size)
    norms = [np.linalg.norm(matrix, 2) for matrix in (parameters.W_E, parameters.W_U)]
    assert max(norms) < 1 + 1e-12
    assert np.linalg.norm(parameters.W_V @ parameters.W_O, 2) == pytest.approx(size)
    np.testing.assert_allclose(ov_circuit(parameters), -centering(vocab_size), atol=1e-14)

    members, last = all_contexts(vocab_size)
    off = TokenTables(parameters).set_logits(members, last)
    off += members / members.sum(axis=1, keepdims=True)  # the balanced model has −1/s there
    off -= off.mean(axis=1, keepdims=True)
    square = (off**2).sum(axis=1).mean() * vocab_size / n
    assert imbalance(parameters) == pytest.approx(square**0.5, abs=1e-14)

    floor = imbalance_floor(vocab_size, d, size)
    is_tight = d != 7  # 5 directions in 2 chains: 3 and 2
    assert imbalance(parameters) == pytest.approx(floor, rel=1e-12 if is_tight else 0.3)


def test_senseless_values_are_refused():
    for key in ("vocab_size", "restarts", "iterations", "doublings"):
        with pytest.raises(ParameterError, match=key):
            Dimensions(**{key: 0})


def test_draws(table):
    assert isinstance(draw(table), Figure)
