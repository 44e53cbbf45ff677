"""Each last token as its own sink: no decay for the others, paid by the last one."""

from dataclasses import dataclass

import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.transformer.constructions.construction import (
    Construction,
    check_not_trivial,
    check_rate,
    check_vocab_size,
    choose_width,
)
from gamecircuits.transformer.constructions.minimal import get_minimal_parameters
from gamecircuits.transformer.model import Parameters


@dataclass(frozen=True)
class SelfSink(Construction):
    """The last token attends to itself A times as much: the others keep a constant displacement.

    With a[i,i] = A, a[i,j] = 1 and β = −b the displacements are x/(A+s−1), nearly constant for
    A ≫ V, and xA/(A+s−1) − b for the last token (Cor. 21b). With b = x(A−1)/(A+V−2) both are equal
    at length V−1, the worst one: Δ = x/(A+V−2). Their sum is x − b at every length, as it must be:
    the last token pays. So does the size of the weights, x ≈ AΔ. The weights are
    `get_minimal_parameters`: d = d_v = d_k = V−1.

    Attributes:
        vocab_size: number of tokens.
        weight: A, attention weight of the last token to itself where the others have 1.
        max_illegal_rate: highest softmax mass on seen tokens, reached at length V-1.
        d_model: width of the residual stream; at least V-1, the default.
    """

    vocab_size: int
    weight: float = 100.0
    max_illegal_rate: float = 1e-3
    d_model: int | None = None

    def __post_init__(self):
        check_vocab_size(self.vocab_size)
        check_rate(self.max_illegal_rate)
        choose_width(self.d_model, self.vocab_size - 1, "an exact solution needs width V-1")
        if not 1.001 <= self.weight <= 1e6:
            raise ParameterError("weight", self.weight, "1.001 to 1e6")
        check_not_trivial(self.vocab_size, self.max_illegal_rate)

    @property
    def self_weight(self) -> float:
        return self.weight

    @property
    def x(self) -> float:
        odds = self.max_illegal_rate / (1 - self.max_illegal_rate)
        return float((self.weight + self.vocab_size - 2) * np.log((self.vocab_size - 1) / odds))

    @property
    def b(self) -> float:
        return self.x * (self.weight - 1) / (self.weight + self.vocab_size - 2)

    def parameters(self) -> Parameters:
        return get_minimal_parameters(
            self.vocab_size, self.x, -self.b, self_weight=self.weight, d_model=self.d_model
        )

    def displacements(self, lengths: np.ndarray) -> Displacements:
        return standard_form_displacements(
            self.vocab_size, lengths, self.x, -self.b, self.self_weight
        )
