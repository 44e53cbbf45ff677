"""How far a model's next-token distribution is from uniform over the legal tokens, per context.

p is the softmax of the logits, q is uniform over the legal tokens. A logit may be −inf: the token
is masked, p = 0. NaN, +inf and a context with all tokens masked define no p and are refused, unless
the game is over.

Numbers that a context does not define are NaN. Without a legal token (the game is over) these are
all. Without an illegal one these are those that compare with illegal tokens. The difference of two
logits that are both −inf is NaN, and so is the entropy of attention of a model without attention.
What is defined may be infinite: KL if a legal token is masked; gap, displacement and spreads if one
of the two logits is −inf.

A metric is one entry of METRICS: everything else (tables, units, statistics) follows from it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gamecircuits.errors import GamecircuitsError


class Sums(NamedTuple):
    """What is summed over tokens: one number per context, (...). Logits, in nats, are counted from
    the context's highest; masses are sums of their exponentials."""

    num_legal: np.ndarray
    num_illegal: np.ndarray
    legal_mass: np.ndarray
    highest_legal: np.ndarray
    lowest_legal: np.ndarray
    legal_total: np.ndarray
    illegal_mass: np.ndarray
    highest_illegal: np.ndarray
    lowest_illegal: np.ndarray
    illegal_total: np.ndarray
    unevenness: np.ndarray  # sum of |p − q| over the legal tokens
    top_legal: np.ndarray  # share of legal ones among the tokens with the highest logit
    near_mass: np.ndarray  # legal_mass counted from the highest legal logit, where that is far
    attention_entropy: np.ndarray  # nats


