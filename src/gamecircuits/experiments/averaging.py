"""How does an average tell which tokens were not seen? One example, step by step (Prop. 1)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Interval, MinLen

from gamecircuits.errors import ParameterError
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.transformer.constructions.construction import Strength
from gamecircuits.transformer.model import Parameters, attention_pattern, forward


@dataclass(frozen=True)
class Averaging(Experiment):
    """Every prefix of a few tokens on its way through the example of docs/theory.md.

    Tokens are directions at right angles, attention is uniform, the OV circuit is −x times the
    identity, and the direct path is zero.
    """

    vocab_size: Annotated[int, Interval(ge=2, le=26), "number of tokens V, called a, b, c, ..."] = 4
    tokens: Annotated[list[int], MinLen(1), "distinct tokens from 0, in their order"] = field(
        default_factory=lambda: [0, 2, 3]
    )
    strength: Strength = 6.0

    def __post_init__(self):
        super().__post_init__()
        V, seen = self.vocab_size, self.tokens
        if not set(seen) < set(range(V)) or len(set(seen)) < len(seen):
            allowed = f"distinct integers from 0 to {V - 1}, of which one at least is left out"
            raise ParameterError("tokens", seen, allowed)

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """Per prefix and token: its share in the average, logit, exponential, probability, and
        the target."""
        parameters, tokens = self.parameters(), np.array(self.tokens)
        values = parameters.W_E[tokens] @ parameters.W_V  # (L, V)
        average = attention_pattern(parameters, tokens) @ values  # (L, V)
        logits = forward(parameters, tokens) + 0.0  # no −0
        is_seen = np.tri(len(tokens), dtype=bool) @ np.eye(self.vocab_size, dtype=bool)[tokens]
        columns = {
            "seen": is_seen,
            "average": average,
            "logit": logits,
            "exponential": np.exp(logits),
            "probability": np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
            "target": ~is_seen / (~is_seen).sum(axis=1, keepdims=True),
        }
        step, token = np.indices(logits.shape).reshape(2, -1)
        table = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
        return table.assign(length=step + 1, token=token, last=tokens[step])

    def parameters(self) -> Parameters:
        """Vectors have two halves: the embedding is in the first, what the head wrote in the
        second, and only that is read."""
        one = np.eye(self.vocab_size)
        first, second = np.hstack([one, 0 * one]), np.hstack([0 * one, one])  # (V, 2V)
        nothing = np.zeros((2 * self.vocab_size, 0))
        return Parameters(first, nothing, nothing, first.T, -self.strength * second, second.T)
