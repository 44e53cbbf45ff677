"""Claims on floating point: sums that are exact, and a bound for those that are not."""

from types import SimpleNamespace

import numpy as np

from gamecircuits.analysis.contexts import sample_contexts
from gamecircuits.claims.claim import Outcome, bound, claim, compare
from gamecircuits.theory.rounding import spread_bound
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import helmert


def _spreads(embedding, unembedding, x, contexts) -> list[float]:
    """Largest spread of absent logits at each length, of −x · mean embedding · unembedding."""
    dtype, found = embedding.dtype, []
    for members in contexts:
        mean = members.astype(dtype) @ embedding / members.sum(axis=1, dtype=dtype)[:, None]
        logits = (-dtype.type(x) * mean) @ unembedding
        high = np.where(members, -np.inf, logits).max(axis=1)
        found.append(float((high - np.where(members, np.inf, logits).min(axis=1)).max()))
    return found


def _contexts(V: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [sample_contexts(V, s, 50, rng)[0] for s in (1, 2, max(1, V // 2), V - 1)]


@claim(
    "Proposition 26", "one-hot embedding, float32: the absent logits agree to the bit, at any x", 2
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
        spreads = _spreads(case.embedding, case.embedding.T, case.x, case.contexts)
        return compare(0, spreads, 0, sum(map(len, case.contexts)))


@claim(
    "Proposition 26",
    "simplex in float32: spread of absent logits <= 2ux(2 + s + (V+2)μ), to first order in u",
    2,
)
class RoundingSpread:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        size = 16 * V
        return SimpleNamespace(
            embedding=helmert(size).astype(np.float32), x=x_min(size, 1e-3),
            contexts=_contexts(size, rng), description=f"V = {size}, x = x_min(0.001)",
        )  # fmt: skip

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        spreads = _spreads(case.embedding, case.embedding.T, case.x, case.contexts)
        lengths = [int(members[0].sum()) for members in case.contexts]
        limits = [spread_bound("float32", case.x, len(case.embedding), s) for s in lengths]
        return bound("<=", np.array(limits), np.array(spreads), 0, sum(map(len, case.contexts)))
