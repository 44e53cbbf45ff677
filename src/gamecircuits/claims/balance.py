"""Claims on balance: when all displacements of a context are equal, and what β != 0 changes."""

from types import SimpleNamespace

import numpy as np

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.standard_form import fit_standard_form
from gamecircuits.claims.claim import Outcome, bound, claim, compare, measure, random_standard_form
from gamecircuits.claims.exact import singular_gauge
from gamecircuits.theory.basics import centering
from gamecircuits.theory.displacement import (
    balanced_attention,
    first_failing_lengths,
    harmonic_displacement,
    is_last_displaced,
    last_token_excess,
)
from gamecircuits.theory.widths import imbalance_floor
from gamecircuits.transformer.circuits import TokenTables, direct_path, ov_circuit
from gamecircuits.transformer.constructions._chains import get_chains
from gamecircuits.transformer.constructions.construction import helmert
from gamecircuits.transformer.constructions.harmonic import get_harmonic_parameters
from gamecircuits.transformer.constructions.minimal import get_minimal_parameters
from gamecircuits.transformer.model import Parameters


def _with_attention(V: int, rng: np.random.Generator, beta: float):
    """Random standard form whose attention balances lengths 1 and 2, with random g_i."""
    case = random_standard_form(V, rng, beta=beta)
    weights = balanced_attention(case.x, case.beta) * rng.uniform(0.2, 5, V)[:, None]
    case.scores = np.log(weights)
    case.description = f"V = {V}, random x, gauge and g, {'β = 0' if beta == 0 else 'random β'}"
    return case


@claim("Proposition 8", "a[i,j]/a[i,i] = (x_i+β_i)/(x_j−β_i) balances length 2", 3)
class BalanceAtTwo:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _with_attention(V, rng, 0.8)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.x), [2])
        _, delta, _ = measure(case, members, last)
        return compare(0, np.nanmax(delta, axis=1) - np.nanmin(delta, axis=1), 1e-10, len(last))


@claim("Theorem 9", "β = 0, a[i,j] = g_i/x_j: balanced at every length, 1/Δ = Σ 1/x_k", 3)
class ParallelResistors:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _with_attention(V, rng, 0.0)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.x))
        _, delta, spread = measure(case, members, last)
        law = harmonic_displacement(np.where(members, case.x, np.inf))
        measured = np.stack([np.nanmin(delta, axis=1), np.nanmax(delta, axis=1), law + spread])
        return compare(law, measured, 1e-10, len(last))


@claim("Theorem 9", "β_ℓ != 0: no attention balances the contexts of two lengths that end in ℓ", 4)
class NoBalanceWithBeta:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        """Take the only attention that balances length 2, and keep β away from 0."""
        case = _with_attention(V, rng, 0.8)
        beta = np.sign(case.beta) * np.maximum(np.abs(case.beta), 0.1 * case.x.min())
        case.direct += np.diag(case.beta - beta)
        case.beta = beta
        case.scores = np.log(balanced_attention(case.x, case.beta))
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        """Take the largest imbalance for each ℓ and each length from 3 on; the least one counts."""
        V = len(case.x)
        members, last = all_contexts(V, range(3, V))
        _, delta, _ = measure(case, members, last)
        imbalance = np.nanmax(delta, axis=1) - np.nanmin(delta, axis=1)
        size = members.sum(axis=1)
        largest = [
            imbalance[(last == token) & (size == s)].max()
            for token in range(V)
            for s in range(3, V)
        ]
        return bound(">=", 1e-6, largest, 0, len(last))


@claim("Proposition 10", "uniform x, balanced at 2: δ_last − δ_other = β(x+β)(s−2)/((x−β)Z)", 3)
class LastTokenExcess:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        x = rng.uniform(1, 20)
        beta = 0.8 * x * rng.uniform(-1, 1)
        case = random_standard_form(V, rng)
        case.ov += np.diag(case.x - x)
        case.direct += np.diag(case.beta - beta)
        case.x, case.beta = np.full(V, x), np.full(V, beta)
        case.scores = np.log(balanced_attention(case.x, case.beta))
        case.description = f"V = {V}, x = {x:.3g}, β = {beta:.3g}"
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.x)
        members, last = all_contexts(V, range(2, V))
        _, delta, _ = measure(case, members, last)
        rows = np.arange(len(last))
        others = np.where(np.arange(V) == last[:, None], np.nan, delta)
        law = last_token_excess(V, members.sum(axis=1), case.x[0], case.beta[0])
        excess = delta[rows, last] - np.stack(
            [np.nanmin(others, axis=1), np.nanmax(others, axis=1)]
        )
        return compare(law, excess, 1e-10, len(last))


