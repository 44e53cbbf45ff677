"""Few dimensions: is it better to treat some tokens exactly or all roughly (Prop. 19, 20)?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np
import pandas as pd
import scipy
from annotated_types import Interval, MultipleOf

from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.superposition import (
    block_limits,
    coherence_bound,
    frame_kl_bound,
    kl_floor_by_length,
    total_variation_floor,
    untrained_kl,
)
from gamecircuits.transformer.constructions.frame import get_frame, has_equiangular

RANGE = (-6.0, 9.0)  # of ln x; at the upper end a strength that only helps is as good as infinite


def get_fourier_frame(vocab_size: int, width: int) -> np.ndarray:
    """V unit vectors F (V, m) with FᵀF = (V/m)I and Σ_t F[t] = 0: points on m/2 circles.

    Token t stands at the angle 2πkt/V on the circle of frequency k; those frequencies are taken
    whose largest inner product is least. An odd m adds a coordinate ±1, for which V must be even.
    """
    tokens = np.arange(vocab_size)
    alternating = (-1.0) ** tokens[:, None] * np.ones(width % 2)  # (V, 0 or 1)

    def frame(frequencies: tuple[int, ...]) -> np.ndarray:
        angles = 2 * np.pi / vocab_size * tokens[:, None] * np.array(frequencies, dtype=float)
        circles = 2**0.5 * np.hstack([np.cos(angles), np.sin(angles)])
        return np.hstack([circles, alternating]) / width**0.5

    def coherence(frequencies: tuple[int, ...]) -> float:
        vectors = frame(frequencies)
        return np.abs(vectors[1:] @ vectors[0]).max()

    return frame(min(combinations(range(1, (vocab_size + 1) // 2), width // 2), key=coherence))


@dataclass(frozen=True)
class Superposition(Experiment):
    """Mean KL and total variation over all contexts, for OV circuits −xG of rank m < V−1.

    Uniform attention and no direct path, so that the logits depend on the set of seen tokens alone.
    Four solutions: `block` (G is the identity for the first m tokens, zero for the others), and G
    the Gram matrix of three frames, `fourier`, `equiangular` and `random_signs`. The strength x is
    the best for this length and metric, which no single model can have at all lengths.

    For m ≪ V, a frame with FᵀF = (V/m)I and ΣF = 0 lowers the mean KL by ms/(2(V−1)(V−s)) at its
    best, second order in x, and the block by (ms/V) ln(V/(V−1)): the frame is better from s = V/2.
    """

    vocab_size: Annotated[
        int,
        Interval(ge=6, le=16),
        MultipleOf(2),
        "number of tokens V; 6 and 14 have an equiangular frame, m = V/2",
    ] = 14
    num_seeds: Annotated[int, Interval(ge=1, le=100), "draws of the random signs"] = 5

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """One row per solution, seed, width m, length and metric.

        `value` is the mean over all contexts at the best strength `x`, `untrained` that of equal
        logits; `floor` what no logits in m dimensions get below, `limit` the closed form of the
        block, `bound` what theory promises: for random signs on average over signs (KL), for every
        frame by its largest inner product (total variation). NaN where theory says nothing.
        """
        V = self.vocab_size
        sets = (np.arange(1 << V) >> np.arange(V)[:, None]) & 1 == 1
        size = sets.sum(axis=0)
        rows = []
        for width in range(2, V - 1):
            for solution, seed, gram in self._solutions(width, rng):
                for length in range(1, V):
                    names = {"solution": solution, "seed": seed, "width": width, "length": length}
                    found = _measure(solution, gram, width, sets[:, size == length])
                    rows += [names | row for row in found]
            log(f"width {width} of {V - 2}")
        return pd.DataFrame(rows).assign(vocab_size=V)

    def _solutions(
        self, width: int, rng: np.random.Generator
    ) -> Iterator[tuple[str, int, np.ndarray]]:
        """Name, seed and G (V, V) of rank m."""
        V = self.vocab_size
        yield "block", 0, np.diag(1.0 * (np.arange(V) < width))
        frames = [("fourier", 0, get_fourier_frame(V, width))]
        if has_equiangular(V, width):
            frames.append(("equiangular", 0, get_frame(V, width, "equiangular")))
        for seed in range(self.num_seeds):
            signs = rng.choice([-1.0, 1.0], size=(V, width))
            frames.append(("random_signs", seed, signs / width**0.5))
        for solution, seed, vectors in frames:
            yield solution, seed, vectors @ vectors.T


def _measure(solution: str, gram: np.ndarray, width: int, members: np.ndarray) -> list[dict]:
    """Both metrics over all sets of one size, bool (V, N), each at the x that is best for it."""
    V, length = len(gram), int(members[:, 0].sum())
    s = np.array([length])
    pushed = gram @ members / length
    q = ~members / (V - length)

    def kl(x: float) -> float:
        return _kl(-x * pushed, q)

    def variation(x: float) -> float:
        return _total_variation(-x * pushed, q)

    rows = [
        _best(kl)
        | {"metric": "kl_divergence", "untrained": untrained_kl(V, s)[0]}
        | {"floor": kl_floor_by_length(V, s, width)[0]},
        _best(variation)
        | {"metric": "total_variation", "untrained": length / V}
        | {"floor": total_variation_floor(V, width) if length == 1 else 0.0},
    ]
    limits, bounds = [np.nan, np.nan], [np.nan, np.nan]
    if solution == "block":
        limits = [value[0] for value in reversed(block_limits(V, s, width))]
    else:
        coherence = np.abs(gram[~np.eye(V, dtype=bool)]).max()
        bounds[1] = _best(lambda x: coherence_bound(V, s, x, coherence)[0])["value"]
    if solution == "random_signs":
        bounds[0] = _best(lambda x: frame_kl_bound(V, s, x, width)[0])["value"]
    return [
        row | {"limit": limit, "bound": bound}
        for row, limit, bound in zip(rows, limits, bounds, strict=True)
    ]


def _best(function: Callable[[float], float]) -> dict:
    """The smallest value over x, and the x that reaches it."""
    found = scipy.optimize.minimize_scalar(
        lambda log_x: function(np.exp(log_x)), bounds=RANGE, options={"xatol": 2e-3}
    )
    return {"value": float(found.fun), "x": float(np.exp(found.x))}


def _kl(logits: np.ndarray, q: np.ndarray) -> float:
    """Mean KL(q‖p) of logits (V, N), where q (V, N) is uniform over as many tokens everywhere."""
    top = logits.max(axis=0)
    total = np.exp(logits - top).sum(axis=0)
    return float((np.log(total) + top - (q * logits).sum(axis=0)).mean() + np.log(q.max()))


def _total_variation(logits: np.ndarray, q: np.ndarray) -> float:
    p = np.exp(logits - logits.max(axis=0))
    return float(np.abs(p / p.sum(axis=0) - q).sum(axis=0).mean() / 2)
