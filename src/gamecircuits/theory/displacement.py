"""Displacements of exact models, and where the last token is lost."""

from typing import NamedTuple

import numpy as np

from gamecircuits.theory.basics import check, plain, require


class Displacements(NamedTuple):
    """δ at each length: `others` for the seen tokens before the last (moot at length 1), `last`."""

    others: np.ndarray
    last: np.ndarray


def standard_form_displacements(
    vocab_size: int,
    lengths: np.ndarray,
    x: float,
    beta: float = 0.0,
    self_weight: float = 1.0,
    sink: float = 0.0,
) -> Displacements:
    """δ = x/(A+s−1+a0), and xA/(A+s−1+a0) + β for the last token (Prop. 1, Cor. 21a, 21b).

    The attention weight a is A = `self_weight` for the last token itself, 1 for the others, and
    a0 = `sink` for a sink that has no value. Uniform attention (A = 1, a0 = 0) gives x/s.
    """
    check(vocab_size, lengths)
    weights_allowed = (np.asarray(self_weight) > 0) & (np.asarray(sink) >= 0)
    require(weights_allowed, "attention weights must be positive, a sink's >= 0")
    total = self_weight + (np.asarray(lengths, dtype=float) - 1) + sink
    return Displacements(x / total, x * self_weight / total + beta)


def context_displacements(
    x: np.ndarray, beta: np.ndarray, attention: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """δ_i = w_i x_i + [i = ℓ] β_ℓ of any standard-form model in any contexts (Prop. 1).

    Args:
        x, beta: strengths (V,).
        attention: w (N, V), rows sum to 1, 0 at absent tokens.
        last: last tokens ℓ (N,).

    Returns:
        δ (N, V), 0 at absent tokens.
    """
    found = attention * x
    rows = np.arange(len(last))
    found[rows, last] += np.asarray(beta)[last]
    return found


def conserved_sum(x: np.ndarray, beta: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Σ_i δ_i/x_i = 1 + β_ℓ/x_ℓ = δ_1(ℓ)/x_ℓ at every length, whatever the attention (Prop. 1)."""
    require(np.asarray(x) != 0, "the conservation law needs x_i != 0 for every token")
    return 1 + (np.asarray(beta) / x)[last]


def harmonic_displacement(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Δ = 1/Σ_k (1/x_k) over the seen tokens, if the model is balanced at every length (Thm. 9).

    Like parallel resistors. Pass x = inf for absent tokens.
    """
    require(np.asarray(x) > 0, "a balanced model has x > 0 for every token")
    return 1 / np.sum(1 / np.asarray(x, dtype=float), axis=axis)


def balanced_attention(x: np.ndarray, beta: np.ndarray | float = 0.0) -> np.ndarray:
    """The weights a (V, V), with a[i,i] = 1, that balance lengths 1 and 2 (Prop. 8).

    a[i,j] = (x_i + β_i)/(x_j − β_i); for β = 0 the weights g_i/x_j that balance every length.
    """
    x = np.asarray(x, dtype=float)
    beta = np.broadcast_to(np.asarray(beta, dtype=float), x.shape)
    other = np.where(np.eye(len(x), dtype=bool), np.inf, x[None, :])
    require(
        np.isfinite(x) & (x > 0) & (-x < beta) & (beta < other.min(axis=1)),
        "balance at lengths 1 and 2 needs x > 0 and -x_i < beta_i < x_j for all j != i",
    )
    ratio = (x + beta)[:, None] / (np.where(np.isinf(other), 1, other) - beta[:, None])
    return np.where(np.isinf(other), 1.0, ratio)


def last_token_excess(vocab_size: int, lengths: np.ndarray, x: float, beta: float) -> np.ndarray:
    """δ_last − δ_other = β(x+β)(s−2)/((x−β)Z), Z = 1 + (s−1)(x+β)/(x−β) (Prop. 10).

    For uniform x and the attention that balances lengths 1 and 2: β != 0 shows from length 3 on.
    """
    check(vocab_size, lengths)
    require(np.abs(beta) < np.asarray(x), "balance at lengths 1 and 2 needs -x < beta < x")
    s = np.asarray(lengths, dtype=float)
    total = 1 + (s - 1) * (x + beta) / (x - beta)
    return np.where(s == 1, 0.0, beta * (x + beta) * (s - 2) / ((x - beta) * total))


def critical_length(
    x: np.ndarray | float, b: np.ndarray | float, self_weight: np.ndarray | float = 1.0
) -> np.ndarray | float:
    """s* = 1 + A(x/b − 1): with β = −b < 0 the last token is displaced iff s < s* (Prop. 10).

    Uniform x, attention weight A of the last token to itself, 1 to the others. Uniform attention:
    x/b. The attention that balances length 2, A = (x+b)/(x−b): 2 + x/b.
    """
    x, b, A = (np.asarray(value, dtype=float) for value in (x, b, self_weight))
    require((x > 0) & (b > 0) & (A > 0), "needs x > 0, b = -beta > 0 and A > 0")
    return plain(1 + A * (x / b - 1))


def is_last_displaced(
    x: np.ndarray, beta: np.ndarray, weights: np.ndarray, members: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Whether δ_last > 0, bool (N,), for any x, attention and β_ℓ < 0 (Prop. 10).

    w_ℓ x_ℓ > b_ℓ, that is Σ_{j≠ℓ} a[ℓ,j] < a[ℓ,ℓ] (x_ℓ/b_ℓ − 1); with `balanced_attention` this is
    Σ_{j≠ℓ} 1/(x_j + b_ℓ) < 1/b_ℓ, where x_ℓ drops out. members is bool (N, V).
    """
    b = -np.asarray(beta)[last]
    require(b > 0, "the criterion is about last tokens with beta < 0")
    own = weights[last, last]
    others = (weights[last] * members).sum(axis=1) - own
    return others < own * (np.asarray(x)[last] / b - 1)


def first_failing_lengths(
    x: np.ndarray, beta: np.ndarray, weights: np.ndarray, sink: float | np.ndarray = 0.0
) -> np.ndarray:
    """For each token ℓ, the first length with a context that ends in ℓ and has δ_ℓ <= 0 (Prop. 10).

    By putting the tokens that attract most attention first; inf if there is none up to V−1.
    weights is a (V, V), sink the weight of a sink in each row.
    """
    x, beta = np.asarray(x, dtype=float), np.asarray(beta, dtype=float)
    own = np.diagonal(weights)
    others = np.where(np.eye(len(x), dtype=bool), 0.0, weights)
    largest = -np.sort(-others, axis=1)[:, : len(x) - 2]
    before = np.concatenate([np.zeros((len(x), 1)), np.cumsum(largest, axis=1)], axis=1)
    share = own[:, None] / (own[:, None] + before + np.broadcast_to(sink, own.shape)[:, None])
    fails = share * x[:, None] + beta[:, None] <= 0  # (V, V−1), lengths 1..V−1
    return np.where(fails.any(axis=1), fails.argmax(axis=1) + 1.0, np.inf)
