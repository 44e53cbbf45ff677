"""The narrowest exact solution: width V−1, at the price of treating the last token apart."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import (
    FullWidth,
    check_not_trivial,
    choose_width,
    helmert,
    place,
)
from gamecircuits.transformer.model import Parameters


def get_minimal_parameters(
    vocab_size: int,
    x: float,
    beta: float,
    *,
    self_weight: float = 1.0,
    d_model: int | None = None,
) -> Parameters:
    """Weights of width V−1 with OV circuit −x P and direct path −β P, P = I − 11ᵀ/V.

        W_E = H   W_V = I   W_O = (x/β) I   W_U = −β Hᵀ

    with H (V, V−1) from `helmert`, HHᵀ = P. Attention is uniform, d_k = 0, unless the last token is
    to get the weight A = self_weight != 1: then W_Q = W_K ~ I, d_k = V−1, with scores ln A · P.

    Args:
        vocab_size: V >= 2.
        x, beta: strengths of the OV circuit and of the direct path; β != 0 may be negative.
        self_weight: attention weight A > 0 of the last token to itself, 1 for the others.
        d_model: width of the residual stream, at least V−1, which is the default.
    """
    n = vocab_size - 1
    d = choose_width(d_model, vocab_size, half_widths=1)
    H, identity = helmert(vocab_size), np.eye(n)
    score, d_k = np.log(self_weight), 0 if self_weight == 1 else n
    size = np.sqrt(abs(score) * np.sqrt(n))  # scores are divided by √d_k
    queries = place(np.sign(score) * size * identity[:, :d_k], (d, d_k), (0, 0))
    return Parameters(
        W_E=place(H, (vocab_size, d), (0, 0)),
        W_Q=queries,
        W_K=place(size * identity[:, :d_k], (d, d_k), (0, 0)),
        W_V=place(identity, (d, n), (0, 0)),
        W_O=place(x / beta * identity, (n, d), (0, 0)),
        W_U=place(-beta * H.T, (d, vocab_size), (0, 0)),
    )


@dataclass(frozen=True)
class Minimal(FullWidth):
    """Half the width of `balanced`: displacement x/s, and x/s + β for the last token.

    No exact solution is narrower than V−1 (Cor. 4). At V−1 the residual stream has no room to keep
    the token's own embedding apart from what is read, so the direct path is not zero. The weights
    are `get_minimal_parameters`: the OV circuit −x P and the direct path −β P both push seen tokens
    down, the second only the last one (Prop. 1). d = d_v = V−1, d_k = 0. As β → 0 the weights x/β
    grow without bound: balance is approached, never reached (Theorem 13).
    """

    beta: Annotated[
        float, Interval(ge=1e-6, le=700), "extra displacement β of the last token, in nats"
    ] = 1.0

    half_widths = 1

    def __post_init__(self):
        super().__post_init__()
        if self.x == 0:  # then the OV circuit would vanish, and with it the exact solution
            check_not_trivial(self.vocab_size, self.max_illegal_rate)
            allowed = "smaller, as the last token alone already meets max_illegal_rate"
            raise ParameterError("beta", self.beta, allowed)

    @property
    def x(self) -> float:
        return x_min(self.vocab_size, self.max_illegal_rate, self.beta)

    def parameters(self) -> Parameters:
        return get_minimal_parameters(self.vocab_size, self.x, self.beta, d_model=self.d_model)

    def displacements(self, lengths: np.ndarray) -> Displacements:
        return standard_form_displacements(self.vocab_size, lengths, self.x, self.beta)
