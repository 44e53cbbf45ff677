"""Too narrow for all tokens: some handled perfectly, the others ignored."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.parameters import VocabSize
from gamecircuits.theory.laws import ContextClasses, two_kinds
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.constructions.construction import Construction, Strength
from gamecircuits.transformer.model import Parameters


@dataclass(frozen=True)
class Block(Construction):
    """One dimension for each of the first m tokens, none for the rest.

        W_E = [I; 0]   W_V = xI   W_O = I   W_U = [−I 0]   (W_Q, W_K without columns)

    A handled token is displaced by x/s, and by 1 more if it is the last; the others stay level with
    the absent ones. As x grows, mean total variation and KL tend to E[(s−h)/(V−h)] and
    E[ln((V−h)/(V−s))], h the number of handled tokens seen, which is hypergeometric (Prop. 19).
    Where width is short, this is close to the best possible (Theorems 16 and 18).
    d = d_v = m, d_k = 0.
    """

    vocab_size: VocabSize
    d_model: Annotated[
        int | None,
        Interval(ge=1),
        "width m, which is also the number of tokens handled; V // 2 by default, at most V",
    ] = None
    x: Annotated[
        Strength | None, "by default that of balanced for an illegal token rate of 0.001"
    ] = None

    def __post_init__(self):
        super().__post_init__()
        if self.d_model is not None and self.d_model > self.vocab_size:
            allowed = f"an integer from 1 to vocab_size = {self.vocab_size}"
            raise ParameterError("d_model", self.d_model, allowed)

    @property
    def num_handled(self) -> int:
        return self.vocab_size // 2 if self.d_model is None else self.d_model

    @property
    def strength(self) -> float:
        return x_min(self.vocab_size, 1e-3) if self.x is None else self.x

    def parameters(self) -> Parameters:
        m = self.num_handled
        embedding = np.eye(self.vocab_size, m)
        return Parameters(
            W_E=embedding,
            W_Q=np.zeros((m, 0)),
            W_K=np.zeros((m, 0)),
            W_V=self.strength * np.eye(m),
            W_O=np.eye(m),
            W_U=-embedding.T,
        )

    def context_classes(self, lengths: np.ndarray) -> ContextClasses:
        def displacements(s, num_handled, is_last_handled):
            delta = self.strength / s
            return delta, 0.0 * s, np.where(is_last_handled, delta + 1, 0.0)

        return two_kinds(self.vocab_size, self.num_handled, lengths, displacements)
