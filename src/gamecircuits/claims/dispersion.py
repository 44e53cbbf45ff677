"""Claims on dispersion and its remedies, optimality, dropout and the constructed models."""

import itertools
from types import SimpleNamespace
from typing import Literal

import numpy as np

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.evaluation import evaluate_exhaustively
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
from gamecircuits.theory.basics import centering
from gamecircuits.theory.dispersion import (
    dropout_displacement,
    dropout_illegal_odds,
    dropout_kl,
    illegal_rate_floor,
    largest_mean_x,
    mean_strengths,
    symmetrised_kl_floor,
)
from gamecircuits.theory.strength import gain_min, gain_min_bound
from gamecircuits.transformer.circuits import ov_circuit
from gamecircuits.transformer.constructions.attention_norm import AttentionNorm
from gamecircuits.transformer.constructions.balanced import Balanced
from gamecircuits.transformer.constructions.block import Block
from gamecircuits.transformer.constructions.frame import Frame
from gamecircuits.transformer.constructions.harmonic import Harmonic
from gamecircuits.transformer.constructions.minimal import Minimal
from gamecircuits.transformer.constructions.residual_norm import ResidualNorm
from gamecircuits.transformer.constructions.self_sink import SelfSink
from gamecircuits.transformer.constructions.sink import Sink
from gamecircuits.transformer.constructions.tied import Tied
from gamecircuits.transformer.constructions.untrained import Untrained


def _uniform_x(V: int, rng: np.random.Generator) -> SimpleNamespace:
    case = random_standard_form(V, rng)
    x = rng.uniform(3, 40)
    beta = x * rng.uniform(-0.5, 0.5, V)
    case.ov += np.diag(case.x - x)
    case.direct += np.diag(case.beta - beta)
    case.x, case.beta = np.full(V, x), beta
    case.description = f"V = {V}, x = {x:.3g}, random β, attention and gauge"
    return case


@claim("Theorem 21", "uniform x: the mean displacement is (x + β_ℓ)/s, whatever the attention", 2)
class Dispersion:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _uniform_x(V, rng)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.x))
        _, delta, _ = measure(case, members, last)
        law = (case.x[0] + case.beta[last]) / members.sum(axis=1)
        return compare(law, np.nanmean(delta, axis=1), 1e-10, len(last))


@claim(
    "Theorem 21",
    "uniform x: illegal token rate / [s e^(−δ₁/s)/(s e^(−δ₁/s) + V−s)] >= 1, for any attention",
    2,
)
class IllegalRateFloor:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _uniform_x(V, rng)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.x)
        members, last = all_contexts(V)
        rate = context_metrics(tables_of(case).set_logits(members, last), ~members)
        delta_1 = case.x[0] + case.beta[last]
        size = members.sum(axis=1)
        floors = illegal_rate_floor(V, size, delta_1)
        return bound(">=", 1.0, rate["illegal_token_rate"] / floors, 1e-9, len(last))


@claim("Theorem 22", "uniform attention, any D, B: mean KL at least that of −x̄P, −β̄P")
class Symmetrisation:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = random_standard_form(V, rng)
        size = rng.uniform(0, 3)
        if rng.random() < 0.3:  # equality
            case.ov, case.direct, size = -case.x[0] * centering(V), -case.beta[0] * centering(V), 0
        case.ov += size * rng.standard_normal((V, V))
        case.direct += size * rng.standard_normal((V, V))
        case.scores = np.zeros((V, V))
        case.description = f"V = {V}, random circuits, uniform attention"
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.ov)
        members, last = all_contexts(V)
        kl = context_metrics(tables_of(case).set_logits(members, last), ~members)["kl_divergence"]
        lengths, size = np.arange(1, V), members.sum(axis=1)
        floors = symmetrised_kl_floor(V, lengths, *mean_strengths(case.ov, case.direct))
        means = np.array([kl[size == s].mean() for s in lengths])
        return bound(">=", floors, means, 1e-13, len(last))


