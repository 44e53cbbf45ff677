"""Metrics that follow from displacements (Proposition 14)."""

from typing import NamedTuple

import numpy as np
import scipy  # which loads its parts where they are first used

from gamecircuits.theory.basics import check, require
from gamecircuits.theory.displacement import Displacements


class ContextClasses(NamedTuple):
    """Contexts that theory treats alike, at L lengths, C classes of contexts, G groups of tokens.

    Attributes:
        share: (L, C), of the contexts of this length; sums to 1 over classes.
        counts: (L, C, G), how many of the seen tokens are in each group; sums to s over groups.
        displacements: (L, C, G).
    """

    share: np.ndarray
    counts: np.ndarray
    displacements: np.ndarray


class Law(NamedTuple):
    """What theory says of a metric over all contexts, at each length; NaN where it does not."""

    mean: np.ndarray
    min: np.ndarray
    max: np.ndarray


def single_class(lengths: np.ndarray, displacements: Displacements) -> ContextClasses:
    """All contexts of a length alike: s−1 tokens before the last, and the last."""
    s = np.atleast_1d(np.asarray(lengths, dtype=float))
    others, last = np.broadcast_arrays(*displacements, s)[:2]
    counts, delta = np.stack([s - 1, np.ones_like(s)], -1), np.stack([others, last], -1)
    return ContextClasses(np.ones((len(s), 1)), counts[:, None], delta[:, None])


def _log_choose(n: np.ndarray | int, k: np.ndarray) -> np.ndarray:
    """Logarithm of the binomial coefficient; −inf outside 0..n."""
    inside = (k >= 0) & (k <= n)
    k = np.where(inside, k, 0)
    gammaln = scipy.special.gammaln
    logarithm = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return np.where(inside, logarithm, -np.inf)


def _hypergeometric(h: np.ndarray, total: int, special: int, drawn: np.ndarray) -> np.ndarray:
    """Probability that h of the `drawn` of `total` tokens are among the special ones."""
    ways = _log_choose(special, h) + _log_choose(total - special, drawn - h)
    return np.exp(ways - _log_choose(total, drawn))


def two_kinds(
    vocab_size: int, num_special: int, lengths: np.ndarray, displacements
) -> ContextClasses:
    """Classes for tokens of two kinds, by how many special ones are seen and the last one's kind.

    Args:
        num_special: m; how many of s seen tokens are special is hypergeometric.
        displacements: function of s, the number h of special ones and whether the last one is
            special, to δ of (special, ordinary, last); broadcasts.
    """
    s = np.asarray(lengths)[:, None]  # (L, 1)
    h = np.repeat(np.arange(num_special + 1), 2)[None]  # (1, C)
    is_last = np.tile([False, True], num_special + 1)[None]
    share = _hypergeometric(h, vocab_size, num_special, s) * np.where(is_last, h, s - h) / s
    h, is_last, s = np.broadcast_arrays(h, is_last, s)
    with np.errstate(divide="ignore", invalid="ignore"):
        delta = np.stack(np.broadcast_arrays(*displacements(s, h, is_last)), -1)
    counts = np.stack([h - is_last, s - h - ~is_last, np.ones_like(s)], -1)
    possible = share > 0  # impossible classes get harmless values
    return ContextClasses(
        share, np.where(possible[..., None], counts, 0), np.where(possible[..., None], delta, 1.0)
    )


def illegal_log_odds(
    vocab_size: int, lengths: np.ndarray, displacements: Displacements
) -> np.ndarray:
    """ln Q, Q = Σ_i e^(−δ_i)/(V−s): odds of a seen token against an absent one (Prop. 14)."""
    check(vocab_size, lengths)
    s = np.asarray(lengths, dtype=float)
    others, last, s = np.broadcast_arrays(*displacements, s)
    delta, counts = np.stack([others, last]), np.stack([s - 1, np.ones_like(s)])
    return _log_odds(np.where(counts > 0, delta, 0.0), counts, vocab_size - s, axis=0)


def _log_odds(delta: np.ndarray, counts: np.ndarray, absent: np.ndarray, axis: int) -> np.ndarray:
    return scipy.special.logsumexp(-delta, b=counts, axis=axis) - np.log(absent)


def illegal_rate(vocab_size: int, lengths: np.ndarray, displacements: Displacements) -> np.ndarray:
    """Q/(1+Q): illegal token rate, and total variation, of uniform absent logits (Prop. 14)."""
    return scipy.special.expit(illegal_log_odds(vocab_size, lengths, displacements))


def kl_divergence(vocab_size: int, lengths: np.ndarray, displacements: Displacements) -> np.ndarray:
    """ln(1+Q), in nats, of uniform absent logits (Prop. 14)."""
    return np.logaddexp(0, illegal_log_odds(vocab_size, lengths, displacements))


def laws_from_classes(
    vocab_size: int, lengths: np.ndarray, classes: ContextClasses, entropy: np.ndarray
) -> dict[str, Law]:
    """Every metric at every length, for uniform absent logits (Prop. 14).

    With Q = Σ_i e^(−δ_i) / (V−s): illegal token rate = total variation = Q/(1+Q), KL = ln(1+Q).

    Args:
        entropy: of attention, (L,) or, if it differs between classes, (L, C).
    """
    check(vocab_size, lengths)
    share, counts, delta = classes
    s = np.asarray(lengths, dtype=float)[:, None]
    absent = vocab_size - s
    log_odds = _log_odds(delta, counts, absent, axis=-1)
    lowest = np.where(counts > 0, delta, np.inf).min(axis=-1)
    highest = np.where(counts > 0, delta, -np.inf).max(axis=-1)
    num_tied = (counts * (delta == 0)).sum(axis=-1)  # seen tokens level with the absent ones
    with np.errstate(invalid="ignore"):
        values = {
            "illegal_token_rate": scipy.special.expit(log_odds),
            "total_variation": scipy.special.expit(log_odds),
            "kl_divergence": np.logaddexp(0, log_odds),
            "top1_legal": np.where(lowest < 0, 0.0, absent / (absent + num_tied)),
            "logit_gap": lowest,
            "displacement": (counts * delta).sum(axis=-1) / s,
            "imbalance": highest - lowest,
            "absent_spread": np.zeros_like(log_odds),
            "attention_entropy": np.broadcast_to(
                entropy if np.ndim(entropy) == 2 else np.asarray(entropy)[:, None], log_odds.shape
            ),
        }
    laws = {}
    for metric, found in values.items():
        possible = share > 0
        mean = (share * np.where(possible, found, 0)).sum(axis=1)
        low = np.where(possible, found, np.inf).min(axis=1)
        high = np.where(possible, found, -np.inf).max(axis=1)
        laws[metric] = Law(np.clip(mean, low, high), low, high)  # a mean of equals is that value
    return laws


def attention_entropy(
    vocab_size: int, lengths: np.ndarray, self_weight: float = 1.0, sink: float = 0.0
) -> np.ndarray:
    """Entropy of attention in nats, the sink's share included; ln s if attention is uniform."""
    check(vocab_size, lengths)
    require(self_weight > 0 and sink >= 0, "attention weights must be positive, a sink's >= 0")
    total = self_weight + (np.asarray(lengths, dtype=float) - 1) + sink
    xlogy = scipy.special.xlogy
    return np.log(total) - (xlogy(self_weight, self_weight) + xlogy(sink, sink)) / total
