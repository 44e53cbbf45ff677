"""How far a model's next-token distribution is from uniform over the legal tokens, per context.

p is the softmax of the logits, q is uniform over the legal tokens. Numbers that a context does not
define are NaN: all of them without a legal token (the game is over), those that compare with
illegal tokens without an illegal one, and the entropy of attention of a model without attention.

A metric is one entry of METRICS: everything else (tables, units, statistics) follows from it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Parts(NamedTuple):
    """What metrics are made of, worked out once: arrays (..., V), or (...) with one per context."""

    p: np.ndarray  # (..., V)
    q: np.ndarray  # (..., V)
    legal_share: np.ndarray  # (..., V): 1 for legal tokens, 0 for others
    illegal_share: np.ndarray  # (..., V)
    is_top: np.ndarray  # (..., V): 1 for the tokens with the highest logit
    num_legal: np.ndarray
    log_total: np.ndarray  # logarithm of the sum of all exp(logit)
    highest_legal: np.ndarray  # logits, nats
    lowest_legal: np.ndarray
    legal_mean: np.ndarray
    highest_illegal: np.ndarray
    lowest_illegal: np.ndarray
    illegal_mean: np.ndarray
    attention_entropy: np.ndarray  # nats


class Metric(NamedTuple):
    """A number for every context.

    Attributes:
        unit, meaning: for tables and texts.
        compute: from Parts to an array (...).
        needs_illegal: whether it is defined only where a token is illegal.
    """

    unit: str
    meaning: str
    compute: Callable[[Parts], np.ndarray]
    needs_illegal: bool = False


METRICS = {
    "illegal_token_rate": Metric(  # ITR in the paper
        "probability", "softmax mass on illegal tokens", lambda c: _dot(c.p, c.illegal_share)
    ),
    "total_variation": Metric(
        "probability",
        "half the summed distance between p and q",
        lambda c: 0.5 * np.abs(c.p - c.q).sum(axis=-1),
    ),
    "kl_divergence": Metric(
        "nats",
        "KL(q‖p), the loss in excess of the best possible",
        lambda c: c.log_total - c.legal_mean - np.log(c.num_legal),
    ),
    "top1_legal": Metric(
        "probability",
        "the most likely token is legal; ties count by share",
        lambda c: _dot(c.is_top, c.legal_share) / c.is_top.sum(axis=-1),
    ),
    "logit_gap": Metric(
        "nats",
        "lowest legal logit − highest illegal logit",
        lambda c: c.lowest_legal - c.highest_illegal,
        needs_illegal=True,
    ),
    "displacement": Metric(
        "nats",
        "mean legal logit − mean illegal logit",
        lambda c: c.legal_mean - c.illegal_mean,
        needs_illegal=True,
    ),
    "imbalance": Metric(
        "nats",
        "highest − lowest illegal logit",
        lambda c: c.highest_illegal - c.lowest_illegal,
        needs_illegal=True,
    ),
    "absent_spread": Metric(
        "nats", "highest − lowest legal logit", lambda c: c.highest_legal - c.lowest_legal
    ),
    "attention_entropy": Metric(
        "nats", "entropy of the attention over positions", lambda c: c.attention_entropy
    ),
}


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Next-token distributions (..., V): the softmax of logits (..., V)."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def context_metrics(
    logits: np.ndarray, legal: np.ndarray, entropy: np.ndarray | float = np.nan
) -> dict[str, np.ndarray]:
    """All metrics.

    Fastest when the vocabulary axis varies slowest in memory: pass the transpose of a (V, contexts)
    array.

    Args:
        logits: (..., V).
        legal: legal next tokens, bool (..., V).
        entropy: of the attention, nats (...), which is no function of the logits.

    Returns:
        one number per context, (...), for each metric by name, in the order of METRICS.
    """
    legal_share = legal.astype(logits.dtype)
    illegal_share = 1 - legal_share
    num_legal, num_illegal = legal_share.sum(axis=-1), illegal_share.sum(axis=-1)
    # Adding a huge number takes tokens out of a minimum or maximum; np.where is ten times slower.
    huge = np.finfo(logits.dtype).max / 4
    off_legal, off_illegal = legal_share * huge, illegal_share * huge
    highest_legal = (logits - off_illegal).max(axis=-1)
    highest_illegal = (logits - off_legal).max(axis=-1)
    top = np.maximum(highest_legal, highest_illegal)
    p = np.exp(logits - top[..., None])
    total = p.sum(axis=-1)
    p /= total[..., None]
    is_over, none_illegal = num_legal == 0, num_illegal == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = Parts(
            p=p,
            q=legal_share / num_legal[..., None],
            legal_share=legal_share,
            illegal_share=illegal_share,
            is_top=(logits == top[..., None]).astype(logits.dtype),
            num_legal=num_legal,
            log_total=np.log(total) + top,
            highest_legal=highest_legal,
            lowest_legal=(logits + off_illegal).min(axis=-1),
            legal_mean=_dot(logits, legal_share) / num_legal,
            highest_illegal=highest_illegal,
            lowest_illegal=(logits + off_legal).min(axis=-1),
            illegal_mean=_dot(logits, illegal_share) / num_illegal,
            attention_entropy=np.asarray(entropy),
        )
        return {
            name: np.where(
                is_over | none_illegal if metric.needs_illegal else is_over,
                np.nan,
                metric.compute(parts),
            )
            for name, metric in METRICS.items()
        }


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("...v,...v->...", left, right)


def attention_entropy(pattern: np.ndarray) -> np.ndarray:
    """Entropy in nats of each row of an attention pattern (..., L, L): (..., L)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(pattern > 0, pattern * np.log(pattern), 0.0).sum(axis=-1)
