"""Certificates against the worst of all contexts, in more digits than the model is computed in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from twins import random_parameters

from gamecircuits.analysis import diagnosis
from gamecircuits.analysis.certifier import Certifier, measure_short_contexts
from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.transformer.circuits import TokenTables, from_circuits


def certify(parameters, sink=0.0) -> Certifier:
    tables = TokenTables(parameters, sink=sink)
    return Certifier(tables, measure_short_contexts(tables))


def worst_by_length(parameters, sink, dtype) -> dict[int, tuple]:
    """Illegal token rate, spread, displacement before and at the last token, from the weights."""
    E, Q, K, W_V, O, U = (matrix.astype(dtype) for matrix in parameters)  # noqa: E741
    scores = (E @ Q) @ (E @ K).T / np.sqrt(dtype(max(Q.shape[1], 1)))
    members, last = all_contexts(len(E))
    attention = np.where(members, scores[last], -np.inf)
    highest = attention.max(axis=1, keepdims=True)
    if sink:
        highest = np.maximum(highest, np.log(dtype(sink)))
    attention = np.exp(attention - highest)
    total = attention.sum(axis=1, keepdims=True)
    if sink:
        total = total + dtype(sink) * np.exp(-highest)
    logits = attention / total @ (E @ W_V @ O @ U) + (E @ U)[last]
    low = np.where(members, np.inf, logits).min(axis=1)
    spread = np.where(members, -np.inf, logits).max(axis=1) - low
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    rate = np.where(members, p, 0).sum(axis=1) / p.sum(axis=1)
    displaced = np.where(members, low[:, None] - logits, np.inf)
    at_last = np.arange(len(E)) == last[:, None]
    other = np.where(at_last, np.inf, displaced).min(axis=1)
    of_last = np.where(at_last, displaced, np.inf).min(axis=1)
    lengths = members.sum(axis=1)
    rows = {s: lengths == s for s in range(1, len(E))}
    return {
        s: (rate[at].max(), spread[at].max(), other[at].min(), of_last[at].min())
        for s, at in rows.items()
    }


def draw_model(seed):
    """Weights, sink, and whether these are an exact solution.

    Standard forms with and without noise, ties, zeros and circuits of many scales; scores that span
    1 to 600 nats; and weights without a meaning.
    """
    rng = np.random.default_rng(seed)
    V, sink = int(rng.integers(2, 8)), float(rng.choice([0, 0, 1e-8, 1, 1e6]))
    kind = rng.choice(["exact", "noisy", "ties", "scales", "weights"])
    if kind == "weights":
        return random_parameters(rng, V, d_k=int(rng.integers(0, 4))), sink, False
    span, size = 600 ** rng.random(), 10.0 ** rng.choice([-100, -3, 0, 1, 2, 6, 100])
    scores = {
        "uniform": rng.uniform(0, span, (V, V)),
        "geometric": rng.permuted(np.tile(np.linspace(0, span, V), (V, 1)), axis=1),
        "favourite": np.where(rng.random((V, V)) < 1 / V, span, rng.uniform(0, 5, (V, V))),
    }[rng.choice(["uniform", "geometric", "favourite"])]
    if not sink:
        scores += rng.choice([0, 0, 1e9, -1e9])  # cancels, but for its rounding
    if kind == "ties":
        ov, direct = size * rng.integers(-2, 3, (2, V, V)).astype(float)
        ov[rng.integers(V)] = 0
    elif kind == "scales":
        ov, direct = -(10.0 ** rng.uniform(-8, 5, (2, V, V)))
    else:
        x, beta = size * rng.uniform(0.5, 1, V), size * rng.normal(size=V)
        beta *= rng.choice([0, 1e-3, 1])
        c, c_direct, r = rng.choice([0, 1, 100]) * size * rng.normal(size=(3, V))
        ov, direct = c[:, None] + r - np.diag(x), c_direct[:, None] - r - np.diag(beta)
        if kind == "noisy":
            noise = size * rng.choice([1e-9, 0.01, 0.3, 3]) * rng.normal(size=(2, V, V))
            ov, direct = ov + noise[0], direct + noise[1]
    return from_circuits(scores, ov, direct), sink, kind == "exact" and sink == 0


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_context_violates_a_bound(seed):
    """Strictly, for the exact model (in longer floats) and for its logits as float64 gives them."""
    parameters, sink, is_exact = draw_model(seed)
    certifier = certify(parameters, sink)
    bounds = {s: certifier.at(s) for s in range(1, len(parameters.W_E))}
    for dtype in (np.longdouble, np.float64):
        for s, (rate, spread, other, last) in worst_by_length(parameters, sink, dtype).items():
            bound = bounds[s]
            assert bound.highest_illegal_token_rate == bound.illegal_token_rate >= rate
            assert bound.absent_spread >= spread
            assert bound.other_displacement <= other
            assert bound.last_displacement <= last
            odds = np.logaddexp(np.log(max(s - 1, 1e-300)) - bound.other_displacement,
                                -bound.last_displacement)  # fmt: skip
            rate_at_most = expit(odds - np.log(len(parameters.W_E) - s))
            assert bound.illegal_token_rate <= rate_at_most * (1 + 1e-9) + 1e-300
            if s <= certifier.reach():
                assert min(bound.other_displacement, bound.last_displacement) > 0
            if is_exact:  # then the last token's bound is attained
                size = np.abs(parameters.W_E).max() + np.abs(parameters.W_O).max()
                digits = 1e-8 if np.abs(parameters.W_Q).max() < 1e6 else 1e-2
                assert float(last) - bound.last_displacement <= digits * size + 1e-30


def test_the_bounds_are_attained():
    """By the model that docs/theory.md gives for it after Theorem 7, with i = 0 and ℓ = 1."""
    V, eta, x = 7, 1.0, 9.0
    ov, direct = -x * np.eye(V), np.zeros((V, V))
    ov[0, 0], ov[2:, 0], direct[2:, 0], direct[1, 0] = -5.0, 4 * eta, -3 * eta, -eta
    parameters = from_circuits(np.zeros((V, V)), ov, direct)
    certifier, worst = certify(parameters), worst_by_length(parameters, 0.0, np.longdouble)
    for s in range(2, V):
        found, (_, spread, other, _) = certifier.at(s), worst[s]
        assert found.other_displacement == pytest.approx(float(other), abs=1e-11)
        if s <= V - 2:
            assert found.absent_spread == pytest.approx(float(spread), abs=1e-11)
            assert found.absent_spread == pytest.approx((3 - 4 / s) * eta)


SHARP = [  # scores of token 0, its logits: the OV circuit's first column, the true least at 3
    ([-20, 40, -60, -60, 0], [-20, -10, -8.5, -0.91, -0.78]),
    ([0, 60, 0, 0, 0], [-5, -3, -2, -1, -0.5]),  # e^60 times what all others get
    ([0, 300, 200, 100, 0], [-1e4, -9, -4, -2, -0.1]),  # four scales
]


@pytest.mark.parametrize(("scores", "column"), SHARP)
def test_the_last_token_under_sharp_attention(scores, column):
    """Displacement of token 0 by all but the favourite: a rounding error of the favourite's."""
    qk, ov = np.zeros((5, 5)), -400 * np.eye(5)
    qk[0], ov[:, 0] = scores, column
    parameters = from_circuits(qk, ov, np.zeros((5, 5)))
    certifier, worst = certify(parameters), worst_by_length(parameters, 0.0, np.longdouble)
    for s in range(2, 5):
        found = certifier.at(s).last_displacement
        assert found <= worst[s][3] <= found + 1e-6
    assert worst[3][3] < 0.9 * -column[1], "the favourite's bound is none"


