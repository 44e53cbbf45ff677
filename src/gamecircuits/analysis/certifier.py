"""Certificates: what the contexts of lengths 1 and 2 promise for all lengths (Theorem 7)."""

from dataclasses import dataclass

import numpy as np
import scipy

from gamecircuits.theory.certificate import certified_displacement, certified_spread
from gamecircuits.transformer.circuits import TokenTables


@dataclass(frozen=True)
class ShortContexts:
    """What lengths 1 and 2 show: all V² contexts, rows are last tokens ℓ.

    Displacements are measured from the lowest absent logit down, `highest_at_1` from the highest;
    NaN where there is no such context.
    """

    spread: np.ndarray  # (V,) η_ℓ: largest spread of absent logits
    lowest_at_1: np.ndarray  # (V,) δ_ℓ at length 1
    highest_at_1: np.ndarray  # (V,)
    other: np.ndarray  # (V, V) δ_m after m, ℓ
    last: np.ndarray  # (V, V) δ_ℓ after m, ℓ


def measure_short_contexts(tables: TokenTables) -> ShortContexts:
    """All contexts of lengths 1 and 2, one last token at a time."""
    V = len(tables.weights)
    tokens = np.arange(V)
    found = []
    for last in tokens:
        own = tables.weights[last, last]
        weight = np.where(tokens == last, 0.0, tables.weights[last])  # row `last` is length 1
        total = (own + weight + tables.sink[last])[:, None]
        attended = (weight[:, None] * tables.values + own * tables.values[last]) / total
        logits = tables.logits(attended, np.full(V, last))
        seen = np.eye(V, dtype=bool)
        seen[:, last] = True
        low = np.where(seen, np.inf, logits).min(axis=1)
        high = np.where(seen, -np.inf, logits).max(axis=1)
        is_context = np.isfinite(low)  # with two tokens, length 2 has no absent one
        is_pair = is_context & (tokens != last)
        with np.errstate(invalid="ignore"):
            found.append(
                (
                    np.max((high - low)[is_context]),
                    low[last] - logits[last, last],
                    high[last] - logits[last, last],
                    np.where(is_pair, low - logits[tokens, tokens], np.nan),
                    np.where(is_pair, low - logits[:, last], np.nan),
                )
            )
    return ShortContexts(*map(np.array, zip(*found, strict=True)))


@dataclass(frozen=True)
class Behaviour:
    """What a model does in the contexts of one length: measured, predicted, or bounds on it.

    Attributes:
        illegal_token_rate: mean over contexts; highest_illegal_token_rate: in the worst context.
        absent_spread: highest − lowest absent logit, largest over contexts.
        other_displacement: lowest absent logit − logit of a token before the last, lowest of all;
            inf at length 1.
        last_displacement: the same of the last token.
    """

    illegal_token_rate: float
    highest_illegal_token_rate: float
    absent_spread: float
    other_displacement: float
    last_displacement: float


class Certifier:
    """Bounds over all contexts of a length, from the contexts of lengths 1 and 2.

    The theorem's bounds hold for given attention weights; here the worst company is chosen for each
    last token and each token before it. A sink counts as attention of the last token to itself: the
    identity behind the theorem holds with a[ℓ,ℓ] + a0 in place of a[ℓ,ℓ].

    Attributes:
        own: a[ℓ,ℓ] + a0 (V, 1); others: a (V, V), 0 on the diagonal.
        rank: (V, V), place of a token among the others, least attended first.
        sums: (V, V), of the 0, 1, ..., V−1 least attended others.
    """

    def __init__(self, tables: TokenTables, short: ShortContexts):
        V = len(tables.weights)
        self.short = short
        self.own = (np.diagonal(tables.weights) + tables.sink)[:, None]
        self.is_own = np.eye(V, dtype=bool)
        self.others = np.where(self.is_own, 0.0, tables.weights)
        order = np.argsort(np.where(self.is_own, np.inf, self.others), axis=1)
        self.rank = np.argsort(order, axis=1)
        ascending = np.take_along_axis(self.others, order, axis=1)[:, : V - 1]
        self.sums = np.concatenate([np.zeros((V, 1)), np.cumsum(ascending, axis=1)], axis=1)

    def at(self, length: int) -> Behaviour:
        """Bounds for one length: rates and spread at most, displacements at least."""
        short, own, others, rank, sums = self.short, self.own, self.others, self.rank, self.sums
        V, s = len(own), length
        if s == 1:
            lowest = short.lowest_at_1.min()
            rate = float(scipy.special.expit(-lowest - np.log(V - 1)))
            return Behaviour(rate, rate, float(short.spread.max()), np.inf, float(lowest))
        eta, least, most = short.spread[:, None], sums[:, s - 1], sums[:, [-1]] - sums[:, [V - s]]
        spread = certified_spread(s, short.spread, own[:, 0] / (own[:, 0] + least))
        # Company of token i, s−2 others: the least and the most attended ones, without i itself.
        company = (
            np.where(rank < s - 2, sums[:, [s - 1]] - others, sums[:, [s - 2]]),
            np.where(rank >= V - s + 1, most - others, sums[:, [-1]] - sums[:, [V - s + 1]]),
        )
        displaced = np.full((V, V), np.inf)
        for attended in company:  # the bound is monotone in how much attention the company gets
            total = own + others + attended
            bound = certified_displacement(s, eta, short.other, own / total, others / total)
            displaced = np.fmin(displaced, bound)
        lowest = np.where(self.is_own, np.inf, displaced).min(axis=1)
        last = self._least_last_displacement(s)
        rates = scipy.special.expit(np.logaddexp(np.log(s - 1) - lowest, -last) - np.log(V - s))
        rate = float(rates.max())
        return Behaviour(rate, rate, float(spread.max()), float(lowest.min()), float(last.min()))

    def _least_last_displacement(self, s: int) -> np.ndarray:
        """Least [Σ_m (a_m+a_ℓ) δ_ℓ(m,ℓ) − (s−2) a_ℓ δ_ℓ(ℓ)] / (a_ℓ + Σ_m a_m), (V,).

        m runs over s−1 tokens other than the last, ℓ.
        A ratio of sums; Dinkelbach's iteration finds its minimum over sets by sorting.
        """
        V, own, off = len(self.own), self.own, ~self.is_own
        a = self.others[off].reshape(V, V - 1)
        gain = (a + own) * self.short.last[off].reshape(V, V - 1)
        constant = (s - 2) * own[:, 0] * self.short.highest_at_1
        ratio = np.full(V, np.inf)
        chosen = np.argsort(gain, axis=1)[:, : s - 1]
        while True:
            top = np.take_along_axis(gain, chosen, 1).sum(axis=1) - constant
            new = top / (own[:, 0] + np.take_along_axis(a, chosen, 1).sum(axis=1))
            if not (new < ratio).any():
                return ratio
            ratio = np.minimum(new, ratio)
            chosen = np.argsort(gain - ratio[:, None] * a, axis=1)[:, : s - 1]
