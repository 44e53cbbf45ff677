"""Bounds for rounding against the same tables in longer floats."""

import numpy as np
import pytest
from twins import random_parameters

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.rounding import bound_rounding
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.model import Parameters

V = 5


def exactly(parameters: Parameters, members, last):
    """OV circuit, direct path, values, and logits after contexts, in longer floats."""
    E, Q, K, W_V, O, U = (matrix.astype(np.longdouble) for matrix in parameters)  # noqa: E741
    scores = (E @ Q) @ (E @ K).T / np.sqrt(np.longdouble(Q.shape[1]))
    attention = np.where(members, scores[last], -np.inf)
    attention = np.exp(attention - attention.max(axis=1, keepdims=True))
    attention /= attention.sum(axis=1, keepdims=True)
    return E @ W_V @ O @ U, E @ U, E @ W_V @ O, (attention @ E @ W_V @ O + E[last]) @ U


@pytest.mark.parametrize("cancels", ["nothing", "scores", "values", "direct path"])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_off_by_more_than_its_bound(seed, cancels):
    """With large numbers that cancel in one table: most of its digits are wrong."""
    weights = random_parameters(np.random.default_rng(seed), V, d=6, d_k=3, d_v=4)
    W_E = weights.W_E.copy()
    W_E[:, 0] = 1  # the same of all tokens: a direction that only shifts scores
    weights = weights._replace(W_E=W_E)
    if cancels == "scores":
        weights.W_K[0] *= 1e9
    if cancels == "values":
        weights.W_V[:, 1], weights.W_O[1] = 1e8 * weights.W_V[:, 0], -1e-8 * weights.W_O[0]
        weights.W_V[0, :2] = [1e8, 1e16]
    if cancels == "direct path":
        W_E[:, 1], weights.W_U[2] = W_E[:, 2], 1e8 * weights.W_U[2]
        weights.W_U[1] = -weights.W_U[2]
    members, last = all_contexts(V)
    tables = TokenTables(weights)
    errors = bound_rounding(tables)
    ov, direct, values, logits = exactly(weights, members, last)
    found = {
        "ov": (np.abs(tables.values - ov).max(axis=1), errors.ov),
        "direct": (np.abs(tables.direct - direct).max(axis=1), errors.direct),
        "values": (np.linalg.norm((weights.W_E @ weights.W_V @ weights.W_O - values)
                                  .astype(float), axis=1), errors.values),
        "logits": (np.abs(tables.set_logits(members, last) - logits).max(axis=1),
                   errors.logits[last]),
    }  # fmt: skip
    for name, (error, bound) in found.items():
        assert (error <= bound).all(), name
    expected = {"scores": "logits", "values": "ov", "direct path": "direct"}.get(cancels)
    if expected:
        assert found[expected][0].max() > 1e-12, "an error that is worth a bound"
    else:
        assert max(bound.max() for _, bound in found.values()) < 1e-9
