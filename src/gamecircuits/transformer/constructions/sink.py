"""An attention sink: the decay looks slower, and every displacement is smaller."""

from dataclasses import dataclass

import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import (
    Construction,
    check_rate,
    check_vocab_size,
    choose_width,
)
from gamecircuits.transformer.model import Parameters


@dataclass(frozen=True)
class Sink(Construction):
    """A sink takes the attention weight a0 and gives nothing: displacement x/(s+a0).

    Large models park attention on the first token. Relative to length 2 the decay becomes slower,
    (2+a0)/(s+a0) in place of 2/s, but only because the short lengths have lost more: at the same x
    every displacement is smaller (Cor. 21a). The weights are those of `balanced`, with x larger by
    the factor 1 + a0/(V−1) to keep the same illegal token rate. d = 2(V−1), d_v = V−1, d_k = 0.

    Attributes:
        vocab_size: number of tokens.
        weight: a0, attention weight of the sink where every seen token has 1.
        max_illegal_rate: highest softmax mass on seen tokens, reached at length V-1.
        d_model: width of the residual stream; at least 2(V-1), the default.
    """

    vocab_size: int
    weight: float = 4.0
    max_illegal_rate: float = 1e-3
    d_model: int | None = None

    def __post_init__(self):
        check_vocab_size(self.vocab_size)
        check_rate(self.max_illegal_rate)
        choose_width(self.d_model, 2 * (self.vocab_size - 1), "balance needs width 2(V-1)")
        if not 1e-6 <= self.weight <= 1e6:
            raise ParameterError("weight", self.weight, "1e-6 to 1e6")

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
