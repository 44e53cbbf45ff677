"""Tied embeddings: exact on the absent tokens, but the last token comes back at a known length."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import (
    FullWidth,
    check_not_trivial,
)
from gamecircuits.transformer.constructions.minimal import get_minimal_parameters
from gamecircuits.transformer.model import Parameters

Attention = Literal["uniform", "balanced"]


@dataclass(frozen=True)
class Tied(FullWidth):
    """W_U = W_Eᵀ: the direct path raises the last token by b, and beats attention from s* on.

    The direct path of a tied model is a Gram matrix, so β_i + β_j = −‖E_i − E_j‖² < 0 for every two
    tokens (Prop. 11). Here W_E = √b H, W_U = W_Eᵀ, W_V W_O = −(x/b) I: x for all tokens, β = −b,
    and the last token's displacement xA/(A+s−1) − b vanishes at the critical length
    s* = 1 + A(x/b − 1) (Prop. 10): x/b for uniform attention (A = 1), 2 + x/b for the attention
    that balances length 2, A = (x+b)/(x−b). From there on the last token is more likely than the
    absent ones. x is that of `balanced`. d = d_v = V−1, d_k = 0 (uniform) or V−1.
    """

    critical_length: Annotated[
        float | None,
        Interval(gt=1, le=1e6),
        "length s*, not whole, from which on the last token is more likely than the absent "
        "ones; above 3 for balanced attention; by default floor(V/2) + 1/2, at least 3.5",
    ] = None
    attention: Annotated[Attention, "attention: uniform, or balanced at length 2"] = "uniform"

    half_widths = 1

    def __post_init__(self):
        super().__post_init__()
        check_not_trivial(self.vocab_size, self.max_illegal_rate)
        lowest = 1 if self.attention == "uniform" else 3
        if not lowest < self.s_star or self.s_star == int(self.s_star):
            allowed = (
                f"a number above {lowest}, up to 1e6, not whole: there the last token is level "
                "with the absent ones, and rounding decides"
            )
            raise ParameterError("critical_length", self.critical_length, allowed)

    @property
    def s_star(self) -> float:
        if self.critical_length is None:
            return max(3.5, self.vocab_size // 2 + 0.5)
        return self.critical_length

    @property
    def x(self) -> float:
        return x_min(self.vocab_size, self.max_illegal_rate)

    @property
    def b(self) -> float:
        return self.x / (self.s_star if self.attention == "uniform" else self.s_star - 2)

    @property
    def self_weight(self) -> float:
        if self.attention == "uniform":
            return 1.0
        return (self.x + self.b) / (self.x - self.b)

    def parameters(self) -> Parameters:
        """Those of `get_minimal_parameters`, rescaled from [H, b Hᵀ] to [√b H, √b Hᵀ]."""
        plain = get_minimal_parameters(
            self.vocab_size, self.x, -self.b, self_weight=self.self_weight, d_model=self.d_model
        )
        root = np.sqrt(self.b)
        return plain._replace(
            W_E=root * plain.W_E,
            W_Q=plain.W_Q / root,
            W_K=plain.W_K / root,
            W_V=plain.W_V / root,
            W_O=plain.W_O * root,
            W_U=(root * plain.W_E).T,
        )

    def displacements(self, lengths: np.ndarray) -> Displacements:
        return standard_form_displacements(
            self.vocab_size, lengths, self.x, -self.b, self.self_weight
        )
