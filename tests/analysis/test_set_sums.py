import numpy as np
import pytest
from twins import random_parameters

from gamecircuits.analysis import set_sums
from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.evaluation import evaluate_exhaustively
from gamecircuits.analysis.metrics import METRICS, context_metrics
from gamecircuits.analysis.set_sums import SetSums
from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.one_layer import OneLayer


def compare(model, atol=1e-12):
    """Every context, one by one, with metrics by numpy of the logits from the token tables."""
    V, tables = model.vocab_size, model.tables()
    sums = SetSums(tables)
    for length in range(1, V):
        chunks = list(sums.chunks(length))
        found = np.concatenate([sums.metric_rows(chunk) for chunk in chunks], axis=1)
        members = np.concatenate([sums.members(chunk) for chunk in chunks])
        last = np.concatenate([np.full(chunk.num_contexts, chunk.last) for chunk in chunks])
        starts = np.cumsum([0] + [chunk.num_contexts for chunk in chunks])
        assert [chunk.start for chunk in chunks] == starts[:-1].tolist()
        order = np.lexsort([*members.T, last])
        assert (order == np.arange(len(order))).all(), "by last token, then by set"
        every, _ = all_contexts(V, [length])
        assert len(members) == len(every) == len({*zip(map(bytes, members), last, strict=True)})
        assert (members.sum(axis=1) == length).all()
        assert members[np.arange(len(last)), last].all()
        logits, entropy = tables.count_logits_and_entropy(members, last)
        wanted = context_metrics(logits.astype(float), ~members, entropy)
        for name, values in zip(METRICS, found, strict=True):
            np.testing.assert_allclose(values, wanted[name], rtol=atol, atol=atol, err_msg=name)


@pytest.mark.parametrize("V", [2, 3, 8])
@pytest.mark.parametrize("sink", [0.0, 2.0])
@pytest.mark.parametrize("norm", ["none", "attention", "residual"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_all_metrics_of_all_contexts(monkeypatch, V, norm, sink, dtype):
    monkeypatch.setattr(set_sums, "CHUNK", 30)
    model = OneLayer(random_parameters(np.random.default_rng(V), V), norm, 2.0, sink)
    compare(model.cast(dtype), 1e-12 if dtype == np.float64 else 1e-5)


@pytest.mark.parametrize("strength", [30, 300, 3000])
def test_legal_tokens_that_are_all_but_impossible(strength):
    """Their mass loses digits, then all of them."""
    rng, V = np.random.default_rng(0), 7
    seen = strength * (V * np.eye(V) + rng.normal(size=(V, V)))
    compare(OneLayer(from_circuits(np.zeros((V, V)), seen, np.zeros((V, V)))), 1e-10)


def test_equal_logits_count_by_share():
    V, zero = 6, np.zeros((6, 6))
    direct = np.where(np.arange(V) % 3 == 0, 1.0, 0.0) * np.ones((V, 1))
    compare(OneLayer(from_circuits(zero, zero, direct)))


def test_a_wide_residual_stream_changes_nothing():
    """The norm is taken in as few coordinates as the vectors span."""
    rng, V = np.random.default_rng(0), 5
    for norm in ("attention", "residual"):
        narrow = random_parameters(rng, V)
        d = narrow.W_E.shape[1]
        turn = np.linalg.qr(rng.normal(size=(40, d)))[0].T  # (d, 40), with orthonormal rows
        wide = narrow._replace(
            W_E=narrow.W_E @ turn, W_Q=turn.T @ narrow.W_Q, W_K=turn.T @ narrow.W_K,
            W_V=turn.T @ narrow.W_V, W_O=narrow.W_O @ turn, W_U=turn.T @ narrow.W_U,
        )  # fmt: skip
        one, other = (evaluate_exhaustively(OneLayer(p, norm, 3.0)) for p in (narrow, wide))
        np.testing.assert_allclose(other["mean"], one["mean"], rtol=1e-11, atol=1e-12)


def test_logits_that_overflow_are_refused():
    V, zero = 4, np.zeros((4, 4))
    model = OneLayer(from_circuits(zero, zero, np.full((V, V), np.inf)))
    with np.errstate(invalid="ignore"), pytest.raises(GamecircuitsError, match="define no distr"):
        evaluate_exhaustively(model)


def test_exponential():
    """To 2 units in the last place; what is below exp(−708) counts as that."""
    x = -np.concatenate([np.geomspace(1e-300, 708, 2000), np.arange(708) * np.log(2) / 2, [0]])
    found = np.array([set_sums._exp(value) for value in x])
    np.testing.assert_allclose(found, np.exp(x), rtol=4.5e-16)
    assert set_sums._exp(0.0) == 1
    assert set_sums._exp(-1e300) == set_sums._exp(-708.0)
