"""Claims on floating point: one follows from exact arithmetic, one is observed."""

from types import SimpleNamespace

import numpy as np

from gamecircuits.analysis.contexts import sample_contexts
from gamecircuits.claims.claim import Outcome, bound, claim, compare
from gamecircuits.theory.rounding import rounding_spread
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import helmert


def _spread(embedding, unembedding, x, contexts) -> float:
    """Largest spread of absent logits, where logits are −x · mean embedding · unembedding."""
    dtype, worst = embedding.dtype, 0.0
    for members in contexts:
        mean = members.astype(dtype) @ embedding / members.sum(axis=1, dtype=dtype)[:, None]
        logits = (-dtype.type(x) * mean) @ unembedding
        high = np.where(members, -np.inf, logits).max(axis=1)
        worst = max(worst, float((high - np.where(members, np.inf, logits).min(axis=1)).max()))
    return worst


def _contexts(V: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [sample_contexts(V, s, 50, rng)[0] for s in (1, 2, max(1, V // 2), V - 1)]


@claim(
    "Observation 26", "one-hot embedding, float32: the absent logits agree to the bit, at any x", 2
)
class OneHotIsExact:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        size = 16 * V
        x = 10.0 ** rng.uniform(0, 6)
        return SimpleNamespace(
            embedding=np.eye(size, dtype=np.float32), x=x, contexts=_contexts(size, rng),
            description=f"V = {size}, x = {x:.3g}",
        )  # fmt: skip

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        spread = _spread(case.embedding, case.embedding.T, case.x, case.contexts)
        return compare(0, spread, 0, sum(map(len, case.contexts)))


@claim(
    "Observation 26", "float32, simplex basis: spread of absent logits at most 7 u x (observed)", 2
)
class RoundingSpread:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        size = 16 * V
        return SimpleNamespace(
            embedding=helmert(size).astype(np.float32), x=x_min(size, 1e-3), dtype="float32",
            contexts=_contexts(size, rng), description=f"V = {size}, x = x_min(0.001)",
        )  # fmt: skip

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        spread = _spread(case.embedding, case.embedding.T, case.x, case.contexts)
        limit = rounding_spread(case.dtype, case.x)
        return bound("<=", limit, spread, 0, sum(map(len, case.contexts)))
