"""What rounding may do to a model: bounds for its tables, whatever the order of evaluation.

A sum of n products in floating point is off by at most γ_n times the sum of their absolute values
(Higham 2002, section 3.1). So the products of the absolute weights bound the error of every table.
"""

from typing import NamedTuple

import numpy as np

from gamecircuits.theory.basics import gamma
from gamecircuits.transformer.circuits import TokenTables


class RoundingErrors(NamedTuple):
    """The most by which what is computed differs from what the weights say exactly.

    Attributes:
        ov, direct: of an entry of the OV circuit and the direct path, by row (V,), before a norm.
        logits: of a logit without a norm, by the last token (V,), nats.
        attention: of a weight of attention, relative, by the last token (V,).
        values: of what a token moves, Euclidean length (V,).
    """

    ov: np.ndarray
    direct: np.ndarray
    logits: np.ndarray
    attention: np.ndarray
    values: np.ndarray


def bound_rounding(tables: TokenTables) -> RoundingErrors:
    """Bounds for the tables and all sums over them."""
    V, d = tables.parameters.W_E.shape
    E, Q, K, W_V, O, U = map(np.abs, tables.parameters)  # noqa: E741
    d_k, d_v = Q.shape[1], len(O)
    unit = np.finfo(E.dtype).eps / 2
    products = gamma(V + 2 * d + d_v + 16, unit)
    moved = E @ W_V @ O
    scores = (E @ Q) @ (E @ K).T / max(d_k, 1) ** 0.5
    ov, direct = products * (moved @ U).max(axis=1), products * (E @ U).max(axis=1)
    # A score is compared with the highest, which is as wrong; exp makes this relative.
    attention = 2 * gamma(2 * d + d_k + 16, unit) * scores.max(axis=1) + gamma(V + 16, unit)
    logits = direct + ov.max() + 2 * attention * ov.max() / products
    return RoundingErrors(ov, direct, logits, attention, products * np.linalg.norm(moved, axis=1))
