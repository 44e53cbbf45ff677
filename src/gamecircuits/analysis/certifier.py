"""Certificates: what the contexts of lengths 1 and 2 promise for all lengths (Theorem 7)."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import scipy

from gamecircuits.analysis.rounding import bound_rounding
from gamecircuits.theory.basics import gamma
from gamecircuits.theory.certificate import certified_displacement, certified_spread
from gamecircuits.transformer.circuits import TokenTables

UNDERFLOW = 1e-36  # nats: products below 1e-308 vanish, attention weights go down to e^−650


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
    errors = np.zeros(V) if tables.norm == "none" else bound_rounding(tables).values
    found = []
    for last in tokens:
        own = tables.weights[last, last]
        weight = np.where(tokens == last, 0.0, tables.weights[last])  # row `last` is length 1
        total = own + weight + tables.sink[last]
        attended = (weight[:, None] * tables.values + own * tables.values[last]) / total[:, None]
        noise = (weight * errors + own * errors[last]) / total
        logits = tables.logits(attended, np.full(V, last), noise)
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

    All bounds hold for the model in exact arithmetic, and for its logits as float64 gives them in
    any order of evaluation: `margin` allows for the rounding of the model and of the bounds.

    Attributes:
        short: lengths 1 and 2, each value on its safe side.
        own: a[ℓ,ℓ] + a0 (V, 1); others: a (V, V), 0 on the diagonal.
        a, d: (V, V−1), a[ℓ,m] and δ_ℓ after m, ℓ, for the tokens m other than ℓ.
        rank: (V, V), place of a token among the others, least attended first.
        sums: (V, V), of the 0, 1, ..., V−1 least attended others.
        largest: (V,), no bound is farther from 0; margin: (V,). Both in nats.
    """

    def __init__(self, tables: TokenTables, short: ShortContexts):
        V = len(tables.weights)
        errors = bound_rounding(tables)
        wrong = 2 * errors.logits  # a difference of two logits
        self.short = short = ShortContexts(
            short.spread + wrong,
            short.lowest_at_1 - wrong,
            short.highest_at_1 + wrong,
            short.other - wrong[:, None],
            short.last - wrong[:, None],
        )
        self.own = (np.diagonal(tables.weights) + tables.sink)[:, None]
        self.is_own = np.eye(V, dtype=bool)
        self.others = np.where(self.is_own, 0.0, tables.weights)
        self.a, self.d = (t[~self.is_own].reshape(V, V - 1) for t in (self.others, short.last))
        order = np.argsort(np.where(self.is_own, np.inf, self.others), axis=1)
        self.rank = np.argsort(order, axis=1)
        ascending = np.take_along_axis(self.others, order, axis=1)[:, : V - 1]
        self.sums = np.concatenate([np.zeros((V, 1)), np.cumsum(ascending, axis=1)], axis=1)
        used = [short.spread, short.lowest_at_1, short.highest_at_1, *short.other.T, *short.last.T]
        # The absolute coefficients of the identity sum to 1 + 2(s−2)w_ℓ.
        share = np.arange(V - 1) * self.own / (self.own + self.sums[:, 1:])
        self.largest = np.nanmax(np.abs(used), axis=0) * (1 + 2 * share.max(axis=1))
        self.margin = wrong + 8 * errors.attention * self.largest + UNDERFLOW
        self.rate_error = 4 * gamma(V + 16, np.finfo(float).eps / 2)  # relative

    def at(self, length: int) -> Behaviour:
        """Bounds for one length: rates and spread at most, displacements at least."""
        V, s = len(self.own), length
        if s == 1:
            spread, others = self.short.spread, np.full(V, np.inf)
            last = self.short.lowest_at_1 - self.margin
        else:
            share = self.own[:, 0] / (self.own[:, 0] + self.sums[:, s - 1])
            spread = certified_spread(s, self.short.spread, share)
            others, last = self._least_other_displacement(s), self._least_last_displacement(s)
        with np.errstate(divide="ignore"):  # no others at length 1
            seen = np.logaddexp(np.log(s - 1) - others, -last)
        rates = scipy.special.expit(seen - np.log(V - s)) * (1 + self.rate_error)
        rate = min(1.0, float(rates.max()) + np.finfo(float).tiny)
        highest = float((spread + self.margin).max())
        return Behaviour(rate, rate, highest, float(others.min()), float(last.min()))

    def reach(self) -> int:
        """Length up to which every displacement at every length is certified to be positive.

        The bound for tokens before the last falls with length. That for the last token does not,
        but it is positive iff the s−1 smallest `_last_terms` and the constant sum to more than 0.
        """
        V, aim = len(self.own), 3 * self.margin[:, None]  # so that `at` finds more than 0, too
        if (self.short.lowest_at_1 <= self.margin).any():
            return 0

        def loses_others(s: int) -> bool:
            return bool((self._least_other_displacement(s) <= 0).any())

        others = bisect_left(range(2, V), True, key=loses_others)
        sums = np.cumsum(np.sort(self._last_terms(aim), axis=1), axis=1)[:, : V - 2]
        many = np.arange(V - 2)  # s − 2
        fails = (sums <= self._last_constant(many, aim)).any(axis=0)
        return 1 + min(others, int(fails.argmax()) if fails.any() else V - 2)

    def _least_other_displacement(self, s: int) -> np.ndarray:
        """The bound for tokens before the last, s >= 2, at the worst of them (V,)."""
        V, own, others, rank, sums = len(self.own), self.own, self.others, self.rank, self.sums
        eta, most = self.short.spread[:, None], sums[:, [-1]] - sums[:, [V - s]]
        # Company of token i, s−2 others: the least and the most attended ones, without i itself.
        company = (
            np.where(rank < s - 2, sums[:, [s - 1]] - others, sums[:, [s - 2]]),
            np.where(rank >= V - s + 1, most - others, sums[:, [-1]] - sums[:, [V - s + 1]]),
        )
        displaced = np.full((V, V), np.inf)
        for attended in company:  # the bound is monotone in how much attention the company gets
            total = own + others + attended
            bound = certified_displacement(s, eta, self.short.other, own / total, others / total)
            displaced = np.fmin(displaced, bound)
        return np.where(self.is_own, np.inf, displaced).min(axis=1) - self.margin

    def _last_terms(self, aim: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """a_m (δ_ℓ(m,ℓ) − aim) + a_ℓ δ_ℓ(m,ℓ) of all m but ℓ, (rows, V−1); aim is (rows, 1)."""
        return self.a[rows] * (self.d[rows] - aim) + self.own[rows] * self.d[rows]

    def _last_constant(self, many: np.ndarray | int, aim: np.ndarray) -> np.ndarray:
        """(s−2) a_ℓ δ_ℓ(ℓ) + a_ℓ aim, (V, lengths)."""
        return self.own * (many * self.short.highest_at_1[:, None] + aim)

    def _least_last_displacement(self, s: int) -> np.ndarray:
        """Least [Σ_m (a_m+a_ℓ) δ_ℓ(m,ℓ) − (s−2) a_ℓ δ_ℓ(ℓ)] / (a_ℓ + Σ_m a_m), s >= 2, (V,).

        m runs over s−1 tokens other than the last, ℓ. No ratio is below r iff the s−1 smallest
        terms for r are at least the constant. If they are not, Dinkelbach's iteration goes on with
        the ratio of their tokens. Here r is that less the margin: a ratio rounded up may hide sets
        whose weights are a rounding error of the others'.
        """
        aim, rows = self.largest[:, None].copy(), np.arange(len(self.own))
        while len(rows):
            terms = self._last_terms(aim[rows], rows)
            chosen = np.argpartition(terms, s - 2, axis=1)[:, : s - 1]
            lacking = np.take_along_axis(terms, chosen, axis=1).sum(axis=1)
            lacking -= self._last_constant(s - 2, aim)[rows, 0]
            total = self.own[rows, 0] + np.take_along_axis(self.a[rows], chosen, 1).sum(axis=1)
            step = np.minimum(lacking / total, 0) - self.margin[rows]
            rows, step = rows[lacking < 0], step[lacking < 0]
            aim[rows, 0] += step
        return aim[:, 0] - self.margin
