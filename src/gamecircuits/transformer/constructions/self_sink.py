"""Each last token as its own sink: no decay for the others, paid by the last one."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.transformer.constructions.construction import (
    FullWidth,
    check_not_trivial,
)
from gamecircuits.transformer.constructions.minimal import get_minimal_parameters
from gamecircuits.transformer.model import Parameters


@dataclass(frozen=True)
class SelfSink(FullWidth):
    """The last token attends to itself A times as much: the others keep a constant displacement.

    With a[i,i] = A, a[i,j] = 1 and β = −b the displacements are x/(A+s−1), nearly constant for
    A ≫ V, and xA/(A+s−1) − b for the last token (Cor. 21b). With b = x(A−1)/(A+V−2) both are equal
    at length V−1, the worst one: Δ = x/(A+V−2). Their sum is x − b at every length, as it must be:
    the last token pays. So does the size of the weights, x ≈ AΔ. The weights are
    `get_minimal_parameters`: d = d_v = d_k = V−1.
    """

    weight: Annotated[
        float,
        Interval(ge=1.001, le=1e6),
        "attention weight A of the last token to itself, where the others have 1",
    ] = 100.0

    half_widths = 1

    def __post_init__(self):
        super().__post_init__()
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