@claim("Theorem 22", "‖D‖ <= N: x̄ <= N, N/√(V−1), N/(V−1) (operator, Frobenius, nuclear), at −x̄P")
class NormOptimum:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        case = SimpleNamespace(description=f"V = {V}, 200 random D and the optimum")
        case.candidates = [-centering(V), *rng.standard_normal((200, V, V))]
        case.budget = 1.0
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.candidates[0])
        orders: dict[str, Literal["fro", "nuc"] | float]
        orders = {"operator": 2, "frobenius": "fro", "nuclear": "nuc"}
        found = [
            max(
                mean_strengths(D / np.linalg.norm(D, order), D)[0] * case.budget
                for D in case.candidates
            )
            for order in orders.values()
        ]
        return compare([largest_mean_x(V, norm, 1.0) for norm in orders], found, 1e-12, 0)


@claim("Proposition 25", "dropout on attention: mean displacement, odds and KL, over all masks")
class Dropout:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        x, rate = rng.uniform(2, 30), rng.uniform(0.05, 0.6)
        description = f"V = {V}, x = {x:.3g}, p = {rate:.2g}"
        return SimpleNamespace(
            ov=-x * centering(V), direct=np.zeros(V), x=x, rate=rate, description=description
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        """Visit every dropout mask of one context of each length; all contexts are alike."""
        V, p = len(case.ov), case.rate
        predicted, measured, contexts = [], [], 0
        for s in range(1, V):
            masks = np.array(list(itertools.product([0, 1], repeat=s)))
            share = p ** (s - masks.sum(axis=1)) * (1 - p) ** masks.sum(axis=1)
            rescaled = masks / (s * (1 - p)) @ case.ov[:s] + case.direct
            kept = masks / np.maximum(masks.sum(axis=1, keepdims=True), 1)
            renormalised = kept @ case.ov[:s] + case.direct
            delta = [table[:, s:].mean(axis=1) - table[:, :s].mean(axis=1)
                     for table in (rescaled, renormalised)]  # fmt: skip
            seen, absent = np.exp(rescaled[:, :s]).sum(axis=1), np.exp(rescaled[:, s:])
            legal = np.tile(np.arange(V) >= s, (len(masks), 1))
            kl = context_metrics(rescaled, legal)["kl_divergence"]
            measured += [share @ delta[0], share @ delta[1], share @ (seen / absent.sum(axis=1)),
                         share @ kl, 0.0]  # fmt: skip
            lengths = np.array([s])
            predicted += [
                dropout_displacement(V, lengths, case.x, p)[0],
                dropout_displacement(V, lengths, case.x, p, renormalised=True)[0],
                dropout_illegal_odds(V, lengths, case.x, p)[0],
                dropout_kl(V, lengths, case.x, p)[0],
                np.ptp(rescaled[:, s:], axis=1).max(),
            ]
            contexts += len(masks)
        return compare(predicted, measured, 1e-10, contexts)


@claim(
    "Propositions 15, 23, 24",
    "x_min and gain_min: the promised illegal token rate is kept, and reached",
    2,
)
class PromisedRate:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        rate = 10.0 ** rng.uniform(-6, -1)
        kinds = [Balanced, Minimal, Harmonic, Sink, SelfSink, AttentionNorm, ResidualNorm]
        kind = rng.choice(np.array(kinds, dtype=object))
        model = kind(V, max_illegal_rate=rate).model()
        description = f"V = {V}, {kind.__name__}, rate {rate:.2g}"
        return SimpleNamespace(model=model, rate=rate, description=description)

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        members, last = all_contexts(len(case.model.parameters.W_E))
        logits = case.model.tables().set_logits(members, last)
        rate = context_metrics(logits, ~members)["illegal_token_rate"].max()
        return compare(1.0, rate / case.rate, 1e-9, len(last))


@claim("Proposition 23", "gain_min <= √V / sinh(u*/2), (L+u*) tanh(u*/2) = 2, nearly reached", 2)
class GainBound:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        rate = 10.0 ** rng.uniform(-6, -1)
        sizes = V * np.array([1, 10, 100])
        gains = [gain_min(size, rate) for size in sizes]
        return SimpleNamespace(
            sizes=sizes, gains=gains, rate=rate, description=f"V = {sizes}, {rate:.2g}"
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        share = np.array(case.gains) / (gain_min_bound(case.rate) * np.sqrt(case.sizes))
        if (share > 1 + 1e-12).any():
            return compare(1.0, share.max(), 1e-12, 0)
        return compare(1.0, share[-1], 0.01, 0)


def _construction(V: int, kind: type, **settings) -> SimpleNamespace:
    construction = kind(V, **settings)
    shown = [
        f"{name} = {value if isinstance(value, str) else format(value, '.3g')}"
        for name, value in settings.items()
    ]
    return SimpleNamespace(
        model=construction.model(),
        laws=construction.closed_form(np.arange(1, V)),
        size=max(1.0, np.abs(ov_circuit(construction.parameters())).max()),
        description=", ".join([f"V = {V}", *shown]),
    )


class _OfConstruction:
    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        """Compare mean, minimum and maximum of every metric at every length with the closed form.

        The tolerance is relative to the size of the weights.
        """
        table = evaluate_exhaustively(case.model)
        predicted, measured = [], []
        for metric, law in case.laws.items():
            rows = table[table["metric"] == metric]
            for statistic, values in law._asdict().items():
                known = ~np.isnan(values)
                predicted += list(values[known])
                measured += list(rows[statistic].to_numpy()[known])
        count = int(table[table["metric"] == "kl_divergence"]["count"].sum())
        return compare(predicted, measured, 1e-12 * case.size, count)


def _rate(rng: np.random.Generator) -> dict:
    return {"max_illegal_rate": 10.0 ** rng.uniform(-4, -1.5)}


@claim("Theorem 9", "the balanced construction: every metric in closed form", 2)
class BalancedModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, Balanced, **_rate(rng))


@claim("Corollary 4", "the minimal construction, d = V−1: every metric in closed form", 2)
class MinimalModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, Minimal, beta=rng.uniform(0.3, 3), **_rate(rng))