def lost_at_one_length(V: int, dip: int):
    """Token 0 is pushed up by `dip` tokens, just enough together, and down by all others."""
    qk, ov = np.zeros((V, V)), -20000 * np.eye(V)
    qk[0, 0] = np.log(20 / 20000)
    ov[1 : dip + 1, 0], ov[dip + 1 :, 0] = (20 + 10 / dip) / dip, -1
    return from_circuits(qk, ov, np.zeros((V, V)))


@pytest.mark.parametrize("V", [80, 90, 130])
def test_every_length_is_certified_though_not_every_length_is_measured(monkeypatch, V):
    """It loses its token at the first length from V/5 on that is not measured, and only there."""
    monkeypatch.setattr(diagnosis, "MAX_CONTEXTS", 10)
    measured = diagnosis.diagnose(lost_at_one_length(V, 1)).by_length("contexts").length
    dip = min(set(range(V // 5, V)) - set(measured)) - 1
    found = diagnosis.diagnose(lost_at_one_length(V, dip))
    assert (found.by_length("last_displacement").certified > 0).all()
    assert found.value("certified_length", "certified") == dip
    logits = found.model.logits(np.array([*range(1, dip + 1), 0]))[-1]
    assert logits[dip + 1 :].min() - logits[0] == pytest.approx(-10 / dip**2, rel=0.01)


@pytest.mark.parametrize("V", [3, 20, 70])
def test_the_reach_is_that_of_the_bounds(V):
    """Of both kinds of tokens: it ends before the first length that `at` does not certify."""
    rng, reached = np.random.default_rng(V), set()
    for noise in (0, 0.001, 0.01, 0.03, 0.1, 0.3):
        for beta in (0.0, -0.3, -1.5):
            ov, direct = rng.normal(size=(2, V, V)) * noise
            scores = rng.normal(size=(V, V))
            certifier = certify(
                from_circuits(scores, ov - 15 * np.eye(V), direct - beta * np.eye(V))
            )
            bounds = [certifier.at(s) for s in range(1, V)]
            holds = [min(b.other_displacement, b.last_displacement) > 0 for b in bounds]
            assert certifier.reach() == [*holds, False].index(False)
            reached.add(certifier.reach())
    assert len(reached) > min(3, V - 2)
