"""The one-layer transformer as a model: its weights, how they are run, and its token tables."""

from dataclasses import dataclass, replace

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.model import Norm, Parameters, forward


@dataclass(frozen=True, eq=False)
class OneLayer:
    """A `Model` of one layer, attention only, one head, without positions.

    Attributes:
        parameters: weights; their dtype is that of the computation.
        norm, gain, sink: as in `gamecircuits.transformer.model.forward`.
    """

    parameters: Parameters
    norm: Norm = "none"
    gain: float = 1.0
    sink: float = 0.0

    @property
    def vocab_size(self) -> int:
        return len(self.parameters.W_E)

    def tables(self) -> TokenTables:
        """The model as tables over the vocabulary: the fast path.

        Raises ValueError where attention scores span more than the tables can hold.
        """
        return TokenTables(self.parameters, self.norm, self.gain, self.sink)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Logits (..., L, V) after every prefix of tokens (..., L), by the tables if they exist."""
        try:
            tables = self.tables()
        except ValueError:  # scores too far apart
            return forward(
                self.parameters,
                np.asarray(tokens),
                norm=self.norm,
                gain=self.gain,
                sink=self.sink,
            )
        return tables.logits_after_prefixes(np.asarray(tokens))

    def cast(self, dtype: str | type) -> "OneLayer":
        """The model with its weights in another floating-point type."""
        matrices = (np.asarray(matrix, dtype) for matrix in self.parameters)
        return replace(self, parameters=Parameters(*matrices))


def require_one_layer(model: Model, purpose: str) -> OneLayer:
    """The model itself; GamecircuitsError if it is of another kind, which has no token tables.

    Args:
        purpose: what needs the tables, the subject of the message.
    """
    if not isinstance(model, OneLayer):
        raise GamecircuitsError(
            f"{purpose} needs a OneLayer model, whose circuits are tables over the vocabulary; "
            f"{type(model).__name__} gives logits only"
        )
    return model
