"""How level are the absent logits in floating point, by type and basis (Proposition 26)?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import scipy
from annotated_types import Interval

from gamecircuits.analysis.contexts import sample_contexts
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.basics import centering, gamma
from gamecircuits.theory.rounding import ROUNDING, spread_bound, total_variation_bound
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import helmert

BASES = ("helmert", "rotated", "hadamard", "one-hot")
SIMPLEX = ("helmert", "rotated")  # where FFᵀ = P
BOUNDS = {"spread": spread_bound, "total_variation": total_variation_bound}
VOCAB_SIZES = (16, 64, 256, 1024)


@dataclass(frozen=True)
class Precision(Experiment):
    """Spread of the absent logits, and the total variation that rounding causes, for D = −xP.

    Tokens are the rows of F (V, d), logits −x (mean of the seen rows) Fᵀ, product by product in the
    given type, at the x that `max_illegal_rate` needs. In exact arithmetic four bases give the same
    logits: `helmert`; `rotated`, the same times a random orthogonal matrix; `hadamard`, all ±1,
    where sums over tokens and Fᵀ come before any scaling; `one-hot`, F = I and D = −xI. The last
    two are exact: all sums are integers, the same for every absent token.

    `proven_spread` and `proven_total_variation` bound the first two bases, whose `defect` is the
    largest entry of |FFᵀ − P|, for F as stored.
    """

    largest_vocab_size: Annotated[
        Literal[16, 64, 256, 1024], "V goes through 16, 64, 256, 1024 up to this"
    ] = 1024
    num_contexts: Annotated[
        int,
        Interval(ge=1, le=1000),
        "random contexts at each length 2, V/4, V/2, V−2; at length 1 all V are taken",
    ] = 200
    max_illegal_rate: Annotated[
        float, Interval(ge=1e-6, le=0.5), "softmax mass on seen tokens that x is chosen for"
    ] = 1e-3

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """One row per V, length, basis and type: largest and mean over the contexts."""
        rows = []
        for V in VOCAB_SIZES[: VOCAB_SIZES.index(self.largest_vocab_size) + 1]:
            x = x_min(V, self.max_illegal_rate)
            bases = {basis: get_basis(basis, V, rng) for basis in BASES}
            defects = {
                (basis, dtype): get_defect(round_to(bases[basis], dtype))
                for basis in SIMPLEX
                for dtype in ROUNDING
            }
            for length in (1, 2, V // 4, V // 2, V - 2):
                members = np.eye(V, dtype=bool)
                if length > 1:
                    members, _ = sample_contexts(V, length, self.num_contexts, rng)
                for basis, vectors in bases.items():
                    for dtype, (unit, _) in ROUNDING.items():
                        logits = rounded_logits(members, vectors, x, basis, dtype)
                        defect = defects.get((basis, dtype), np.nan)
                        case = (dtype, x, V, length, defect)
                        rows.append(
                            {"vocab_size": V, "length": length, "basis": basis, "dtype": dtype}
                            | {"contexts": len(members), "x": x, "unit": unit, "defect": defect}
                            | {"max_illegal_rate": self.max_illegal_rate}
                            | _measure(logits, members, x)
                            | {
                                f"proven_{name}": bound(*case) if basis in SIMPLEX else np.nan
                                for name, bound in BOUNDS.items()
                            }
                        )
            log(f"V = {V}")
        return pd.DataFrame(rows)


def round_to(values: np.ndarray | float, dtype: str) -> np.ndarray:
    """The nearest numbers of a type, ties to even; those of 16 bits are held as float32.

    bfloat16 is the upper half of a float32: add half of what will be cut off, less one if the last
    bit that stays is even, and cut.
    """
    if dtype == "float64":
        return np.asarray(values, dtype=np.float64)
    if dtype == "float16":
        return np.asarray(values, dtype=np.float16).astype(np.float32)
    single = np.asarray(values, dtype=np.float32)
    if dtype == "float32":
        return single
    bits = single.view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return (bits & np.uint32(0xFFFF0000)).view(np.float32)


def get_basis(basis: str, vocab_size: int, rng: np.random.Generator) -> np.ndarray:
    """F (V, d), float64: FFᵀ is I for one-hot, VP for hadamard, else P."""
    if basis == "one-hot":
        return np.eye(vocab_size)
    if basis == "hadamard":
        return scipy.linalg.hadamard(vocab_size, dtype=float)[:, 1:]
    H = helmert(vocab_size)
    if basis == "rotated":
        rotation, _ = np.linalg.qr(rng.standard_normal((vocab_size - 1, vocab_size - 1)))
        return H @ rotation
    return H


def get_defect(stored: np.ndarray) -> float:
    """Largest entry of |FFᵀ − P| for F (V, d) as stored, at most: computed in float64."""
    V, F = len(stored), stored.astype(np.float64)
    return float(np.abs(F @ F.T - centering(V)).max()) + gamma(V, ROUNDING["float64"].unit)


def rounded_logits(
    members: np.ndarray, vectors: np.ndarray, x: float, basis: str, dtype: str
) -> np.ndarray:
    """Logits (N, V) after sets, bool (N, V): operands rounded, sums in float32 (or float64)."""
    num_seen = members.sum(axis=1, keepdims=True)
    F = round_to(vectors, dtype)
    if basis == "hadamard":
        summed = round_to(members, dtype) @ F
        scale = -x / (num_seen * members.shape[1])
        return (round_to(summed, dtype) @ F.T) * round_to(scale, dtype)
    mean = round_to(members / num_seen, dtype) @ F
    moved = round_to(mean, dtype) * round_to(-x, dtype)  # W_O = −xI
    return round_to(moved, dtype) @ F.T


def _measure(logits: np.ndarray, members: np.ndarray, x: float) -> dict:
    """Spread of the absent logits (nats), and the distance of p from that of exact arithmetic."""
    exact = np.where(members, -x / members.sum(axis=1, keepdims=True), 0.0)
    logits = logits.astype(np.float64)
    spread = np.where(members, -np.inf, logits).max(axis=1)
    spread -= np.where(members, np.inf, logits).min(axis=1)
    distance = np.abs(_softmax(logits) - _softmax(exact)).sum(axis=1) / 2
    return {
        "spread_max": spread.max(),
        "spread_mean": spread.mean(),
        "total_variation_max": distance.max(),
        "total_variation_mean": distance.mean(),
    }


def _softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)
