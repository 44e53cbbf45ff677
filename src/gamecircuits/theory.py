"""Closed forms for set complement: what a model must do at every length, without running it.

Setting: V tokens, a context of s distinct tokens, 1 <= s <= V−1, the last one ℓ. Attention weights
are w_i = a[ℓ,i] / Σ_k a[ℓ,k], the logits B[ℓ] + Σ_i w_i D[i] with the direct path B and the OV
circuit D. The *displacement* δ_i of a seen token i is the common logit of the absent tokens minus
the logit of i. A model is in *standard form* with strengths x of the OV circuit and β of the direct
path when

    D = −diag(x) + c1ᵀ + 1rᵀ,   B = −diag(β) + c'1ᵀ − 1rᵀ;   then   δ_i = w_i x_i + [i = ℓ] β_ℓ.

Every function names the statement of docs/theory.md that it comes from. All work on arrays of
lengths and raise TheoryError outside their hypotheses. P is I − 11ᵀ/V throughout, ITR the illegal
token rate, q the target and p the model.
"""

from math import comb
from typing import NamedTuple

import numpy as np
from scipy.special import expit, gammaln, lambertw, logit, logsumexp, xlogy

from gamecircuits.errors import GamecircuitsError


class TheoryError(GamecircuitsError):
    """A formula was asked for values that its theorem does not cover."""


def _require(holds: object, message: str) -> None:
    if not np.all(holds):
        raise TheoryError(message)


def _check(
    vocab_size: int,
    lengths: np.ndarray | None = None,
    max_illegal_rate: float = 0.5,
    smallest: int = 2,
) -> None:
    _require(
        vocab_size >= smallest and vocab_size == int(vocab_size),
        f"vocab_size = {vocab_size}: the theory needs at least {smallest} tokens",
    )
    if lengths is not None:
        values = np.asarray(lengths)
        _require(
            (values >= 1) & (values < vocab_size) & (values == np.floor(values)),
            f"lengths must lie in 1..{vocab_size - 1}, not {values}",
        )
    rates = np.asarray(max_illegal_rate)
    _require(
        (rates > 0) & (rates < 1),
        f"max_illegal_rate = {max_illegal_rate} must lie strictly between 0 and 1",
    )


def _plain(values: np.ndarray) -> np.ndarray | float:
    """A float for what came from scalars, else the array."""
    return float(values) if np.ndim(values) == 0 else values


def centering(vocab_size: int) -> np.ndarray:
    """P = I − 11ᵀ/V (V, V): removes what all tokens have in common."""
    return np.eye(vocab_size) - 1 / vocab_size


def count_contexts(vocab_size: int, length: int | None = None) -> int:
    """Contexts (set, last token): s·C(V, s) at one length, V·2^(V−1) − V at all of 1..V−1."""
    _check(vocab_size, length)
    V = int(vocab_size)  # numpy's integers would overflow
    return V * 2 ** (V - 1) - V if length is None else int(length) * comb(V, int(length))


# Displacements of exact models.


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
    _check(vocab_size, lengths)
    weights_allowed = (np.asarray(self_weight) > 0) & (np.asarray(sink) >= 0)
    _require(weights_allowed, "attention weights must be positive, a sink's >= 0")
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
    _require(np.asarray(x) != 0, "the conservation law needs x_i != 0 for every token")
    return 1 + (np.asarray(beta) / x)[last]


