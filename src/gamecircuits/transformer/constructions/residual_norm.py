"""The balanced construction with its residual stream normalised (post-norm): part of the decay."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from gamecircuits.theory.displacement import Displacements
from gamecircuits.theory.strength import gain_min, residual_norm_displacements
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import FullWidth
from gamecircuits.transformer.model import Norm, Parameters


@dataclass(frozen=True)
class ResidualNorm(FullWidth):
    """Displacement g/√(s + (ρ²−1/V)s²), with the embedding ρ times as long as x (Prop. 24).

    The norm now contains the token's own embedding, which does not shrink as the average of what
    was seen does. ρ → 0 is the attention norm, which resharpens fully; ρ → ∞ is the 1/s law again.
    The weights are those of `balanced` with x = √(1−1/V)/ρ, and the gain g is the smallest that
    keeps the illegal token rate. d = 2(V−1), d_v = V−1, d_k = 0.
    """

    embedding_ratio: Annotated[
        float, Interval(ge=1e-6, le=1e6), "length ρ of a token's embedding in terms of x"
    ] = 0.5

    norm: ClassVar[Norm] = "residual"

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