@claim("Proposition 10", "β < 0: δ_last > 0 iff Σ_{j≠ℓ} a[ℓ,j] < a[ℓ,ℓ](x_ℓ/b_ℓ − 1)", 3)
class LastTokenSign:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = random_standard_form(V, rng)
        beta = -case.x * rng.uniform(0.1, 0.9, V)
        case.direct += np.diag(case.beta - beta)
        case.beta = beta
        case.description = f"V = {V}, random x, β < 0, attention and gauge"
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.x))
        _, delta, _ = measure(case, members, last)
        found = delta[np.arange(len(last)), last]
        law = is_last_displaced(case.x, case.beta, np.exp(case.scores), members, last)
        agree = (law == (found > 0)) | (np.abs(found) < 1e-10)
        return compare(len(last), agree.sum(), 0, len(last))


@claim(
    "Proposition 10", "β < 0: first length at which the last token is lost, for every last token", 3
)
class CriticalLength:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return LastTokenSign.build(V, rng)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.x)
        members, last = all_contexts(V)
        _, delta, _ = measure(case, members, last)
        fails = delta[np.arange(len(last)), last] <= 0
        length = np.where(fails, members.sum(axis=1), V)
        measured = [length[last == token].min() for token in range(V)]
        law = first_failing_lengths(case.x, case.beta, np.exp(case.scores))
        return compare(np.minimum(law, V), measured, 0, len(last))