@claim("Theorem 9", "the harmonic construction, d_k = 1: every metric in closed form", 2)
class HarmonicModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, Harmonic, spread=rng.uniform(1.2, 8), **_rate(rng))


@claim("Proposition 11", "the tied construction: every metric in closed form", 5)
class TiedModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        attention = str(rng.choice(["uniform", "balanced"]))
        critical = rng.integers(3, V + 2) + 0.5
        return _construction(V, Tied, critical_length=critical, attention=attention)


@claim("Corollary 21a", "the sink construction: Δ = x/(s+a0), every metric in closed form", 2)
class SinkModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, Sink, weight=rng.uniform(0.1, 20), **_rate(rng))


@claim(
    "Corollary 21b", "the self-sink construction: others x/(A+s−1), all metrics in closed form", 2
)
class SelfSinkModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, SelfSink, weight=10.0 ** rng.uniform(0.1, 2), **_rate(rng))


@claim("Proposition 19", "the block construction: every metric in closed form, at any x", 2)
class BlockModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, Block, d_model=int(rng.integers(1, V)), x=rng.uniform(1, 50))


@claim("Theorem 22", "the frame construction: mean displacement x(1−ḡ)/s", 2)
class FrameModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        width, seed = int(rng.integers(1, V)), int(rng.integers(1 << 30))
        return _construction(V, Frame, d_v=width, seed=seed, x=rng.uniform(1, 20))


@claim("Proposition 23", "norm of the attention output: Δ = g √(V/(s(V−s)))", 2)
class AttentionNormModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, AttentionNorm, **_rate(rng))


@claim("Proposition 24", "norm of the residual stream: Δ = g/√(s + (ρ²−1/V)s²)", 2)
class ResidualNormModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        ratio = 10.0 ** rng.uniform(-1, 1)
        return _construction(V, ResidualNorm, embedding_ratio=ratio, **_rate(rng))


@claim(
    "Proposition 14",
    "equal logits: illegal token rate = total variation = s/V, KL = ln(V/(V−s))",
    2,
)
class UntrainedModel(_OfConstruction):
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        return _construction(V, Untrained)
