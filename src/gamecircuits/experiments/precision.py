"""How level are the absent logits in floating point, by type and basis (Observation 26)?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import scipy
from annotated_types import Interval

from gamecircuits.analysis.contexts import sample_contexts
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.rounding import ROUNDING, rounding_spread, rounding_total_variation
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import helmert

BASES = ("helmert", "rotated", "hadamard", "one-hot")
VOCAB_SIZES = (16, 64, 256, 1024)


@dataclass(frozen=True)
class Precision(Experiment):
    """Spread of the absent logits, and the total variation that rounding causes, for D = −xP.

    Tokens are the rows of F (V, d), logits −x (mean of the seen rows) Fᵀ, product by product in the
    given type, at the x that `max_illegal_rate` needs. In exact arithmetic four bases give the same
    logits: `helmert`; `rotated`, the same times a random orthogonal matrix; `hadamard`, all ±1,
    where sums over tokens and Fᵀ come before any scaling; `one-hot`, F = I and D = −xI. The last
    two are exact: all sums are integers, the same for every absent token.

    Rounding the operands alone, F, the mean and x times the mean, each by a relative u at most,
    moves a logit by at most ux(1 + 3√((V−s)/(sV))) to first order, by Cauchy and Schwarz: F has
    rows, and the mean a length, of √((V−s)/(sV)) < 1. `operand_bound` is twice that. It leaves out
    rounding of sums, small for float16 and bfloat16 with sums in float32, and an F that is not
    orthogonal to the last digit, as `rotated` in float64.
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
            for length in (1, 2, V // 4, V // 2, V - 2):
                members = np.eye(V, dtype=bool)
                if length > 1:
                    members, _ = sample_contexts(V, length, self.num_contexts, rng)
                mean_norm = ((V - length) / (length * V)) ** 0.5
                for basis, vectors in bases.items():
                    for dtype, (unit, _) in ROUNDING.items():
                        logits = rounded_logits(members, vectors, x, basis, dtype)
                        rows.append(
                            {"vocab_size": V, "length": length, "basis": basis, "dtype": dtype}
                            | {"contexts": len(members), "x": x, "unit": unit}
                            | {"max_illegal_rate": self.max_illegal_rate}
                            | _measure(logits, members, x)
                            | {"operand_bound": 2 * unit * x * (1 + 3 * mean_norm)}
                            | {"predicted_spread": rounding_spread(dtype, x)}
                            | {"predicted_total_variation": rounding_total_variation(dtype, x)}
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
