"""An attention sink: the decay looks slower, and every displacement is smaller."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import FullWidth
from gamecircuits.transformer.model import Parameters


@dataclass(frozen=True)
class Sink(FullWidth):
    """A sink takes the attention weight a0 and gives nothing: displacement x/(s+a0).

    Large models park attention on the first token. Relative to length 2 the decay becomes slower,
    (2+a0)/(s+a0) in place of 2/s, but only because the short lengths have lost more: at the same x
    every displacement is smaller (Cor. 21a). The weights are those of `balanced`, with x larger by
    the factor 1 + a0/(V−1) to keep the same illegal token rate. d = 2(V−1), d_v = V−1, d_k = 0.
    """

    weight: Annotated[
        float,
        Interval(ge=1e-6, le=1e6),
        "attention weight a0 of the sink, where every seen token has 1",
    ] = 4.0

    @property
    def sink(self) -> float:
        return self.weight

    @property
    def x(self) -> float:
        plain = x_min(self.vocab_size, self.max_illegal_rate)
        return plain * (1 + self.weight / (self.vocab_size - 1))

    def parameters(self) -> Parameters:
        return get_set_complement_parameters(self.vocab_size, d_model=self.d_model, x=self.x)

    def displacements(self, lengths: np.ndarray) -> Displacements:
        return standard_form_displacements(self.vocab_size, lengths, self.x, sink=self.sink)
