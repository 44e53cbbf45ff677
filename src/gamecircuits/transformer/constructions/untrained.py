"""The model that knows nothing: the baseline of every comparison."""

from dataclasses import dataclass

import numpy as np

from gamecircuits.parameters import VocabSize
from gamecircuits.theory.displacement import Displacements
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import Construction
from gamecircuits.transformer.model import Parameters


@dataclass(frozen=True)
class Untrained(Construction):
    """All logits equal, hence the illegal token rate s/V at length s (Prop. 14).

    Tokens are embedded as in `balanced`, with its widths; the head and the unembedding do nothing.
    """

    vocab_size: VocabSize

    def parameters(self) -> Parameters:
        parameters = get_set_complement_parameters(self.vocab_size, x=0.0)
        return parameters._replace(W_U=np.zeros_like(parameters.W_U))

    def displacements(self, lengths: np.ndarray) -> Displacements:
        return Displacements(np.zeros(len(lengths)), np.zeros(len(lengths)))
