"""The balanced construction with its residual stream normalised (post-norm): part of the decay."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.theory.displacement import Displacements
from gamecircuits.theory.strength import gain_min, residual_norm_displacements
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import (
    Construction,
    check_rate,
    check_vocab_size,
    choose_width,
)
from gamecircuits.transformer.model import Norm, Parameters


@dataclass(frozen=True)
class ResidualNorm(Construction):
    """Displacement g/√(s + (ρ²−1/V)s²), with the embedding ρ times as long as x (Prop. 24).

    The norm now contains the token's own embedding, which does not shrink as the average of what
    was seen does. ρ → 0 is the attention norm, which resharpens fully; ρ → ∞ is the 1/s law again.
    The weights are those of `balanced` with x = √(1−1/V)/ρ, and the gain g is the smallest that
    keeps the illegal token rate. d = 2(V−1), d_v = V−1, d_k = 0.

    Attributes:
        vocab_size: number of tokens.
        embedding_ratio: ρ, length of a token's embedding in terms of x.
        max_illegal_rate: highest softmax mass on seen tokens at any length.
        d_model: width of the residual stream; at least 2(V-1), the default.
    """

    vocab_size: int
    embedding_ratio: float = 0.5
    max_illegal_rate: float = 1e-3
    d_model: int | None = None

    norm: ClassVar[Norm] = "residual"

    def __post_init__(self):
        check_vocab_size(self.vocab_size)
        check_rate(self.max_illegal_rate)
        choose_width(self.d_model, 2 * (self.vocab_size - 1), "balance needs width 2(V-1)")
        if not 1e-6 <= self.embedding_ratio <= 1e6:
            raise ParameterError("embedding_ratio", self.embedding_ratio, "1e-6 to 1e6")

    @property
    def gain(self) -> float:
        return gain_min(self.vocab_size, self.max_illegal_rate, self.embedding_ratio)

    def parameters(self) -> Parameters:
        x = float(np.sqrt(1 - 1 / self.vocab_size)) / self.embedding_ratio
        return get_set_complement_parameters(self.vocab_size, d_model=self.d_model, x=x)

    def displacements(self, lengths: np.ndarray) -> Displacements:
        return residual_norm_displacements(
            self.vocab_size, lengths, self.gain, self.embedding_ratio
        )