def harmonic_displacement(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Δ = 1/Σ_k (1/x_k) over the seen tokens, if the model is balanced at every length (Thm. 9).

    Like parallel resistors. Pass x = inf for absent tokens.
    """
    _require(np.asarray(x) > 0, "a balanced model has x > 0 for every token")
    return 1 / np.sum(1 / np.asarray(x, dtype=float), axis=axis)


def balanced_attention(x: np.ndarray, beta: np.ndarray | float = 0.0) -> np.ndarray:
    """The weights a (V, V), with a[i,i] = 1, that balance lengths 1 and 2 (Prop. 8).

    a[i,j] = (x_i + β_i)/(x_j − β_i); for β = 0 the weights g_i/x_j that balance every length.
    """
    x = np.asarray(x, dtype=float)
    beta = np.broadcast_to(np.asarray(beta, dtype=float), x.shape)
    other = np.where(np.eye(len(x), dtype=bool), np.inf, x[None, :])
    _require(
        np.isfinite(x) & (x > 0) & (-x < beta) & (beta < other.min(axis=1)),
        "balance at lengths 1 and 2 needs x > 0 and -x_i < beta_i < x_j for all j != i",
    )
    ratio = (x + beta)[:, None] / (np.where(np.isinf(other), 1, other) - beta[:, None])
    return np.where(np.isinf(other), 1.0, ratio)


def last_token_excess(vocab_size: int, lengths: np.ndarray, x: float, beta: float) -> np.ndarray:
    """δ_last − δ_other = β(x+β)(s−2)/((x−β)Z), Z = 1 + (s−1)(x+β)/(x−β) (Prop. 10).

    For uniform x and the attention that balances lengths 1 and 2: β != 0 shows from length 3 on.
    """
    _check(vocab_size, lengths)
    _require(np.abs(beta) < np.asarray(x), "balance at lengths 1 and 2 needs -x < beta < x")
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
    _require((x > 0) & (b > 0) & (A > 0), "needs x > 0, b = -beta > 0 and A > 0")
    return _plain(1 + A * (x / b - 1))


def is_last_displaced(
    x: np.ndarray, beta: np.ndarray, weights: np.ndarray, members: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Whether δ_last > 0, bool (N,), for any x, attention and β_ℓ < 0 (Prop. 10).

    w_ℓ x_ℓ > b_ℓ, that is Σ_{j≠ℓ} a[ℓ,j] < a[ℓ,ℓ] (x_ℓ/b_ℓ − 1); with `balanced_attention` this is
    Σ_{j≠ℓ} 1/(x_j + b_ℓ) < 1/b_ℓ, where x_ℓ drops out. members is bool (N, V).
    """
    b = -np.asarray(beta)[last]
    _require(b > 0, "the criterion is about last tokens with beta < 0")
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


# Widths.


class LeastWidths(NamedTuple):
    """The least widths of the residual stream, values, and queries and keys."""

    d: int
    d_v: int
    d_k: int


def least_widths(vocab_size: int, balanced: bool, uniform: bool = True) -> LeastWidths:
    """Widths that exact models need and reach (Cor. 4, Thm. 13, Prop. 12), V >= 4.

    Args:
        balanced: all displacements of a context equal, at every length; else only positive.
        uniform: equal x for all tokens. Without, a balanced model has to attend by 1/x, d_k = 1.
    """
    _check(vocab_size, smallest=4)
    n = vocab_size - 1
    return LeastWidths(2 * n if balanced else n, n, 0 if uniform or not balanced else 1)


def imbalance_floor(vocab_size: int, d: int, size: float) -> float:
    """√((n−k)/n) N^(−min(2, n/(n−k))), n = V−1, k = d−n: no imbalance is less (Thm. 13d).

    For D = −P and widths d = n..2n, with ‖W_E‖, ‖W_U‖ <= 1 and N = ‖W_V W_O‖, in operator norms.
    The imbalance is ‖PBP‖_F/√n, which is |β| if B = −βP. 0 from d = 2n on.
    """
    _check(vocab_size)
    n = vocab_size - 1
    _require(d >= n, f"d = {d}: D = -P needs at least V-1 = {n} dimensions")
    _require(size >= 1, f"size = {size}: D = -P needs weights of size 1")
    left = 2 * n - d  # n − k
    return 0.0 if left <= 0 else float((left / n) ** 0.5 * size ** -min(2.0, n / left))


def robust_rank_ratio(vocab_size: int) -> float:
    """(V²−2V+4)/(2V): if rank D <= V−2 then Δ₂ <= this times η (Thm. 5), V >= 3.

    η is the largest spread of absent logits at lengths 1 and 2, Δ₂ the least distance of the lowest
    absent logit to the one of the token before the last at length 2.
    """
    _check(vocab_size, smallest=3)
    return (vocab_size**2 - 2 * vocab_size + 4) / (2 * vocab_size)


# What lengths 1 and 2 certify (Thm. 7). w_ℓ and w_i are attention weights in the context.


def _at_least(smallest: int, lengths: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    s = np.asarray(lengths, dtype=float)
    _require(s >= smallest, f"lengths must be at least {smallest}, not {lengths}")
    # A rounding error above 1 is no mistake.
    _require([np.all((w >= 0) & (w <= 1 + 1e-9)) for w in weights], "attention lies in 0..1")
    return s


def certified_spread(lengths: np.ndarray, eta: float, last_weight: np.ndarray) -> np.ndarray:
    """Spread of absent logits at most (1 + 2(s−2)w_ℓ) η, s >= 2; η at length 1."""
    s = _at_least(1, lengths, last_weight)
    _require(np.asarray(eta) >= 0, "a spread is not negative")
    return eta * np.where(s == 1, 1.0, 1 + 2 * (s - 2) * last_weight)


def certified_displacement(
    lengths: np.ndarray,
    eta: float,
    delta_2: float,
    last_weight: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:
    """δ_i >= (w_i+w_ℓ)(Δ₂+η) − (1+2(s−2)w_ℓ)η for tokens before the last, s >= 2.

    With uniform attention (2/s)Δ₂ − (3−6/s)η.
    """
    s = _at_least(2, lengths, last_weight)
    return (weight + last_weight) * (delta_2 + eta) - (1 + 2 * (s - 2) * last_weight) * eta


def certified_last_displacement(
    lengths: np.ndarray, lowest_at_2: np.ndarray, highest_at_1: np.ndarray, last_weight: np.ndarray
) -> np.ndarray:
    """δ_ℓ >= (1+(s−2)w_ℓ) min_m δ_ℓ(m,ℓ) − (s−2)w_ℓ max δ_ℓ(ℓ), s >= 2."""
    s = _at_least(2, lengths, last_weight)
    return (1 + (s - 2) * last_weight) * lowest_at_2 - (s - 2) * last_weight * highest_at_1


# Metrics that follow from displacements (Prop. 14).


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


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Logarithm of the binomial coefficient; −inf outside 0..n."""
    inside = (k >= 0) & (k <= n)
    k = np.where(inside, k, 0)
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
    _check(vocab_size, lengths)
    s = np.asarray(lengths, dtype=float)
    others, last, s = np.broadcast_arrays(*displacements, s)
    delta, counts = np.stack([others, last]), np.stack([s - 1, np.ones_like(s)])
    return _log_odds(np.where(counts > 0, delta, 0.0), counts, vocab_size - s, axis=0)


def _log_odds(delta: np.ndarray, counts: np.ndarray, absent: np.ndarray, axis: int) -> np.ndarray:
    return logsumexp(-delta, b=counts, axis=axis) - np.log(absent)


def illegal_rate(vocab_size: int, lengths: np.ndarray, displacements: Displacements) -> np.ndarray:
    """Q/(1+Q): illegal token rate, and total variation, of uniform absent logits (Prop. 14)."""
    return expit(illegal_log_odds(vocab_size, lengths, displacements))


def kl_divergence(vocab_size: int, lengths: np.ndarray, displacements: Displacements) -> np.ndarray:
    """ln(1+Q), in nats, of uniform absent logits (Prop. 14)."""
    return np.logaddexp(0, illegal_log_odds(vocab_size, lengths, displacements))


def laws_from_classes(
    vocab_size: int, lengths: np.ndarray, classes: ContextClasses, entropy: np.ndarray
) -> dict[str, Law]:
    """Every metric of gamecircuits.metrics at every length, for uniform absent logits (Prop. 14).

    With Q = Σ_i e^(−δ_i) / (V−s): illegal token rate = total variation = Q/(1+Q), KL = ln(1+Q).

    Args:
        entropy: of attention, (L,) or, if it differs between classes, (L, C).
    """
    _check(vocab_size, lengths)
    share, counts, delta = classes
    s = np.asarray(lengths, dtype=float)[:, None]
    absent = vocab_size - s
    log_odds = _log_odds(delta, counts, absent, axis=-1)
    lowest = np.where(counts > 0, delta, np.inf).min(axis=-1)
    highest = np.where(counts > 0, delta, -np.inf).max(axis=-1)
    num_tied = (counts * (delta == 0)).sum(axis=-1)  # seen tokens level with the absent ones
    with np.errstate(invalid="ignore"):
        values = {
            "illegal_token_rate": expit(log_odds),
            "total_variation": expit(log_odds),
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
    _check(vocab_size, lengths)
    _require(self_weight > 0 and sink >= 0, "attention weights must be positive, a sink's >= 0")
    total = self_weight + (np.asarray(lengths, dtype=float) - 1) + sink
    return np.log(total) - (xlogy(self_weight, self_weight) + xlogy(sink, sink)) / total


# Strength and gain that keep a promised illegal token rate.


def x_min(
    vocab_size: int,
    max_illegal_rate: np.ndarray | float,
    beta: np.ndarray | float = 0.0,
    longest: int | None = None,
) -> np.ndarray | float:
    """Smallest x >= 0 whose ITR is at most ε at every length up to `longest` (Prop. 15).

    s ln((s−1+e^−β)(1−ε)/((V−s)ε)) at s = longest, V−1 by default, since the odds of an illegal
    token, e^(−x/s)(s−1+e^−β)/(V−s), increase. Uniform x and attention; the last token is displaced
    by β more, of either sign.
    """
    s = vocab_size - 1 if longest is None else longest
    _check(vocab_size, np.array(s), max_illegal_rate)
    rate = np.asarray(max_illegal_rate, dtype=float)
    others = np.log(s - 1) if s > 1 else -np.inf
    seen = np.logaddexp(others, -np.asarray(beta, dtype=float))
    return _plain(np.maximum(0.0, s * (seen - np.log(vocab_size - s) - logit(rate))))


def gain_min(
    vocab_size: int, max_illegal_rate: np.ndarray | float, embedding_ratio: float = 0.0
) -> np.ndarray | float:
    """Smallest gain >= 0 of a norm whose ITR is <= ε at every length (Prop. 23, 24).

    max over s of √(s + (ρ²−1/V)s²) ln(s(1−ε)/((V−s)ε)); ρ = 0, the norm of the attention output
    alone, grows like √V, where x_min grows like V ln V.
    """
    _check(vocab_size, max_illegal_rate=max_illegal_rate)
    s = np.arange(1, vocab_size)
    rate = np.asarray(max_illegal_rate, dtype=float)[..., None]
    needed = np.log(s / (vocab_size - s) * (1 - rate) / rate)
    per_gain = residual_norm_displacements(vocab_size, s, 1.0, embedding_ratio).last
    return _plain(np.maximum(0.0, np.max(needed / per_gain, axis=-1)))


def gain_min_bound(max_illegal_rate: float) -> float:
    """The limit of gain_min/√V, never exceeded: 1/sinh(u/2), (L+u) tanh(u/2) = 2 (Prop. 23).

    L = ln((1−ε)/ε). As the gain of an RMS norm over V−1 dimensions: independent of V.
    """
    _check(2, max_illegal_rate=max_illegal_rate)
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
    _check(vocab_size, lengths)
    _require(embedding_ratio >= 0, f"embedding_ratio = {embedding_ratio} must not be negative")
    s = np.asarray(lengths, dtype=float)
    delta = gain / np.sqrt(s * (vocab_size - s) / vocab_size + (embedding_ratio * s) ** 2)
    return Displacements(delta, delta)


# Fewer dimensions than V−1: floors that no model gets below.


def untrained_kl(vocab_size: int, lengths: np.ndarray) -> np.ndarray:
    """ln(V/(V−s)): KL of equal logits (Prop. 14)."""
    _check(vocab_size, lengths)
    return np.log(vocab_size / (vocab_size - np.asarray(lengths, dtype=float)))


def kl_floor(vocab_size: int, width: int) -> float:
    """Mean KL at length 1 is at least (1 − d/(V−1)) ln(V/(V−1)) at width d (Thm. 16), V >= 3.

    For any architecture whose last layer is linear, without bias.
    """
    _check(vocab_size, smallest=3)
    _require(width >= 0, f"width = {width} must not be negative")
    return max(0.0, 1 - width / (vocab_size - 1)) * float(untrained_kl(vocab_size, 1))


def kl_floor_by_length(
    vocab_size: int, lengths: np.ndarray, width: int | None = None, d_v: int | None = None
) -> np.ndarray:
    """Mean KL at length s is at least (1 − d/(V−s))₊ ln(1 + 1/(V−s)) (Cor. 17).

    For any model of width d; and, with d_v + 1 in place of d, at s >= 2 for models of this
    architecture. 0 at s = V−1, and where nothing is given.
    """
    _check(vocab_size, lengths, smallest=3)
    for name, value in (("width", width), ("d_v", d_v)):
        _require(value is None or value >= 0, f"{name} = {value} must not be negative")
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
    _check(vocab_size, smallest=3)
    _require(width >= 0, f"width = {width} must not be negative")
    n = vocab_size - 1
    return (1 - np.exp(-1)) / 2 * max(0, n - width) / (vocab_size * n)


def block_limits(
    vocab_size: int, lengths: np.ndarray, num_handled: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean TV and KL when m tokens are handled perfectly and V−m ignored (Prop. 19).

    E[(s−h)/(V−h)] and E[ln((V−h)/(V−s))] for h hypergeometric (V, m, s).
    """
    _check(vocab_size, lengths)
    _require(0 <= num_handled <= vocab_size, f"num_handled = {num_handled} exceeds the vocabulary")
    s, h = np.asarray(lengths)[..., None], np.arange(num_handled + 1)
    share = _hypergeometric(h, vocab_size, num_handled, s)
    with np.errstate(divide="ignore", invalid="ignore"):
        variation, kl = (s - h) / (vocab_size - h), np.log((vocab_size - h) / (vocab_size - s))
    possible = share > 0
    return tuple((share * np.where(possible, value, 0)).sum(axis=-1) for value in (variation, kl))


def welch_coherence(vocab_size: int, d: int) -> float:
    """μ >= √((V−d)/(d(V−1))) for V unit vectors in d dimensions; equal iff equiangular tight."""
    _require(d >= 1, f"d = {d} must be at least 1")
    return float(np.sqrt(max(0, vocab_size - d) / (d * (vocab_size - 1))))


def coherence_bound(vocab_size: int, lengths: np.ndarray, x: float, coherence: float) -> np.ndarray:
    """TV <= R + (1−R) tanh(xμ/2) in every context, where (2s−1)μ < 1; else NaN (Prop. 20a).

    D = −xG with the Gram matrix G of unit vectors, uniform attention, no direct path;
    R = s e^−g/(s e^−g + V−s), g = x(1−(2s−1)μ)/s.
    """
    _check(vocab_size, lengths)
    _require(0 <= coherence <= 1 + 1e-9, f"coherence = {coherence} must lie in 0..1")
    _require(x >= 0, f"x = {x} must not be negative")
    s = np.asarray(lengths, dtype=float)
    margin = 1 - (2 * s - 1) * coherence
    odds = s * np.exp(-x * margin / s) / (vocab_size - s)
    rate = odds / (1 + odds)
    return np.where(margin > 0, rate + (1 - rate) * np.tanh(x * coherence / 2), np.nan)


def frame_kl_bound(vocab_size: int, lengths: np.ndarray, x: float, d: int) -> np.ndarray:
    """E KL <= x²/(2sd) + ln(1 + s/(V−s) e^(−x/s − x²/(2s²d))) over random signs (Prop. 20b)."""
    _check(vocab_size, lengths)
    _require(d >= 1 and x >= 0, f"needs d >= 1 and x >= 0, not d = {d}, x = {x}")
    s = np.asarray(lengths, dtype=float)
    exponent = -x / s - x**2 / (2 * s**2 * d)
    return x**2 / (2 * s * d) + np.log1p(s / (vocab_size - s) * np.exp(exponent))


class Decomposition(NamedTuple):
    """M_ik = row_i + column_k + rest_ik off the diagonal; rest has zero row and column sums.

    column sums to zero; rest is zero on the diagonal.
    """

    row: np.ndarray
    column: np.ndarray
    rest: np.ndarray


def decompose_off_diagonal(matrix: np.ndarray) -> Decomposition:
    """Least-squares fit of a (V, V) matrix by row + column, the diagonal left out, V >= 2."""
    V = len(matrix)
    _check(V)
    off = np.array(matrix, dtype=float)
    _require(off.shape == (V, V), f"the matrix must be square, not of shape {off.shape}")
    np.fill_diagonal(off, 0.0)
    rows, columns, total = off.sum(axis=1), off.sum(axis=0), off.sum()
    column = np.zeros(V)
    if V > 2:  # with two tokens the rows alone fit everything
        column = ((V - 1) * columns + rows - total) / (V * (V - 2))
    row = (rows + column) / (V - 1)  # Σ_{k≠i} column_k = −column_i
    rest = off - row[:, None] - column
    np.fill_diagonal(rest, 0.0)
    return Decomposition(row, column, rest)


def absent_variance(ov: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mean over contexts of the variance of the absent logits, for any D (Prop. 20c), V >= 4.

    Uniform attention, and the column part of D cancelled by the direct path, s <= V−2:
    (V−1−s)/(s(V−2)) [σ² − (s−1)(σ²+τ)/((V−s)(V−3))], σ² = mean rest_ik², τ = mean rest_ik rest_ki.
    """
    V = len(ov)
    _check(V, lengths, smallest=4)
    _require(np.asarray(lengths) <= V - 2, "variance among absent tokens needs two of them")
    rest = decompose_off_diagonal(ov).rest
    pairs = V * (V - 1)
    square, twin = (rest**2).sum() / pairs, (rest * rest.T).sum() / pairs
    s = np.asarray(lengths, dtype=float)
    inner = square - (s - 1) * (square + twin) / ((V - s) * (V - 3))
    return (V - 1 - s) / (s * (V - 2)) * inner


def generalized_welch_bound(vocab_size: int, d: int) -> float:
    """mean rest_ij²/(x_i x_j) >= (V−d−2)/((d+2)(V−1)) for D of rank d with x > 0 (Prop. 20c)."""
    _check(vocab_size)
    _require(d >= 0, f"rank d = {d} must not be negative")
    return max(0.0, (vocab_size - d - 2) / ((d + 2) * (vocab_size - 1)))


def truncation_fraction(kept: np.ndarray) -> np.ndarray:
    """Part of the KL that is left for a token of which the fraction π is kept (Prop. 20d).

    min over Y of e^−Y + ½Y²(1−π)/π = e^−Y (1+Y/2), Y e^Y = π/(1−π). Second order, s ≪ V.
    """
    kept = np.asarray(kept, dtype=float)
    _require((kept >= 0) & (kept <= 1), "the fraction kept lies in 0..1")
    with np.errstate(divide="ignore", invalid="ignore"):
        Y = np.real(lambertw(kept / (1 - kept)))
        return np.where(kept == 1, 0.0, np.exp(-Y) * (1 + Y / 2))


# Dispersion and what escapes it.


def illegal_rate_floor(vocab_size: int, lengths: np.ndarray, delta_1: float) -> np.ndarray:
    """ITR >= s e^(−δ₁/s)/(s e^(−δ₁/s) + V−s) for uniform x and any attention (Thm. 21).

    δ₁ = x + β_ℓ > 0 is the displacement at length 1; equality iff the context is balanced.
    """
    _require(np.asarray(delta_1) > 0, "needs a positive displacement at length 1")
    mean = delta_1 / np.asarray(lengths, dtype=float)
    return illegal_rate(vocab_size, lengths, Displacements(mean, mean))


def mean_strengths(ov: np.ndarray, direct: np.ndarray) -> tuple[float, float]:
    """x̄ = −⟨P, D⟩/(V−1) and β̄ = −⟨P, B⟩/(V−1): what is left after symmetrisation (Thm. 22)."""
    V = len(ov)
    _check(V)
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
    _check(vocab_size)
    n = vocab_size - 1
    divisors = {"operator": 1.0, "frobenius": np.sqrt(n), "nuclear": float(n)}
    _require(norm in divisors, f"norm = {norm!r}; known: {', '.join(divisors)}")
    return float(budget / divisors[norm])


# Dropout on attention weights with rate p; β = 0, uniform x and attention (Prop. 25).


def _check_dropout(vocab_size: int, lengths: np.ndarray, x: float, rate: float) -> np.ndarray:
    _check(vocab_size, lengths)
    _require(x >= 0, f"x = {x} must not be negative")
    _require(0 <= rate < 1, f"dropout rate = {rate} must lie in [0, 1)")
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
    share = np.exp(_log_choose(s, k) + xlogy(k, rate) + (s - k) * np.log1p(-rate))
    return (share * np.log1p(np.where(k <= s, odds, 0))).sum(axis=-1)


# Floating point: observed, not proved (Observation 26).


class Rounding(NamedTuple):
    """u = 2^−p for p significant bits, and the largest spread of absent logits seen, in u x.

    In float64 the embedding itself is orthogonal only to a few u. In 16 bits only the operands of
    matrix products are rounded; the sums are float32.
    """

    unit: float
    factor: float


ROUNDING = {
    "float64": Rounding(2.0**-53, 10.0),
    "float32": Rounding(2.0**-24, 7.0),
    "float16": Rounding(2.0**-11, 1.5),
    "bfloat16": Rounding(2.0**-8, 1.5),
}


def _rounding(dtype: str) -> float:
    _require(dtype in ROUNDING, f"dtype = {dtype!r}; known: {', '.join(ROUNDING)}")
    return ROUNDING[dtype].unit * ROUNDING[dtype].factor


def rounding_spread(dtype: str, x: float) -> float:
    """Spread of absent logits that rounding causes at strength x, at most (Obs. 26)."""
    return _rounding(dtype) * x


def rounding_total_variation(dtype: str, x: float) -> float:
    """tanh(spread/4): the most total variation that such a spread can cause (Obs. 26)."""
    return float(np.tanh(rounding_spread(dtype, x) / 4))


def largest_x(dtype: str, total_variation: float) -> float:
    """The largest x whose rounding stays below a total variation (Obs. 26)."""
    _check(2, max_illegal_rate=total_variation)
    return float(4 * np.arctanh(total_variation) / _rounding(dtype))
