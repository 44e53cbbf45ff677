"""Fewer dimensions than V−1: floors that no model gets below."""

import numpy as np
import scipy

from gamecircuits.theory.basics import check, decompose_off_diagonal, require
from gamecircuits.theory.laws import _hypergeometric


def untrained_kl(vocab_size: int, lengths: np.ndarray | int) -> np.ndarray:
    """ln(V/(V−s)): KL of equal logits (Prop. 14)."""
    check(vocab_size, lengths)
    return np.log(vocab_size / (vocab_size - np.asarray(lengths, dtype=float)))


def kl_floor(vocab_size: int, width: int) -> float:
    """Mean KL at length 1 is at least (1 − d/(V−1)) ln(V/(V−1)) at width d (Thm. 16), V >= 3.

    For any architecture whose last layer is linear, without bias.
    """
    check(vocab_size, smallest=3)
    require(width >= 0, f"width = {width} must not be negative")
    return max(0.0, 1 - width / (vocab_size - 1)) * float(untrained_kl(vocab_size, 1))


def kl_floor_by_length(
    vocab_size: int, lengths: np.ndarray, width: int | None = None, d_v: int | None = None
) -> np.ndarray:
    """Mean KL at length s is at least (1 − d/(V−s))₊ ln(1 + 1/(V−s)) (Cor. 17).

    For any model of width d; and, with d_v + 1 in place of d, at s >= 2 for models of this
    architecture. 0 at s = V−1, and where nothing is given.
    """
    check(vocab_size, lengths, smallest=3)
    for name, value in (("width", width), ("d_v", d_v)):
        require(value is None or value >= 0, f"{name} = {value} must not be negative")
    s = np.asarray(lengths, dtype=float)
    absent = vocab_size - s
    floor = np.zeros_like(s)
    if width is not None:
        floor = np.maximum(floor, 1 - width / absent)
    if d_v is not None:
        floor = np.maximum(floor, np.where(s >= 2, 1 - (d_v + 1) / absent, 0))
    return np.where(s <= vocab_size - 2, floor, 0.0) * np.log1p(1 / absent)


def total_variation_floor(vocab_size: int, width: int) -> float:
    """Mean TV at length 1 is at least ((1−1/e)/2)(V−1−d)/(V(V−1)) at width d (Thm. 18)."""
    check(vocab_size, smallest=3)
    require(width >= 0, f"width = {width} must not be negative")
    n = vocab_size - 1
    return (1 - np.exp(-1)) / 2 * max(0, n - width) / (vocab_size * n)


def block_limits(
    vocab_size: int, lengths: np.ndarray, num_handled: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean TV and KL when m tokens are handled perfectly and V−m ignored (Prop. 19).

    E[(s−h)/(V−h)] and E[ln((V−h)/(V−s))] for h hypergeometric (V, m, s).
    """
    check(vocab_size, lengths)
    require(0 <= num_handled <= vocab_size, f"num_handled = {num_handled} exceeds the vocabulary")
    s, h = np.asarray(lengths)[..., None], np.arange(num_handled + 1)
    share = _hypergeometric(h, vocab_size, num_handled, s)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (s - h) / (vocab_size - h), np.log((vocab_size - h) / (vocab_size - s))
    possible = share > 0
    variation, kl = ((share * np.where(possible, value, 0)).sum(axis=-1) for value in values)
    return variation, kl


def coherence_bound(vocab_size: int, lengths: np.ndarray, x: float, coherence: float) -> np.ndarray:
    """TV <= R + (1−R) tanh(xμ/2) in every context, where (2s−1)μ < 1; else NaN (Prop. 20a).

    D = −xG with the Gram matrix G of unit vectors, uniform attention, no direct path;
    R = s e^−g/(s e^−g + V−s), g = x(1−(2s−1)μ)/s.
    """
    check(vocab_size, lengths)
    require(0 <= coherence <= 1 + 1e-9, f"coherence = {coherence} must lie in 0..1")
    require(x >= 0, f"x = {x} must not be negative")
    s = np.asarray(lengths, dtype=float)
    margin = 1 - (2 * s - 1) * coherence
    odds = s * np.exp(-x * margin / s) / (vocab_size - s)
    rate = odds / (1 + odds)
    return np.where(margin > 0, rate + (1 - rate) * np.tanh(x * coherence / 2), np.nan)


def frame_kl_bound(vocab_size: int, lengths: np.ndarray, x: float, d: int) -> np.ndarray:
    """E KL <= x²/(2sd) + ln(1 + s/(V−s) e^(−x/s − x²/(2s²d))) over random signs (Prop. 20b)."""
    check(vocab_size, lengths)
    require(d >= 1 and x >= 0, f"needs d >= 1 and x >= 0, not d = {d}, x = {x}")
    s = np.asarray(lengths, dtype=float)
    exponent = -x / s - x**2 / (2 * s**2 * d)
    return x**2 / (2 * s * d) + np.log1p(s / (vocab_size - s) * np.exp(exponent))


def absent_variance(ov: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mean over contexts of the variance of the absent logits, for any D (Prop. 20c), V >= 4.

    Uniform attention, and the column part of D cancelled by the direct path, s <= V−2:
    (V−1−s)/(s(V−2)) [σ² − (s−1)(σ²+τ)/((V−s)(V−3))], σ² = mean rest_ik², τ = mean rest_ik rest_ki.
    """
    V = len(ov)
    check(V, lengths, smallest=4)
    require(np.asarray(lengths) <= V - 2, "variance among absent tokens needs two of them")
    rest = decompose_off_diagonal(ov).rest
    pairs = V * (V - 1)
    square, twin = (rest**2).sum() / pairs, (rest * rest.T).sum() / pairs
    s = np.asarray(lengths, dtype=float)
    inner = square - (s - 1) * (square + twin) / ((V - s) * (V - 3))
    return (V - 1 - s) / (s * (V - 2)) * inner


def generalized_welch_bound(vocab_size: int, d: int) -> float:
    """mean rest_ij²/(x_i x_j) >= (V−d−2)/((d+2)(V−1)) for D of rank d with x > 0 (Prop. 20c)."""
    check(vocab_size)
    require(d >= 0, f"rank d = {d} must not be negative")
    return max(0.0, (vocab_size - d - 2) / ((d + 2) * (vocab_size - 1)))


def truncation_fraction(kept: np.ndarray) -> np.ndarray:
    """Part of the KL that is left for a token of which the fraction π is kept (Prop. 20d).

    min over Y of e^−Y + ½Y²(1−π)/π = e^−Y (1+Y/2), Y e^Y = π/(1−π). Second order, s ≪ V.
    """
    kept = np.asarray(kept, dtype=float)
    require((kept >= 0) & (kept <= 1), "the fraction kept lies in 0..1")
    with np.errstate(divide="ignore", invalid="ignore"):
        Y = np.real(scipy.special.lambertw(kept / (1 - kept)))
        return np.where(kept == 1, 0.0, np.exp(-Y) * (1 + Y / 2))
