"""How far a model's next-token distribution is from uniform over the legal tokens, per context.

p is the softmax of the logits, q is uniform over the legal tokens. Numbers that a context does not
define are NaN: all of them without a legal token (the game is over), those that compare with
illegal tokens without an illegal one, and the entropy of attention of a model without attention.
"""

import numpy as np

METRICS = {  # name: unit, meaning
    "illegal_token_rate": ("probability", "softmax mass on illegal tokens"),
    "total_variation": ("probability", "half the summed distance between p and q"),
    "kl_divergence": ("nats", "KL(q‖p), the loss in excess of the best possible"),
    "top1_legal": ("probability", "the most likely token is legal; ties count by share"),
    "logit_gap": ("nats", "lowest legal logit − highest illegal logit"),
    "displacement": ("nats", "mean legal logit − mean illegal logit"),
    "imbalance": ("nats", "highest − lowest illegal logit"),
    "absent_spread": ("nats", "highest − lowest legal logit"),
    "attention_entropy": ("nats", "entropy of the attention over positions"),
}


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Next-token distributions (..., V): the softmax of logits (..., V)."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def context_metrics(logits: np.ndarray, legal: np.ndarray) -> dict[str, np.ndarray]:
    """All metrics but the entropy of attention, which is no function of the logits.

    Fastest when the vocabulary axis varies slowest in memory: pass the transpose of a (V, contexts)
    array.

    Args:
        logits: (..., V).
        legal: legal next tokens, bool (..., V).

    Returns:
        one number per context, (...), for each metric by name.
    """
    legal_share = legal.astype(logits.dtype)
    illegal_share = 1 - legal_share
    num_legal, num_illegal = legal_share.sum(axis=-1), illegal_share.sum(axis=-1)
    # Adding a huge number takes tokens out of a minimum or maximum; np.where is ten times slower.
    huge = np.finfo(logits.dtype).max / 4
    off_legal, off_illegal = legal_share * huge, illegal_share * huge
    highest_legal = (logits - off_illegal).max(axis=-1)
    lowest_legal = (logits + off_illegal).min(axis=-1)
    highest_illegal = (logits - off_legal).max(axis=-1)
    lowest_illegal = (logits + off_legal).min(axis=-1)

    top = np.maximum(highest_legal, highest_illegal)
    p = np.exp(logits - top[..., None])
    total = p.sum(axis=-1)
    p /= total[..., None]
    is_top = (logits == top[..., None]).astype(logits.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = legal_share / num_legal[..., None]
        legal_mean = _dot(logits, legal_share) / num_legal
        illegal_mean = _dot(logits, illegal_share) / num_illegal
        found = {
            "illegal_token_rate": _dot(p, illegal_share),
            "total_variation": 0.5 * np.abs(p - q).sum(axis=-1),
            "kl_divergence": np.log(total) + top - legal_mean - np.log(num_legal),
            "top1_legal": _dot(is_top, legal_share) / is_top.sum(axis=-1),
            "logit_gap": lowest_legal - highest_illegal,
            "displacement": legal_mean - illegal_mean,
            "imbalance": highest_illegal - lowest_illegal,
            "absent_spread": highest_legal - lowest_legal,
        }
    is_over, none_illegal = num_legal == 0, num_illegal == 0
    for name, values in found.items():
        undefined = is_over
        if name in ("logit_gap", "displacement", "imbalance"):
            undefined = is_over | none_illegal
        found[name] = np.where(undefined, np.nan, values)
    return found


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("...v,...v->...", left, right)


def attention_entropy(pattern: np.ndarray) -> np.ndarray:
    """Entropy in nats of each row of an attention pattern (..., L, L): (..., L)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(pattern > 0, pattern * np.log(pattern), 0.0).sum(axis=-1)
