"""Closed forms for set complement: what a model must do at every length, without running it.

Setting: V tokens, a context of s distinct tokens, 1 <= s <= V−1, the last one ℓ. The *displacement*
δ_i of a seen token i is the common logit of the absent tokens minus the logit of i. The models
here are *standard form with uniform x and uniform attention*: all absent logits agree, and

    δ_i = x/s for the seen tokens before the last,   δ_ℓ = x/s + β for the last one.

x is the strength of the OV circuit, β that of the direct path. docs/theory.md derives all of it.
Everything works on arrays of lengths and raises TheoryError outside its hypotheses.
"""

from math import comb, log
from typing import NamedTuple

import numpy as np

from gamecircuits.errors import GamecircuitsError


class TheoryError(GamecircuitsError):
    """A formula was asked for values that its theorem does not cover."""


class Displacements(NamedTuple):
    """δ at each length: `others` for the seen tokens before the last (moot at length 1), `last`."""

    others: np.ndarray
    last: np.ndarray


def _check(
    vocab_size: int, lengths: np.ndarray | None = None, max_illegal_rate: float = 0.5
) -> None:
    if vocab_size < 2:
        raise TheoryError(f"vocab_size = {vocab_size}: the theory needs at least 2 tokens")
    if lengths is not None and (np.min(lengths) < 1 or np.max(lengths) >= vocab_size):
        raise TheoryError(f"lengths must lie in 1..{vocab_size - 1}, not {np.asarray(lengths)}")
    if not 0 < max_illegal_rate < 1:
        raise TheoryError(
            f"max_illegal_rate = {max_illegal_rate} must lie strictly between 0 and 1"
        )


def count_contexts(vocab_size: int, length: int | None = None) -> int:
    """Contexts (set, last token): s·C(V, s) at one length, V·2^(V−1) − V at all of 1..V−1."""
    if length is None:
        return vocab_size * 2 ** (vocab_size - 1) - vocab_size
    return length * comb(vocab_size, length)


def standard_form_displacements(
    vocab_size: int, lengths: np.ndarray, x: float, beta: float = 0.0
) -> Displacements:
    """δ = x/s, and x/s + β for the last token: uniform attention spreads x over s tokens."""
    _check(vocab_size, lengths)
    others = x / np.asarray(lengths, dtype=float)
    return Displacements(others, others + beta)


def attention_norm_displacements(
    vocab_size: int, lengths: np.ndarray, gain: float
) -> Displacements:
    """δ = g √(V / (s (V−s))), when the head's output is divided by its norm and multiplied by g.

    Symmetric under s ↔ V−s: the norm of the mean of s of V simplex vectors falls like
    √((V−s)/(V s)), so dividing by it undoes the dispersion ("resharpens").
    """
    _check(vocab_size, lengths)
    s = np.asarray(lengths, dtype=float)
    delta = gain * np.sqrt(vocab_size / (s * (vocab_size - s)))
    return Displacements(delta, delta)


def x_min(vocab_size: int, max_illegal_rate: float, beta: float = 0.0) -> float:
    """Smallest x >= 0 whose illegal token rate is at most ε at every length; worst is s = V−1.

    (V−1) ln((V−2+e^−β)(1−ε)/ε), since s ↦ e^(−x/s) (s−1+e^−β)/(V−s) increases.
    """
    _check(vocab_size, max_illegal_rate=max_illegal_rate)
    odds = max_illegal_rate / (1 - max_illegal_rate)
    return max(0.0, (vocab_size - 1) * log((vocab_size - 2 + np.exp(-beta)) / odds))


def gain_min(vocab_size: int, max_illegal_rate: float) -> float:
    """Smallest gain >= 0 of the attention norm whose illegal token rate is <= ε at every length.

    max over s of √(s (V−s)/V) · ln(s (1−ε) / ((V−s) ε)): grows like √V, x_min like V ln V.
    """
    _check(vocab_size, max_illegal_rate=max_illegal_rate)
    s = np.arange(1, vocab_size, dtype=float)
    needed = np.log(s * (1 - max_illegal_rate) / ((vocab_size - s) * max_illegal_rate))
    return max(0.0, float(np.max(np.sqrt(s * (vocab_size - s) / vocab_size) * needed)))


def metrics_from_displacements(
    vocab_size: int, lengths: np.ndarray, displacements: Displacements
) -> dict[str, np.ndarray]:
    """Every metric of gamecircuits.metrics at every length, for uniform absent logits.

    With Q = Σ_i e^(−δ_i) / (V−s): illegal token rate = total variation = Q/(1+Q), KL = ln(1+Q).
    All but the top-1 follow by substitution; attention is uniform, so its entropy is ln s.
    """
    _check(vocab_size, lengths)
    s = np.asarray(lengths, dtype=float)
    others, last = np.broadcast_arrays(*displacements, s)[:2]
    odds = ((s - 1) * np.exp(-others) + np.exp(-last)) / (vocab_size - s)
    lowest = np.where(s > 1, np.minimum(others, last), last)
    num_tied = (s - 1) * (others == 0) + (last == 0)  # seen tokens level with the absent ones
    return {
        "illegal_token_rate": odds / (1 + odds),
        "total_variation": odds / (1 + odds),
        "kl_divergence": np.log1p(odds),
        "top1_legal": np.where(lowest < 0, 0.0, (vocab_size - s) / (vocab_size - s + num_tied)),
        "logit_gap": lowest,
        "displacement": ((s - 1) * others + last) / s,
        "imbalance": np.where(s > 1, np.abs(last - others), 0.0),
        "absent_spread": np.zeros_like(s),
        "attention_entropy": np.log(s),
    }
