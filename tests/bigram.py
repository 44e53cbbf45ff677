"""The smallest model of another kind: the next token depends on the last one alone."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bigram:
    """Logits (V, V): [last token, next token]."""

    table: np.ndarray

    @property
    def vocab_size(self) -> int:
        return len(self.table)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        return self.table[tokens]  # at padding that of the last token, which means nothing


@dataclass(frozen=True)
class LogitsOnly:
    """Any model, of which nothing but its logits is known."""

    model: object

    @property
    def vocab_size(self) -> int:
        return self.model.vocab_size

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        return self.model.logits(tokens)