@claim("Proposition 11", "tied embeddings: β_i + β_j = −‖E_i − E_j‖² < 0")
class TiedBeta:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        """Take E Eᵀ = diag(b) + u1ᵀ + 1uᵀ, and W_V W_O = E⁻¹ D E⁻ᵀ for a standard form D."""
        b = rng.uniform(1, 3, V)
        u = 1 + 0.2 * rng.standard_normal(V)
        while (values := np.linalg.eigvalsh(np.diag(b) + u[:, None] + u))[0] < 0.05:
            u = u + 0.5
        values, vectors = np.linalg.eigh(np.diag(b) + u[:, None] + u)
        E = vectors * np.sqrt(values)
        ov = random_standard_form(V, rng, gauge=1.0)
        r = -u + u.mean()  # what the direct path takes back
        D = -np.diag(ov.x) + rng.standard_normal((V, 1)) + r
        middle = np.linalg.solve(E, np.linalg.solve(E, D.T).T)
        nothing = np.zeros((V, 0))
        parameters = Parameters(E, nothing, nothing, middle, np.eye(V), E.T)
        return SimpleNamespace(
            parameters=parameters, description=f"V = {V}, random tied exact model"
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        E = case.parameters.W_E
        V = len(E)
        form = fit_standard_form(ov_circuit(case.parameters), direct_path(case.parameters))
        pairs = np.triu_indices(V, 1)
        distance = ((E[:, None] - E) ** 2).sum(axis=2)
        members, last = all_contexts(V)
        logits = TokenTables(case.parameters).set_logits(members, last)
        spread = np.where(members, -np.inf, logits).max(axis=1)
        spread = spread - np.where(members, np.inf, logits).min(axis=1)
        predicted = np.concatenate([-distance[pairs], np.zeros(len(last))])
        measured = np.concatenate([(form.beta[:, None] + form.beta)[pairs], spread])
        return compare(predicted, measured, 1e-8, len(last))


@claim("Proposition 12", "β_i = β != 0, balanced at 2: the scores have rank >= V−1, so d_k >= V−1")
class AttentionRank:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        x = rng.uniform(1, 20, V)
        beta = rng.choice([-1, 1]) * 0.5 * x.min()
        description = f"V = {V}, β = {beta:.3g}, worst gauge"
        return SimpleNamespace(x=x, beta=np.full(V, beta), description=description)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        scores = np.log(balanced_attention(case.x, case.beta))
        # Only q is free in scores = q1ᵀ + 1κᵀ − diag(λ): the q that makes them singular.
        V, q = len(case.x), np.log(case.x + case.beta)
        kappa = -np.log(case.x - case.beta)
        strength = q + kappa
        if strength.any():
            scores += (singular_gauge(strength, kappa, np.ones(V)) - q)[:, None]
        values = np.linalg.svd(scores, compute_uv=False)
        return bound(">=", V - 1, (values > 1e-9 * values[0]).sum(), 0, 0)


@claim("Theorem 13", "balanced at all lengths: rank[D B] + rank[D; B] − rank B >= 2(V−1)")
class Width:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        """Draw gauges of all kinds, including those that reach the bound."""
        x = rng.uniform(1, 20, V)
        c, r, c_direct = rng.standard_normal((3, V))
        kind = rng.choice(["random", "singular", "least"])
        if kind == "singular":
            r = singular_gauge(x, c, r)
        if kind == "least":
            harmonic = get_harmonic_parameters(x)
            ov, direct = ov_circuit(harmonic), direct_path(harmonic)
        else:
            ov, direct = -np.diag(x) + c[:, None] + r, c_direct[:, None] - r
        return SimpleNamespace(ov=ov, direct=direct, description=f"V = {V}, random x, {kind} gauge")

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        def rank(matrix):
            values = np.linalg.svd(matrix, compute_uv=False)
            return int((values > 1e-9 * np.linalg.norm(case.ov)).sum())

        D, B = case.ov, case.direct
        width = rank(np.hstack([D, B])) + rank(np.vstack([D, B])) - rank(B)
        return bound(">=", 2 * (len(D) - 1), width, 0, 0)


@claim("Theorem 13", "at width V−1 any imbalance β > 0 is reached, with ‖W_V W_O‖ = x/β", 3)
class Border:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        x, beta = rng.uniform(5, 20), 10.0 ** rng.uniform(-3, 0)
        parameters = get_minimal_parameters(V, x, beta)
        description = f"V = {V}, x = {x:.3g}, β = {beta:.2g}"
        return SimpleNamespace(parameters=parameters, x=x, description=description)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.parameters.W_E)
        members, last = all_contexts(V, range(2, V))
        logits = TokenTables(case.parameters).set_logits(members, last)
        high = np.where(members, logits, -np.inf).max(axis=1)
        imbalance = high - np.where(members, logits, np.inf).min(axis=1)
        size = np.linalg.norm(case.parameters.W_V @ case.parameters.W_O, 2)
        return compare(case.x, imbalance * size, 1e-7, len(last))


@claim("Theorem 13", "D = −P, ‖W_E‖, ‖W_U‖ <= 1: imbalance >= √((n−k)/n) N^(−min(2, n/(n−k)))")
class ImbalanceAtWidth:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        """Take chains, which often attain the floor, or random weights with D = −P."""
        n = V - 1
        d = int(rng.integers(n, 2 * n))
        if rng.random() < 0.7:
            size = 10.0 ** rng.uniform(0.1, 2)
            parameters = get_chains(V, d, size)
            description = f"V = {V}, d = {d}, chains of size {size:.3g}"
            return SimpleNamespace(parameters=parameters, d=d, description=description)
        W, U = rng.standard_normal((n, d)), rng.standard_normal((d, n))
        S = -np.linalg.inv(W @ U)
        for_S, for_U = np.linalg.norm(S, 2), np.linalg.norm(U, 2)
        H, none = helmert(V), np.zeros((d, 0))
        first = np.eye(d, n)
        parameters = Parameters(
            H @ (S / for_S) @ first.T, none, none, first, for_S * for_U * W, U / for_U @ H.T
        )
        return SimpleNamespace(
            parameters=parameters, d=d, description=f"V = {V}, d = {d}, random weights"
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        parameters = case.parameters
        V = len(parameters.W_E)
        P = centering(V)
        size = float(np.linalg.norm(parameters.W_V @ parameters.W_O, 2))
        imbalance = np.linalg.norm(P @ direct_path(parameters) @ P) / np.sqrt(V - 1)
        off = np.abs(ov_circuit(parameters) + P).max()  # 0, or the hypothesis does not hold
        measured = imbalance if off < 1e-9 else np.nan
        return bound(">=", imbalance_floor(V, case.d, size), measured, 1e-9, 0)
