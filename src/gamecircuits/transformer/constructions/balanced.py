"""The balanced construction: set complement solved exactly, all tokens equally certain."""

from dataclasses import dataclass

import numpy as np

from gamecircuits.parameters import VocabSize, check_value
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import (
    FullWidth,
    IllegalRate,
    choose_width,
    helmert,
    place,
)
from gamecircuits.transformer.model import Parameters


def get_set_complement_parameters(
    vocab_size: int,
    max_illegal_rate: float = 1e-3,
    *,
    d_model: int | None = None,
    x: float | None = None,
) -> Parameters:
    """Weights that predict the uniform distribution over the absent tokens, at every length.

    The idea: average the seen tokens and subtract. Tokens are the vertices H[t] of a simplex. The
    head averages what was seen, writes −x times the average into dimensions that nothing else uses,
    and the unembedding compares it with every vertex: the s seen tokens go down by x/s against all
    others, and the absent ones stay level with each other.

    The matrices, with H (V, V−1) from `helmert` and n = V−1:

        W_E = [H 0]   W_Q = W_K = no columns (uniform attention)
        W_V = [I; 0]   W_O = [0 −xI]   W_U = [0; Hᵀ]

    so OV = −x HHᵀ = −x (I − 11ᵀ/V) and the direct path W_E W_U is zero. Every displacement at
    length s is x/s; the illegal token rate is s e^(−x/s) / (s e^(−x/s) + V − s), which grows with
    s, and x is the smallest that keeps it at `max_illegal_rate` for s = V−1.

    Width d = 2(V−1) is the least for exact balance at all lengths (Theorem 13 of docs/theory.md):
    the token's own embedding must stay out of the dimensions that are read. d_v = V−1, d_k = 0.

    Args:
        vocab_size: V >= 2.
        max_illegal_rate: ε, the most softmax mass on seen tokens in any context of any length.
        d_model: width of the residual stream, at least 2(V−1), which is the default.
        x: strength of the OV circuit, instead of the one that follows from max_illegal_rate.
    """
    check_value("vocab_size", vocab_size, VocabSize)
    check_value("max_illegal_rate", max_illegal_rate, IllegalRate)
    n, d = vocab_size - 1, choose_width(d_model, vocab_size, half_widths=2)
    if x is None:
        x = x_min(vocab_size, max_illegal_rate)
    H, identity = helmert(vocab_size), np.eye(n)
    return Parameters(
        W_E=place(H, (vocab_size, d), (0, 0)),
        W_Q=np.zeros((d, 0)),
        W_K=np.zeros((d, 0)),
        W_V=place(identity, (d, n), (0, 0)),
        W_O=place(-x * identity, (n, d), (0, n)),
        W_U=place(H.T, (d, vocab_size), (n, 0)),
    )


@dataclass(frozen=True)
class Balanced(FullWidth):
    """Averages the seen tokens and subtracts: displacement x/s for every seen token (Prop. 1).

    Weights, widths and theorem (13): `get_set_complement_parameters`.
    """

    def parameters(self) -> Parameters:
        return get_set_complement_parameters(
            self.vocab_size, self.max_illegal_rate, d_model=self.d_model
        )

    def displacements(self, lengths: np.ndarray) -> Displacements:
        x = x_min(self.vocab_size, self.max_illegal_rate)
        return standard_form_displacements(self.vocab_size, lengths, x)
