"""Strength and gain that keep a promised illegal token rate."""

from typing import overload

import numpy as np
import scipy

from gamecircuits.theory.basics import check, plain, require
from gamecircuits.theory.displacement import Displacements


@overload
def x_min(
    vocab_size: int, max_illegal_rate: float, beta: float = 0.0, longest: int | None = None
) -> float: ...
@overload
def x_min(
    vocab_size: int,
    max_illegal_rate: np.ndarray | float,
    beta: np.ndarray | float = 0.0,
    longest: int | None = None,
) -> np.ndarray | float: ...
def x_min(
    vocab_size: int,
    max_illegal_rate: np.ndarray | float,
    beta: np.ndarray | float = 0.0,
    longest: int | None = None,
) -> np.ndarray | float:
    """Smallest x >= 0 with an illegal token rate <= ε at all lengths to `longest` (Prop. 15).

    s ln((s−1+e^−β)(1−ε)/((V−s)ε)) at s = longest, V−1 by default, since the odds of an illegal
    token, e^(−x/s)(s−1+e^−β)/(V−s), increase. Uniform x and attention; the last token is displaced
    by β more, of either sign.
    """
    s = vocab_size - 1 if longest is None else longest
    check(vocab_size, np.array(s), max_illegal_rate)
    rate = np.asarray(max_illegal_rate, dtype=float)
    others = np.log(s - 1) if s > 1 else -np.inf
    seen = np.logaddexp(others, -np.asarray(beta, dtype=float))
    return plain(np.maximum(0.0, s * (seen - np.log(vocab_size - s) - scipy.special.logit(rate))))


@overload
def gain_min(vocab_size: int, max_illegal_rate: float, embedding_ratio: float = 0.0) -> float: ...
@overload
def gain_min(
    vocab_size: int, max_illegal_rate: np.ndarray, embedding_ratio: float = 0.0
) -> np.ndarray: ...
def gain_min(
    vocab_size: int, max_illegal_rate: np.ndarray | float, embedding_ratio: float = 0.0
) -> np.ndarray | float:
    """Smallest gain >= 0 of a norm with an illegal token rate <= ε at every length (Prop. 23, 24).

    max over s of √(s + (ρ²−1/V)s²) ln(s(1−ε)/((V−s)ε)); ρ = 0, the norm of the attention output
    alone, grows like √V, where x_min grows like V ln V.
    """
    check(vocab_size, max_illegal_rate=max_illegal_rate)
    s = np.arange(1, vocab_size)
    rate = np.asarray(max_illegal_rate, dtype=float)[..., None]
    needed = np.log(s / (vocab_size - s) * (1 - rate) / rate)
    per_gain = residual_norm_displacements(vocab_size, s, 1.0, embedding_ratio).last
    return plain(np.maximum(0.0, np.max(needed / per_gain, axis=-1)))


def gain_min_bound(max_illegal_rate: float) -> float:
    """The limit of gain_min/√V, never exceeded: 1/sinh(u/2), (L+u) tanh(u/2) = 2 (Prop. 23).

    L = ln((1−ε)/ε). As the gain of an RMS norm over V−1 dimensions: independent of V.
    """
    check(2, max_illegal_rate=max_illegal_rate)
    odds = np.log((1 - max_illegal_rate) / max_illegal_rate)
    low, high = max(0.0, -odds), max(0.0, -odds) + 50.0
    for _ in range(200):  # the left side increases where L + u > 0
        middle = (low + high) / 2
        if (odds + middle) * np.tanh(middle / 2) < 2:
            low = middle
        else:
            high = middle
    return float(1 / np.sinh(low / 2))


def attention_norm_displacements(
    vocab_size: int, lengths: np.ndarray, gain: float
) -> Displacements:
    """δ = g √(V / (s (V−s))), when the head's output is divided by its norm, times g (Prop. 23).

    Symmetric under s ↔ V−s: the norm of the mean of s of V simplex vectors falls like
    √((V−s)/(V s)), so dividing by it undoes the dispersion ("resharpens").
    """
    return residual_norm_displacements(vocab_size, lengths, gain, 0.0)


def residual_norm_displacements(
    vocab_size: int, lengths: np.ndarray, gain: float, embedding_ratio: float
) -> Displacements:
    """δ = g / √(s + (ρ²−1/V)s²), when the whole residual stream is normalised (Prop. 24).

    ρ = ‖embedding‖/x. ρ = 0 is the attention norm; ρ → ∞ the 1/s law again.
    """
    check(vocab_size, lengths)
    require(embedding_ratio >= 0, f"embedding_ratio = {embedding_ratio} must not be negative")
    s = np.asarray(lengths, dtype=float)
    delta = gain / np.sqrt(s * (vocab_size - s) / vocab_size + (embedding_ratio * s) ** 2)
    return Displacements(delta, delta)
