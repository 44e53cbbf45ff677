"""Claims on exact models: the form they must have, and what two lengths imply for all lengths."""

from types import SimpleNamespace

import numpy as np

from gamecircuits.analysis.certifier import Certifier, measure_short_contexts
from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.metrics import context_metrics
from gamecircuits.claims.claim import (
    Outcome,
    bound,
    claim,
    compare,
    measure,
    random_standard_form,
    tables_of,
)
from gamecircuits.theory.basics import centering, count_contexts
from gamecircuits.theory.displacement import conserved_sum, context_displacements
from gamecircuits.theory.widths import robust_rank_ratio
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.constructions.minimal import get_minimal_parameters


@claim("Notation", "there are V·2^(V−1) − V contexts (set of seen tokens, last token)", 2, False)
class ContextCount:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        members, last = all_contexts(V)
        return SimpleNamespace(members=members, last=last, description=f"V = {V}")

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = case.members.shape[1]
        pairs = np.unique(np.column_stack([case.members, case.last]), axis=0)
        inside = case.members[np.arange(len(case.last)), case.last]
        return compare(count_contexts(V), len(pairs) * inside.all(), 0, len(case.last))


@claim("Proposition 1", "standard form: absent logits agree, δ_i = w_i x_i + [i = ℓ] β_ℓ")
class StandardFormSuffices:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return random_standard_form(V, rng)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.x))
        _, delta, spread = measure(case, members, last)
        attention = tables_of(case).attend_sets(members, last)
        law = context_displacements(case.x, case.beta, attention, last)
        predicted = np.concatenate([law[members], np.zeros(len(last))])
        return compare(predicted, np.concatenate([delta[members], spread]), 1e-10, len(last))


@claim("Proposition 1", "Σ δ_i/x_i = 1 + β_ℓ/x_ℓ at every length, for every attention")
class ConservationLaw:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = random_standard_form(V, rng)
        flipped = np.where(rng.random(V) < 0.3, -1, 1) * case.x  # no sign is needed
        case.ov += np.diag(case.x - flipped)
        case.x = flipped
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.x))
        _, delta, _ = measure(case, members, last)
        total = np.where(members, delta / case.x, 0).sum(axis=1)
        return compare(conserved_sum(case.x, case.beta, last), total, 1e-10, len(last))


def _solution_dimension(scores: np.ndarray, lengths) -> tuple[int, int]:
    """Count the dimensions of the (B, D) that are uniform on the absent at these lengths.

    Returns:
        the dimension, and the number of contexts used.
    """
    V = len(scores)
    members, last = all_contexts(V, lengths)
    weights = np.exp(scores)[last] * members
    weights /= weights.sum(axis=1, keepdims=True)
    rows = []
    for k in range(V):
        for other in range(k + 1, V):  # both absent: logits k and `other` agree
            use = ~members[:, k] & ~members[:, other]
            row = np.zeros((use.sum(), 2, V, V))
            at = np.arange(use.sum())
            for token, sign in ((k, 1), (other, -1)):
                row[at, 0, last[use], token] += sign
                row[:, 1, :, token] += sign * weights[use]
            rows.append(row.reshape(len(row), -1))
    normal = sum(row.T @ row for row in rows)
    values = np.linalg.eigvalsh(normal)
    return int((values < 1e-9 * values[-1]).sum()), len(last)


@claim("Theorem 2", "exact at lengths 1 and s in 2..V−2: a space of 5V−1 dimensions, standard form")
class StandardFormNecessary:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        s = int(rng.integers(2, V - 1))
        scores = rng.standard_normal((V, V))
        return SimpleNamespace(
            scores=scores, lengths=[1, s], description=f"V = {V}, lengths 1 and {s}"
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        dimension, contexts = _solution_dimension(case.scores, case.lengths)
        return compare(5 * len(case.scores) - 1, dimension, 0, contexts)


@claim("Theorem 2", "exact at one length s in 2..V−3: the same space", 5)
class StandardFormFromOneLength:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        s = int(rng.integers(2, V - 2))
        scores = rng.standard_normal((V, V))
        return SimpleNamespace(scores=scores, lengths=[s], description=f"V = {V}, length {s}")

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        return StandardFormNecessary.check(case)


@claim(
    "Theorem 2",
    "sharp: length V−2 alone, uniform attention, leaves more than standard form",
    5,
    False,
)
class OneLengthTooLong:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return SimpleNamespace(scores=np.zeros((V, V)), description=f"V = {V}, length {V - 2}")

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.scores)
        dimension, contexts = _solution_dimension(case.scores, [V - 2])
        return bound(">=", 5 * V, dimension, 0, contexts)


