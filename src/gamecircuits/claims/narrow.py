"""Claims on models with fewer dimensions than exactness needs: floors, blocks and frames."""

from types import SimpleNamespace

import numpy as np
import scipy

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.metrics import context_metrics
from gamecircuits.claims.claim import Outcome, bound, claim, compare, measure, tables_of
from gamecircuits.theory.basics import centering, decompose_off_diagonal
from gamecircuits.theory.superposition import (
    absent_variance,
    block_limits,
    coherence_bound,
    frame_kl_bound,
    generalized_welch_bound,
    kl_floor,
    kl_floor_by_length,
    total_variation_floor,
    truncation_fraction,
)
from gamecircuits.transformer.constructions.block import Block
from gamecircuits.transformer.constructions.frame import get_frame, has_equiangular


def _optimised_logits(V: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Find logits (V, V) of rank <= width after each single token, with low mean KL."""

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        left, right = flat.reshape(2, V, width)
        logits = left @ right.T
        top = logits.max(axis=1, keepdims=True)
        p = np.exp(logits - top)
        total = p.sum(axis=1, keepdims=True)
        log_p = logits - top - np.log(total)
        q = (1 - np.eye(V)) / (V - 1)
        slope = (p / total - q) / V
        gradient = np.stack([slope @ right, slope.T @ left])
        return -(q * log_p).sum() / V - np.log(V - 1), gradient.ravel()

    start = rng.standard_normal(2 * V * width)
    found = scipy.optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}
    )
    left, right = found.x.reshape(2, V, width)
    return left @ right.T


@claim("Lemma 15a", "e^−y + Σφ(n_k) >= κN/(y²+κN), N = Σn², 0 < κ <= 3/2", 2)
class TwoWaysToGoWrong:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        """Draw numbers of all sizes: the two sides are close at small ones."""
        n = 10.0 ** rng.uniform(-4, 1, (2000, 1)) * rng.standard_normal((2000, V))
        y, kappa = 10.0 ** rng.uniform(-4, 1.5, 2000), 1.5 * rng.uniform(0, 1, 2000)
        kappa[:1000] = 1.5
        return SimpleNamespace(n=n, y=y, kappa=kappa, description=f"{V} numbers n, 2000 draws")

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        size = (case.n**2).sum(axis=1)
        left = np.exp(-case.y) + (np.expm1(case.n) - case.n).sum(axis=1)
        right = case.kappa * size / (case.y**2 + case.kappa * size)
        return bound(">=", right, left, 1e-12, 0)


@claim(
    "Theorem 16", "length 1, any architecture of width d: mean KL >= (1 − d/(V−1)) ln(V/(V−1))", 3
)
class LinearLaw:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        width = int(rng.integers(1, V - 1))
        logits = _optimised_logits(V, width, rng)
        description = f"V = {V}, logits of rank {width}, optimised"
        return SimpleNamespace(width=width, logits=logits, description=description)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.logits)
        kl = context_metrics(case.logits, ~np.eye(V, dtype=bool))["kl_divergence"].mean()
        return bound(">=", kl_floor(V, case.width), kl, 1e-12, V)


@claim("Theorem 18", "length 1, width d: mean TV >= ((1−1/e)/2)(V−1−d)/(V(V−1))", 3)
class TotalVariationFloor:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return LinearLaw.build(V, rng)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.logits)
        found = context_metrics(case.logits, ~np.eye(V, dtype=bool))["total_variation"].mean()
        return bound(">=", total_variation_floor(V, case.width), found, 1e-12, V)


@claim("Corollary 17", "any model of width d: mean KL / [(1 − d/(V−s)) ln(1 + 1/(V−s))] >= 1")
class LinearLawOfAnyModel:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        """Give each context a vector of its own, the best for its target by least squares."""
        width = int(rng.integers(1, V - 1))
        W_U = rng.standard_normal((width, V))
        if rng.random() < 0.5:
            W_U = np.eye(width, V)
        members, _ = all_contexts(V)
        logits = -(10.0 ** rng.uniform(0, 2)) * members @ np.linalg.pinv(W_U) @ W_U
        description = f"V = {V}, d = {width}, a vector for each context"
        return SimpleNamespace(width=width, logits=logits, members=members, description=description)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = case.members.shape[1]
        size = case.members.sum(axis=1)
        lengths = np.arange(1, V - 1)
        kl = context_metrics(case.logits, ~case.members)["kl_divergence"]
        means = np.array([kl[size == s].mean() for s in lengths])
        floors = kl_floor_by_length(V, lengths, width=case.width)
        use = floors > 0
        return bound(">=", 1.0, means[use] / floors[use], 1e-12, int(np.isin(size, lengths).sum()))


@claim(
    "Corollary 17",
    "values of width d_v: mean KL / [(1 − (d_v+1)/(V−s)) ln(1 + 1/(V−s))] >= 1, s >= 2",
    5,
)
class LinearLawByLength:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        """Take the best known: exact on a random part of d_v dimensions, at any strength."""
        d_v = int(rng.integers(1, V - 3))
        basis = np.linalg.qr(centering(V) @ rng.standard_normal((V, d_v)))[0]
        if rng.random() < 0.5:
            basis = np.eye(V, d_v)  # the block solution
        ov = -(10.0 ** rng.uniform(0, 2)) * basis @ basis.T
        return SimpleNamespace(
            d_v=d_v, ov=ov, direct=rng.standard_normal((V, V)),
            scores=rng.choice([0.0, 1.0]) * rng.standard_normal((V, V)),
            norm="none", gain=1.0, sink=0.0,
            description=f"V = {V}, d_v = {d_v}, random part of simplex",
        )  # fmt: skip

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.ov)
        lengths = np.arange(2, V - 1)
        members, last = all_contexts(V, lengths)
        kl = context_metrics(tables_of(case).set_logits(members, last), ~members)["kl_divergence"]
        size = members.sum(axis=1)
        means = [kl[size == s].mean() for s in lengths]
        floors = kl_floor_by_length(V, lengths, d_v=case.d_v)
        use = floors > 0
        return bound(">=", 1.0, np.array(means)[use] / floors[use], 1e-12, len(last))


@claim(
    "Proposition 19", "m of V tokens handled: mean TV = E[(s−h)/(V−h)], KL = E[ln((V−h)/(V−s))]", 2
)
class BlockLimit:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        m = int(rng.integers(1, V + 1))
        model = Block(V, d_model=m, x=60.0 * V).model()
        return SimpleNamespace(
            model=model, num_handled=m, description=f"V = {V}, m = {m}, x = {60 * V}"
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.model.parameters.W_E)
        lengths = np.arange(1, V)
        members, last = all_contexts(V)
        logits = case.model.tables().set_logits(members, last)
        found, size = context_metrics(logits, ~members), members.sum(axis=1)
        means = [
            [found[metric][size == s].mean() for s in lengths]
            for metric in ("total_variation", "kl_divergence")
        ]
        return compare(block_limits(V, lengths, case.num_handled), means, 1e-9, len(last))


def _frame_case(V: int, F: np.ndarray, x: float, vectors: str) -> SimpleNamespace:
    zero = np.zeros((V, V))
    return SimpleNamespace(
        ov=-x * F @ F.T, direct=zero, scores=zero, norm="none", gain=1.0, sink=0.0, x=x,
        description=f"V = {V}, {vectors}, x = {x:.3g}",
    )  # fmt: skip


@claim(
    "Proposition 20a",
    "frame of coherence μ, (2s−1)μ < 1: TV <= R + (1−R) tanh(xμ/2), every context",
)
class Coherence:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        if has_equiangular(V, V // 2) and rng.random() < 0.5:
            F, vectors = get_frame(V, V // 2, "equiangular"), "equiangular frame"
        else:
            F = rng.standard_normal((V, 40 * V))
            F, vectors = F / np.linalg.norm(F, axis=1, keepdims=True), "random vectors"
        case = _frame_case(V, F, 10.0 ** rng.uniform(-1, 2), vectors)
        case.coherence = np.abs(F @ F.T - np.eye(V)).max()
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.ov)
        members, last = all_contexts(V)
        found = context_metrics(tables_of(case).set_logits(members, last), ~members)
        limit = coherence_bound(V, members.sum(axis=1), case.x, case.coherence)
        use = ~np.isnan(limit)
        return bound("<=", limit[use], found["total_variation"][use], 1e-12, int(use.sum()))


@claim(
    "Proposition 20b",
    "random signs in d dimensions: E KL <= x²/(2sd) + ln(1 + s/(V−s) e^(−x/s−x²/2s²d))",
)
class FramesOnAverage:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        d, x = int(rng.integers(2, 3 * V)), 10.0 ** rng.uniform(0, 1.5)
        signs = rng.choice([-1.0, 1.0], size=(400, V, d))
        description = f"V = {V}, d = {d}, x = {x:.3g}, 400 frames"
        return SimpleNamespace(frames=signs / np.sqrt(d), x=x, description=description)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        """Average one context of each length over frames; allow six standard errors."""
        count, V, d = case.frames.shape
        outcomes = []
        for s in range(1, V):
            logits = -case.x * np.einsum("nd,nkd->nk", case.frames[:, :s].mean(axis=1), case.frames)
            kl = context_metrics(logits, np.tile(np.arange(V) >= s, (count, 1)))["kl_divergence"]
            limit = frame_kl_bound(V, np.array([s]), case.x, d)[0]
            outcomes.append((kl.mean() - limit, kl.mean(), limit, 6 * kl.std() / np.sqrt(count)))
        _, mean, limit, tolerance = max(outcomes, key=lambda outcome: outcome[0] - outcome[3])
        return Outcome(limit, mean, tolerance, count * (V - 1), "<=")


@claim("Proposition 20c", "uniform attention: exact law of the mean variance of the absent logits")
class NoiseLaw:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        ov = rng.standard_normal((V, V)) + rng.standard_normal((V, 1)) + rng.standard_normal(V)
        column = decompose_off_diagonal(ov).column
        return SimpleNamespace(
            ov=ov, direct=np.tile(-column, (V, 1)), scores=np.zeros((V, V)), norm="none", gain=1.0,
            sink=0.0, description=f"V = {V}, any D, its column part cancelled",
        )  # fmt: skip

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.ov)
        lengths = np.arange(1, V - 1)
        members, last = all_contexts(V, lengths)
        logits, _, _ = measure(case, members, last)
        absent, size = ~members, members.sum(axis=1)
        mean = (logits * absent).sum(axis=1) / absent.sum(axis=1)
        variance = (((logits - mean[:, None]) ** 2) * absent).sum(axis=1) / absent.sum(axis=1)
        means = [variance[size == s].mean() for s in lengths]
        return compare(absent_variance(case.ov, lengths), means, 1e-10, len(last))


@claim("Proposition 20d", "fraction π kept: min_Y e^−Y + ½Y²(1−π)/π = e^−Y (1+Y/2), Ye^Y = π/(1−π)")
class Truncation:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        kept = int(rng.integers(1, V - 1)) / V
        return SimpleNamespace(kept=kept, description=f"V = {V}, π = {kept:.3g}")

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        noise = (1 - case.kept) / case.kept
        found = scipy.optimize.minimize_scalar(
            lambda Y: np.exp(-Y) + Y**2 * noise / 2,
            bounds=(0, 60), method="bounded", options={"xatol": 1e-10},
        )  # fmt: skip
        return compare(truncation_fraction(case.kept), found.fun, 1e-9, 0)


@claim("Proposition 20c", "rank d, x > 0: mean rest_ij²/(x_i x_j) >= (V−d−2)/((d+2)(V−1))")
class GeneralizedWelch:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        d = int(rng.integers(1, max(2, V - 2)))
        x = np.array([-1.0])
        while (x <= 0).any():  # the hypothesis; most draws fulfil it
            F = rng.standard_normal((V, d)) * np.exp(0.3 * rng.standard_normal((V, 1)))
            if rng.random() < 0.5:  # tight and centred: close to the bound
                F = np.linalg.qr(F - F.mean(axis=0))[0]
            row, column, _ = decompose_off_diagonal(-F @ F.T)
            x = row + column + (F**2).sum(axis=1)
        description = f"V = {V}, rank {d}, random vectors of unequal length"
        return SimpleNamespace(ov=-F @ F.T, rank=d, description=description)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.ov)
        row, column, rest = decompose_off_diagonal(case.ov)
        x = row + column - np.diagonal(case.ov)
        mean = (rest**2 / np.outer(x, x)).sum() / (V * (V - 1))
        return bound(">=", generalized_welch_bound(V, case.rank), mean, 1e-12, 0)
