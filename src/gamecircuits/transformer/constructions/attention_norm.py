"""The balanced construction with its attention output normalised: no decay at long lengths."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gamecircuits.theory.displacement import Displacements
from gamecircuits.theory.strength import attention_norm_displacements, gain_min
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import FullWidth
from gamecircuits.transformer.model import Norm, Parameters


@dataclass(frozen=True)
class AttentionNorm(FullWidth):
    """Displacement g √(V/(s(V−s))): as large at length V−1 as at length 1 (Prop. 23).

    The average of s simplex vertices has norm √((V−s)/(V s)); dividing by it undoes the dispersion
    of attention. The weights are those of `balanced` with x = 1 (any x gives the same model), and
    the gain g is the smallest that keeps the illegal token rate at most `max_illegal_rate` at every
    length; it is reached at a length above V/2, the nearer to it the smaller the rate. d = 2(V−1),
    d_v = V−1, d_k = 0.
    """

    norm: ClassVar[Norm] = "attention"

    @property
    def gain(self) -> float:
        return gain_min(self.vocab_size, self.max_illegal_rate)

    def parameters(self) -> Parameters:
        return get_set_complement_parameters(self.vocab_size, d_model=self.d_model, x=1.0)

    def displacements(self, lengths: np.ndarray) -> Displacements:
        return attention_norm_displacements(self.vocab_size, lengths, self.gain)
