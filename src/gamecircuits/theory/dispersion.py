"""Dispersion, and what escapes it: norms and dropout."""

import numpy as np
import scipy

from gamecircuits.theory.basics import centering, check, require
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.laws import _log_choose, illegal_rate, kl_divergence


def illegal_rate_floor(vocab_size: int, lengths: np.ndarray, delta_1: float) -> np.ndarray:
    """Lower bound of the illegal token rate for uniform x and any attention (Thm. 21).

    It is s e^(−δ₁/s)/(s e^(−δ₁/s) + V−s); δ₁ = x + β_ℓ > 0 is the displacement at length 1. The
    rate is equal to it iff the context is balanced.
    """
    require(np.asarray(delta_1) > 0, "needs a positive displacement at length 1")
    mean = delta_1 / np.asarray(lengths, dtype=float)
    return illegal_rate(vocab_size, lengths, Displacements(mean, mean))


def mean_strengths(ov: np.ndarray, direct: np.ndarray) -> tuple[float, float]:
    """x̄ = −⟨P, D⟩/(V−1) and β̄ = −⟨P, B⟩/(V−1): what is left after symmetrisation (Thm. 22)."""
    V = len(ov)
    check(V)
    P = centering(V)
    return float(-(P * ov).sum() / (V - 1)), float(-(P * direct).sum() / (V - 1))


def symmetrised_kl_floor(
    vocab_size: int, lengths: np.ndarray, mean_x: float, mean_beta: float
) -> np.ndarray:
    """Mean KL >= ln(1 + [(s−1)e^(−x̄/s) + e^(−x̄/s−β̄)]/(V−s)) for any D and B (Thm. 22).

    Uniform attention; equality for D = −x̄P, B = −β̄P.
    """
    law = standard_form_displacements(vocab_size, lengths, mean_x, mean_beta)
    return kl_divergence(vocab_size, lengths, law)


def largest_mean_x(vocab_size: int, norm: str, budget: float) -> float:
    """Largest x̄ with ‖D‖ <= N, attained by D = −x̄P (Thm. 22).

    N for the operator norm, N/√(V−1) for Frobenius, N/(V−1) for the nuclear norm.
    """
    check(vocab_size)
    n = vocab_size - 1
    divisors = {"operator": 1.0, "frobenius": np.sqrt(n), "nuclear": float(n)}
    require(norm in divisors, f"norm = {norm!r}; known: {', '.join(divisors)}")
    return float(budget / divisors[norm])


# Dropout on attention weights with rate p; β = 0, uniform x and attention (Prop. 25).


def _check_dropout(vocab_size: int, lengths: np.ndarray, x: float, rate: float) -> np.ndarray:
    check(vocab_size, lengths)
    require(x >= 0, f"x = {x} must not be negative")
    require(0 <= rate < 1, f"dropout rate = {rate} must lie in [0, 1)")
    return np.asarray(lengths, dtype=float)


def dropout_displacement(
    vocab_size: int, lengths: np.ndarray, x: float, rate: float, renormalised: bool = False
) -> np.ndarray:
    """Mean displacement: x/s if weights are rescaled by 1/(1−p), (x/s)(1−p^s) if the scores are
    masked before the softmax, which renormalises (all dropped: nothing attended)."""
    s = _check_dropout(vocab_size, lengths, x, rate)
    return x / s * (1 - rate**s) if renormalised else x / s


def dropout_illegal_odds(vocab_size: int, lengths: np.ndarray, x: float, rate: float) -> np.ndarray:
    """Mean odds of an illegal token, s[p + (1−p)e^(−x/(s(1−p)))]/(V−s), weights rescaled."""
    s = _check_dropout(vocab_size, lengths, x, rate)
    return s * (rate + (1 - rate) * np.exp(-x / (s * (1 - rate)))) / (vocab_size - s)


def dropout_kl(vocab_size: int, lengths: np.ndarray, x: float, rate: float) -> np.ndarray:
    """Mean KL, over k dropped of s ~ Bin(s, p), weights rescaled. Its floor as x → ∞ is > 0:
    Σ_k Bin(k; s, p) ln(1 + (k + (s−k)e^(−x/(s(1−p))))/(V−s))."""
    s = _check_dropout(vocab_size, lengths, x, rate)[..., None]
    k = np.arange(int(np.max(s)) + 1)
    odds = (k + (s - k) * np.exp(-x / (s * (1 - rate)))) / (vocab_size - s)
    share = np.exp(_log_choose(s, k) + scipy.special.xlogy(k, rate) + (s - k) * np.log1p(-rate))
    return (share * np.log1p(np.where(k <= s, odds, 0))).sum(axis=-1)