class Parts(NamedTuple):
    """What metrics are made of, worked out once: one number per context, (...)."""

    mass: np.ndarray  # sum of exp(logit − highest logit): the inverse of the highest p
    illegal_rate: np.ndarray
    distance: np.ndarray  # sum of |p − q|
    top_legal: np.ndarray  # share of legal ones among the tokens with the highest logit
    log_odds: np.ndarray  # ln(1 + p of the illegal tokens / p of the legal ones)
    log_legal: np.ndarray  # ln of the mean exp(logit) of the legal tokens
    highest_legal: np.ndarray  # logits, nats, from the context's highest
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
        "probability", "softmax mass on illegal tokens", lambda c: c.illegal_rate
    ),
    "total_variation": Metric(
        "probability",
        "half the summed distance between p and q",
        lambda c: 0.5 * c.distance,
    ),
    "kl_divergence": Metric(
        "nats",
        "KL(q‖p), the loss in excess of the best possible",
        # Two parts, neither negative: what is illegal, and what is uneven among the legal tokens.
        lambda c: c.log_odds + np.fmax(c.log_legal - c.legal_mean, 0),
    ),
    "top1_legal": Metric(
        "probability",
        "the most likely token is legal; ties count by share",
        lambda c: c.top_legal,
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
    """Next-token distributions (..., V): the softmax of logits (..., V), −inf at masked tokens."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def context_metrics(
    logits: np.ndarray, legal: np.ndarray, entropy: np.ndarray | float = np.nan
) -> dict[str, np.ndarray]:
    """All metrics.

    Fastest when the vocabulary axis varies slowest in memory: pass the transpose of a (V, contexts)
    array.

    Args:
        logits: (..., V), −inf at masked tokens; GamecircuitsError where they define no p.
        legal: legal next tokens, bool (..., V).
        entropy: of the attention, nats (...), which is no function of the logits.

    Returns:
        one number per context, (...), for each metric by name, in the order of METRICS.
    """
    legal_share = legal.astype(logits.dtype)
    illegal_share = 1 - legal_share
    num_legal, num_illegal = legal_share.sum(axis=-1), illegal_share.sum(axis=-1)
    top = logits.max(axis=-1)
    _check(top, num_legal == 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # Differences from the highest logit keep their digits, however large all logits are.
        logits = logits - top[..., None]
        p = np.exp(logits)
        legal_mass, illegal_mass = _dot(p, legal_share), _dot(p, illegal_share)
        p /= (legal_mass + illegal_mass)[..., None]
        of_legal, of_illegal = _get_extremes(logits, legal_share, illegal_share)
        is_top = (logits == 0).astype(logits.dtype)
        near_mass = legal_mass
        if is_far(of_legal.highest).any():
            near = np.minimum(logits - of_legal.highest[..., None], 0)
            near_mass = _dot(np.exp(near), legal_share)
        p -= 1 / num_legal[..., None]
        sums = Sums(
            num_legal=num_legal,
            num_illegal=num_illegal,
            legal_mass=legal_mass,
            highest_legal=of_legal.highest,
            lowest_legal=of_legal.lowest,
            legal_total=of_legal.total,
            illegal_mass=illegal_mass,
            highest_illegal=of_illegal.highest,
            lowest_illegal=of_illegal.lowest,
            illegal_total=of_illegal.total,
            unevenness=_dot(np.abs(p, out=p), legal_share),
            top_legal=_dot(is_top, legal_share) / is_top.sum(axis=-1),
            near_mass=near_mass,
            attention_entropy=np.broadcast_to(np.asarray(entropy), num_legal.shape),
        )
    return metrics_from_sums(sums)


def is_far(highest_legal: np.ndarray) -> np.ndarray:
    """Where legal tokens are so unlikely that their mass loses its digits, given their highest
    logit, (...)."""
    far = np.log(np.finfo(highest_legal.dtype).tiny) / 2  # nats
    return np.isfinite(highest_legal) & (highest_legal < far)


def metrics_from_sums(sums: Sums) -> dict[str, np.ndarray]:
    """All metrics, (...), in the order of METRICS."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_odds = np.log1p(sums.illegal_mass / sums.legal_mass)
        log_mass = np.log(sums.legal_mass)
        far = is_far(sums.highest_legal)
        if far.any():
            log_far = sums.highest_legal + np.log(sums.near_mass)
            log_mass = np.where(far, log_far, log_mass)
            log_odds = np.where(far, np.log(sums.illegal_mass) - log_far, log_odds)
        mass = sums.legal_mass + sums.illegal_mass
        illegal_rate = sums.illegal_mass / mass
        parts = Parts(
            mass=mass,
            illegal_rate=illegal_rate,
            distance=illegal_rate + sums.unevenness,
            top_legal=sums.top_legal,
            log_odds=log_odds,
            log_legal=log_mass - np.log(sums.num_legal),
            highest_legal=sums.highest_legal,
            lowest_legal=sums.lowest_legal,
            legal_mean=sums.legal_total / sums.num_legal,
            highest_illegal=sums.highest_illegal,
            lowest_illegal=sums.lowest_illegal,
            illegal_mean=sums.illegal_total / sums.num_illegal,
            attention_entropy=sums.attention_entropy,
        )
        is_over, none_illegal = sums.num_legal == 0, sums.num_illegal == 0
        found = {name: metric.compute(parts) for name, metric in METRICS.items()}
        if not np.any(is_over | none_illegal):
            return found
        return {
            name: np.where(
                is_over | none_illegal if METRICS[name].needs_illegal else is_over, np.nan, values
            )
            for name, values in found.items()
        }


def _check(top: np.ndarray, is_over: np.ndarray) -> None:
    """Raise GamecircuitsError at the first context whose highest logit, (...), defines no p."""
    wrong = ~(np.isfinite(top) | is_over)
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        names = {np.inf: "one is +inf", -np.inf: "all are −inf"}
        found = names.get(float(top[place]), "one is NaN")
        raise GamecircuitsError(
            f"the logits of context {', '.join(map(str, place)) or 0} define no distribution: "
            f"{found}; allowed: finite numbers, and −inf for some tokens"
        )


class _Extremes(NamedTuple):
    """Highest and lowest logit of some tokens, and their sum: one number per context, (...)."""

    highest: np.ndarray
    lowest: np.ndarray
    total: np.ndarray


def _get_extremes(logits: np.ndarray, *shares: np.ndarray) -> list[_Extremes]:
    """For two classes of tokens, each 1 in one of `shares` (..., V), that are all tokens together.

    Adding a huge number takes tokens out of a minimum or maximum; np.where is ten times slower, and
    left to contexts with masked tokens.
    """
    huge = np.finfo(logits.dtype).max / 4
    found = []
    for share, other in (shares, shares[::-1]):
        hidden = other * huge
        highest, lowest = (logits - hidden).max(axis=-1), (logits + hidden).min(axis=-1)
        found.append(_Extremes(highest, lowest, _dot(logits, share)))
    if all((extremes.lowest > -huge / 2).all() for extremes in found):
        return found
    return [
        _Extremes(
            np.where(share, logits, -np.inf).max(axis=-1),
            np.where(share, logits, np.inf).min(axis=-1),
            np.where(share, logits, 0).sum(axis=-1),
        )
        for share in shares
    ]


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("...v,...v->...", left, right)


def attention_entropy(pattern: np.ndarray) -> np.ndarray:
    """Entropy in nats of each row of an attention pattern (..., L, L): (..., L)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(pattern > 0, pattern * np.log(pattern), 0.0).sum(axis=-1)
