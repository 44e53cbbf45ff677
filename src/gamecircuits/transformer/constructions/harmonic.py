"""Tokens of unequal strength, balanced all the same: attention has to compensate."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.theory.displacement import harmonic_displacement
from gamecircuits.theory.laws import ContextClasses, two_kinds
from gamecircuits.transformer.constructions.construction import (
    FullWidth,
    check_not_trivial,
    choose_width,
    helmert,
    place,
)
from gamecircuits.transformer.model import Parameters


def get_harmonic_parameters(x: np.ndarray, *, d_model: int | None = None) -> Parameters:
    """Weights of a model that is balanced at every length, with any strengths x > 0 (V,).

    Attention to token j is proportional to 1/x_j, so that w_j x_j, the displacement, is the same
    for all seen tokens: 1/Σ_k (1/x_k), the law of parallel resistors (Theorem 9). With H (V, V−1)
    from `helmert`, the harmonic mean h = V/Σ(1/x), and y = −(h/V) Hᵀ(1/x):

        W_E = [H, −1yᵀ]   W_Q = [0; −y/‖y‖²]   W_K = [−Hᵀ ln x; 0]
        W_V = [I; 0]      W_O = [0 −I]         W_U = [0; Hᵀ diag(x)]

    The second half of the residual stream is the same for all tokens: all queries are 1, and the
    scores are −ln x up to a constant. The OV circuit is −P diag(x) = −diag(x) + 1xᵀ/V. The direct
    path, −1(x−h)ᵀ/V, is the same for every token and cancels the part of the OV circuit that
    favours strong tokens. d = 2(V−1), the least (Theorem 13), d_v = V−1, d_k = 1.
    """
    x = np.asarray(x, dtype=float)
    harmonic_displacement(x)  # checks x > 0
    V, n = len(x), len(x) - 1
    d = choose_width(d_model, V, half_widths=2)
    H, identity = helmert(V), np.eye(n)
    y = -H.T @ (1 / x) / (1 / x).sum()
    if np.abs(y).max() < 1e-13:  # then queries would have no direction of their own
        raise ParameterError("x", x.tolist(), "not all equal; for equal x take kind balanced")
    queries, keys = -y / (y @ y), -H.T @ np.log(x)
    return Parameters(
        W_E=place(np.hstack([H, np.tile(-y, (V, 1))]), (V, d), (0, 0)),
        W_Q=place(queries[:, None], (d, 1), (n, 0)),
        W_K=place(keys[:, None], (d, 1), (0, 0)),
        W_V=place(identity, (d, n), (0, 0)),
        W_O=place(-identity, (n, d), (0, n)),
        W_U=place(H.T * x, (d, V), (n, 0)),
    )


@dataclass(frozen=True)
class Harmonic(FullWidth):
    """Balanced with strong and weak tokens: displacement 1/Σ_k (1/x_k) over the seen tokens.

    The second half of the vocabulary is `spread` times as strong as the first. How many strong
    tokens are seen is hypergeometric, which makes every mean over contexts exact. Weights and
    theorem: `get_harmonic_parameters`.
    """

    spread: Annotated[
        float, Interval(ge=1.001, le=1000), "strength of the strong tokens in terms of the weak"
    ] = 4.0

    def __post_init__(self):
        super().__post_init__()
        check_not_trivial(self.vocab_size, self.max_illegal_rate)

    @property
    def num_weak(self) -> int:
        return self.vocab_size // 2

    def _needed(self) -> float:
        """Displacement that meets the rate at V−1; the worst context lacks a strong token."""
        odds = self.max_illegal_rate / (1 - self.max_illegal_rate)
        return float(np.log((self.vocab_size - 1) / odds))

    @property
    def weak(self) -> float:
        """x of the weak tokens."""
        num_strong = self.vocab_size - self.num_weak
        return self._needed() * (self.num_weak + (num_strong - 1) / self.spread)

    @property
    def x(self) -> np.ndarray:
        """Strengths (V,)."""
        is_strong = np.arange(self.vocab_size) >= self.num_weak
        return np.where(is_strong, self.spread * self.weak, self.weak)

    def parameters(self) -> Parameters:
        return get_harmonic_parameters(self.x, d_model=self.d_model)

    def context_classes(self, lengths: np.ndarray) -> ContextClasses:
        def displacements(s, num_strong, is_last_strong):
            delta = self.weak / (s - num_strong + num_strong / self.spread)
            return delta, delta, delta

        return two_kinds(self.vocab_size, self.vocab_size - self.num_weak, lengths, displacements)

    def attention_entropy(self, lengths: np.ndarray) -> np.ndarray:
        """ln Z + (ln spread) (share of attention on strong tokens), Z = weak + strong/spread."""
        num_strong = np.repeat(np.arange(self.vocab_size - self.num_weak + 1), 2)
        s = np.asarray(lengths)[:, None]
        strong = num_strong / self.spread
        total = np.maximum(s - num_strong, 0) + strong
        total = np.where(total > 0, total, 1.0)  # classes that do not occur
        return np.log(total) + np.log(self.spread) * strong / total