def singular_gauge(x: np.ndarray, c: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Scale r by t so that −diag(x) + c1ᵀ + t 1rᵀ is singular (2×2 determinant 0)."""
    a, b, h, m = (c / x).sum(), (r / x).sum(), (1 / x).sum(), (r * c / x).sum()
    return r * (1 - a) / ((1 - a) * b + h * m)


@claim("Lemma 3", "x > 0: rank D >= V−1, reached in the worst gauge", 3)
class RankBound:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        x, c, r = rng.uniform(1, 20, V), rng.standard_normal(V), rng.standard_normal(V)
        return SimpleNamespace(
            x=x, c=c, r=singular_gauge(x, c, r), description=f"V = {V}, worst gauge"
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        ov = -np.diag(case.x) + case.c[:, None] + case.r
        values = np.linalg.svd(ov, compute_uv=False)
        return compare(len(case.x) - 1, (values > 1e-10 * values[0]).sum(), 0, 0)


@claim("Theorem 5", "rank D <= V−2: Δ₂ <= η (V²−2V+4)/(2V), whatever the attention")
class RobustRankBound:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        y = np.where(np.arange(V) < V // 2, 1.0, -1.0)  # balanced for even V: nearly tight
        y -= y.mean()
        direction, scores = y / np.linalg.norm(y), np.zeros((V, V))
        ov = -(centering(V) - np.outer(direction, direction))
        at_1 = np.outer(y, y) / (2 * V)  # the logits of length 1 that share the error out
        kind = "nearly tight"
        if rng.random() < 0.5:  # any strengths, gauge and attention, with one direction taken out
            case = random_standard_form(V, rng, gauge=0.1)
            direction = rng.standard_normal(V)
            direction = (direction - direction.mean()) / np.linalg.norm(
                direction - direction.mean()
            )
            ov = (centering(V) - np.outer(direction, direction)) @ case.ov
            at_1, scores, kind = 0.02 * rng.standard_normal((V, V)), case.scores, "random"
        return SimpleNamespace(
            scores=scores, ov=ov, direct=at_1 - ov, norm="none", gain=1.0, sink=0.0,
            description=f"V = {V}, rank {np.linalg.matrix_rank(ov)}, {kind}",
        )  # fmt: skip

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.ov)
        short = measure_short_contexts(tables_of(case))
        ratio = np.nanmin(short.other) / max(short.spread.max(), 1e-300)
        return bound("<=", robust_rank_ratio(V), ratio, 1e-9, V * V)


@claim("Corollary 6", "at width V−1 the KL at lengths 1 and 2 becomes arbitrarily small")
class CapacityThreshold:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        x = rng.uniform(60, 300)
        beta = x * rng.uniform(0.1, 1)
        parameters = get_minimal_parameters(V, x, beta)
        return SimpleNamespace(
            parameters=parameters, description=f"V = {V}, x = {x:.3g}, β = {beta:.3g}"
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.parameters.W_E), [1, 2])
        logits = TokenTables(case.parameters).set_logits(members, last)
        kl = context_metrics(logits, ~members)["kl_divergence"]
        return bound("<=", 1e-12, kl, 0, len(last))


@claim("Theorem 7", "f(t) = Σ_m (a_m+a_ℓ)/Z f(m,ℓ) − (s−2) w_ℓ f(ℓ), for any parameters", 3)
class AffineIdentity:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = random_standard_form(V, rng)
        case.ov, case.direct = rng.standard_normal((2, V, V))
        case.description = f"V = {V}, arbitrary circuits"
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.ov)
        members, last = all_contexts(V)
        tables = tables_of(case)
        measured = tables.set_logits(members, last)
        attention = tables.attend_sets(members, last)
        own = attention[np.arange(len(last)), last][:, None]
        singles = tables.set_logits(np.eye(V, dtype=bool), np.arange(V))
        predicted = np.empty_like(measured)
        for token in range(V):  # the last one
            pairs = np.eye(V, dtype=bool)
            pairs[:, token] = True
            logits = tables.set_logits(pairs, np.full(V, token))
            rows = last == token
            weights = np.where(members[rows], attention[rows] + own[rows], 0)
            weights[:, token] = 0
            many = members[rows].sum(axis=1, keepdims=True) - 2
            predicted[rows] = weights @ logits - many * own[rows] * singles[token]
        long = members.sum(axis=1) >= 2
        return compare(predicted[long], measured[long], 1e-10, int(long.sum()))


@claim(
    "Theorem 7",
    "lengths 1 and 2 bound spread, displacements and illegal token rate at every length",
    3,
)
class Certificate:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = random_standard_form(V, rng)
        noise = 0.03 * case.x.mean()
        case.ov += noise * rng.standard_normal((V, V))
        case.direct += noise * rng.standard_normal((V, V))
        case.certified_by = tables_of(case)
        case.description = f"V = {V}, standard form with 3 % noise"
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        """Take the largest violation of any of the four bounds at any length."""
        V = len(case.ov)
        certifier = Certifier(case.certified_by, measure_short_contexts(case.certified_by))
        worst, contexts = -np.inf, 0
        for s in range(1, V):
            promised = certifier.at(s)
            members, last = all_contexts(V, [s])
            logits, _, spread = measure(case, members, last)
            delta = np.where(members, np.inf, logits).min(axis=1)[:, None] - logits
            is_last = np.arange(V) == last[:, None]
            rate = context_metrics(logits, ~members)["illegal_token_rate"]
            worst = max(
                worst,
                spread.max() - promised.absent_spread,
                promised.last_displacement - delta[is_last].min(),
                promised.other_displacement - delta[members & ~is_last].min(initial=np.inf),
                rate.max() - promised.illegal_token_rate,
            ) if s > 1 else max(worst, rate.max() - promised.illegal_token_rate)  # fmt: skip
            contexts += len(last)
        return bound("<=", 0.0, worst, 0.0, contexts)


@claim(
    "Proposition 14",
    "exact: illegal token rate = total variation = Q/(1+Q), KL = ln(1+Q), Q = Σ e^(−δ_i)/(V−s)",
    3,
)
class Metrics:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = random_standard_form(V, rng)
        case.ov, case.beta = case.ov + np.diag(0.7 * case.x), 0.3 * case.beta
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.ov))
        logits, delta, _ = measure(case, members, last)
        odds = np.where(members, np.exp(-delta), 0).sum(axis=1) / (~members).sum(axis=1)
        found = context_metrics(logits, ~members)
        names = ("illegal_token_rate", "total_variation", "kl_divergence")
        measured = np.stack([found[name] for name in names])
        predicted = np.stack([odds / (1 + odds), odds / (1 + odds), np.log1p(odds)])
        return compare(predicted, measured, 1e-11, len(last))
