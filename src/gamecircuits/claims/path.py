"""Claims on the path of training: tables and weights under gradient descent on all contexts."""

from types import SimpleNamespace

import numpy as np
import scipy

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.claims.claim import Outcome, claim, compare
from gamecircuits.theory.basics import centering
from gamecircuits.theory.curvature import apply_form, get_noise, get_variance, split_tables
from gamecircuits.theory.path import (
    Descent,
    Factors,
    descend_factors,
    descend_tables,
    get_cases,
    late_strength,
    path_gradient,
    path_loss,
    plateau,
)
from gamecircuits.transformer.constructions.construction import helmert

NUM_STEPS = 4


class _Contexts:
    """All contexts of the lengths 1..trained; a mean gives each length the same weight."""

    def __init__(self, V: int, trained: int):
        members, last = all_contexts(V)
        size = members.sum(axis=1)
        kept = size <= trained
        self.members, self.last, size = members[kept], last[kept], size[kept]
        self.share = 1 / (trained * np.bincount(size)[size])
        self.target = ~self.members / (V - size)[:, None]

    def attend(self, scores: np.ndarray) -> np.ndarray:
        weights = self.members * np.exp(scores)[self.last]
        return weights / weights.sum(axis=1, keepdims=True)

    def logits(self, ov: np.ndarray, direct: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return self.attend(scores) @ ov + direct[self.last]

    def loss(self, *tables: np.ndarray) -> float:
        logits = self.logits(*tables)
        missing = scipy.special.logsumexp(logits, axis=1) - (self.target * logits).sum(axis=1)
        return float(self.share @ missing)

    def gradient(self, ov, direct, scores) -> list[np.ndarray]:
        """Of the mean cross-entropy by OV circuit, direct path and scores, (V, V) each."""
        attention = self.attend(scores)
        excess = scipy.special.softmax(self.logits(ov, direct, scores), axis=1) - self.target
        excess *= self.share[:, None]
        of_last = np.eye(len(ov))[self.last].T
        by_weight = excess @ ov.T
        own = (attention * by_weight).sum(axis=1, keepdims=True)
        return [
            attention.T @ excess, of_last @ excess, of_last @ (attention * (by_weight - own))
        ]  # fmt: skip


def _draw(V: int, rng: np.random.Generator) -> SimpleNamespace:
    """A point of the family, and a trained length."""
    trained = int(rng.integers(1, V))
    strengths = rng.uniform([0, -0.5, -0.5], [8, 1.5, 1.0])
    P = centering(V)
    x, beta, alpha = strengths
    shown = f"x = {x:.2g}, β = {beta:.2g}, α = {alpha:.2g}"
    return SimpleNamespace(
        V=V, trained=trained, strengths=strengths, ov=-x * P, direct=-beta * P, scores=alpha * P,
        description=f"V = {V}, trained to {trained}, {shown}",
    )  # fmt: skip


def _stack(strengths: np.ndarray) -> np.ndarray:
    return np.array([-1, -1, 1])[:, None, None] * strengths[:, None, None]


@claim("Theorem 27", "gradient descent on all V×V tables stays at −xP, −βP, αP: three numbers", 2)
class TablePath:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = _draw(V, rng)
        case.descent = Descent(rate=V * rng.uniform(0.5, 5), weight_decay=rng.uniform(0, 0.01))
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        contexts = _Contexts(case.V, case.trained)
        tables, (rate, decay) = np.array([case.ov, case.direct, case.scores]), case.descent[:2]
        for _ in range(NUM_STEPS):
            tables = tables - rate * (np.array(contexts.gradient(*tables)) + decay * tables)
        path = descend_tables(case.strengths, case.V, case.trained, case.descent, NUM_STEPS)
        predicted = _stack(path[-1]) * centering(case.V)
        return compare(predicted, tables, 1e-9, len(contexts.last))


@claim("Theorem 27", "equivariant weights, gradient descent on all six matrices: a small system", 2)
class FactorPath:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        m, m_k, m_v = rng.integers(1, 4, 3)
        shapes = [(1, m), (m, m_k), (m, m_k), (m, m_v), (m_v, m), (m, 1)]
        # So small that no step overshoots: rounding errors would grow with each.
        factors = Factors._make(0.5 * rng.standard_normal(shape) for shape in shapes)
        H, identity = helmert(V), np.eye(V - 1)
        weights = [np.kron(H, factors.e), *(np.kron(identity, f) for f in factors[1:5])]
        weights.append(np.kron(H.T, factors.u))
        descent = Descent(rate=V * rng.uniform(0.05, 0.3), weight_decay=rng.uniform(0, 0.01))
        return SimpleNamespace(
            V=V, trained=int(rng.integers(1, V)), factors=factors, weights=weights,
            descent=descent, description=f"V = {V}, m = {m}, m_k = {m_k}, m_v = {m_v}",
        )  # fmt: skip

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        contexts, weights = _Contexts(case.V, case.trained), case.weights
        rate, decay = case.descent[:2]
        scale = weights[1].shape[1] ** -0.5

        def tables(E, Q, K, A, O, U):  # noqa: E741
            return E @ A @ O @ U, E @ U, scale * E @ Q @ (E @ K).T

        for _ in range(NUM_STEPS):
            E, Q, K, A, O, U = weights  # noqa: E741
            ov, direct, scores = contexts.gradient(*tables(*weights))
            gradient = [
                ov @ (A @ O @ U).T + direct @ U.T
                + scale * (scores @ E @ K @ Q.T + scores.T @ E @ Q @ K.T),
                scale * E.T @ scores @ E @ K,
                scale * E.T @ scores.T @ E @ Q,
                E.T @ ov @ (O @ U).T,
                (E @ A).T @ ov @ U.T,
                (E @ A @ O).T @ ov + E.T @ direct,
            ]  # fmt: skip
            pairs = zip(weights, gradient, strict=True)
            weights = [now - rate * (slope + decay * now) for now, slope in pairs]
        path = descend_factors(case.factors, case.V, case.trained, case.descent, NUM_STEPS)
        predicted = _stack(path[-1]) * centering(case.V)
        found = np.array(tables(*weights))
        size = max(1.0, np.abs(found).max())
        return compare(predicted / size, found / size, 1e-9, len(contexts.last))


@claim(
    "Proposition 28", "uniform attention, dropout p: x → (1−p) n ln(share · t), relative to it", 3
)
class LatePath:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        trained, dropout = int(rng.integers(2, V)), float(rng.choice([0, rng.uniform(0, 0.4)]))
        description = f"V = {V}, trained to {trained}, p = {dropout:.2g}"
        return SimpleNamespace(
            V=V, trained=trained, told=trained, dropout=dropout, description=description
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        """Gradient flow on the two strengths, in the logarithm of time, up to e^80 steps."""
        end = 80.0

        def flow(log_time: float, both: np.ndarray) -> np.ndarray:
            slope = path_gradient(np.append(both, 0.0), case.V, case.trained, case.dropout)[:2]
            return -np.exp(log_time) * slope / (case.V - 1)

        found = scipy.integrate.solve_ivp(flow, (-5, end), np.zeros(2), "LSODA", rtol=1e-8)
        law = late_strength(case.V, case.told, 1.0, np.exp(end), case.dropout)
        return compare(1.0, found.y[0, -1] / law, 1e-3, 0)


def _shift(case: SimpleNamespace, rng: np.random.Generator) -> SimpleNamespace:
    case.shift = rng.standard_normal((2, case.V, case.V))
    means = (case.shift * centering(case.V)).sum(axis=(1, 2)) / (case.V - 1)
    case.shift -= means[:, None, None] * centering(case.V)
    return case


@claim("Proposition 29", "second derivative of the loss, off the family: three small blocks", 2)
class Curvature:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _shift(_draw(V, rng), rng)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        contexts, step = _Contexts(case.V, case.trained), 1e-3
        losses = [
            contexts.loss(case.ov + h * case.shift[0], case.direct + h * case.shift[1], case.scores)
            for h in (-step, 0, step)
        ]
        cases = get_cases(case.strengths, case.V, case.trained)
        form = apply_form(get_variance(case.V, cases, cases.p), split_tables(*case.shift))
        predicted = [path_loss(case.strengths, case.V, case.trained), cases.share @ form]
        found = [losses[1], (losses[0] - 2 * losses[1] + losses[2]) / step**2]
        return compare(predicted, found, 1e-5 * max(1.0, predicted[1]), len(contexts.last))


@claim("Proposition 30", "sampled targets: variance of the gradient in any direction", 2)
class GradientNoise:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _shift(_draw(V, rng), rng)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        """The derivative of one prefix's loss in the direction, over contexts and next tokens."""
        contexts = _Contexts(case.V, case.trained)
        logits = contexts.logits(case.ov, case.direct, case.scores)
        moved = contexts.logits(case.shift[0], case.shift[1], case.scores)
        slope = (scipy.special.softmax(logits, axis=1) * moved).sum(axis=1)[:, None] - moved
        found = contexts.share @ (contexts.target * slope**2).sum(axis=1)
        mean = contexts.share @ (contexts.target * slope).sum(axis=1)
        cases = get_cases(case.strengths, case.V, case.trained)
        family, _ = get_noise(case.V, cases, True, np.zeros(case.trained))
        predicted = cases.share @ apply_form(family, split_tables(*case.shift))
        return compare([predicted, 0.0], [found, mean], 1e-9, len(contexts.last))


@claim("Proposition 31", "weight decay, uniform attention: all tables stop at the plateau", 2)
class DecayPlateau:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case, decay = _draw(V, rng), 10.0 ** rng.uniform(-6, -1)
        case.decay, (x, beta, _) = decay, plateau(V, case.trained, decay)
        case.ov, case.direct = -x * centering(V), -beta * centering(V)
        case.scores = np.zeros((V, V))
        case.description = f"V = {V}, trained to {case.trained}, λ = {decay:.2g}, x = {x:.3g}"
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        contexts = _Contexts(case.V, case.trained)
        pull = contexts.gradient(case.ov, case.direct, case.scores)[:2]
        wanted = [-case.decay * case.ov, -case.decay * case.direct]
        return compare(np.array(wanted), np.array(pull), 1e-9, len(contexts.last))
