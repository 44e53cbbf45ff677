"""What do lengths 1 and 2 promise for all lengths, and what happens (Theorem 7)?"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gamecircuits.analysis.diagnosis import diagnose
from gamecircuits.errors import ParameterError
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.model import Parameters
from gamecircuits.transformer.one_layer import OneLayer

QUANTITIES = (
    "absent_spread",
    "other_displacement",
    "last_displacement",
    "illegal_token_rate",
    "highest_illegal_token_rate",
)


@dataclass(frozen=True)
class Certificate(Experiment):
    """The balanced model with noise on all its weights: imperfect, as a trained model would be.

    All contexts of lengths 1 and 2 certify bounds for every context of every length; the worst
    context of each length says how much of the certificate is used.

    Attributes:
        vocab_size: number of tokens, 3 to 12.
        max_illegal_rate: of the model without noise, at length V-1.
        noises: standard deviations of the noise in terms of the root mean square of each matrix.
        draws: random draws of each noise.
    """

    vocab_size: int = 10
    max_illegal_rate: float = 1e-3
    noises: list[float] = field(default_factory=lambda: [0.001, 0.01, 0.03])
    draws: int = 3

    def __post_init__(self):
        if not 3 <= self.vocab_size <= 12:
            raise ParameterError("vocab_size", self.vocab_size, "3 to 12")
        if not 1e-300 <= self.max_illegal_rate < 1:
            raise ParameterError("max_illegal_rate", self.max_illegal_rate, "between 0 and 1")
        if not self.noises or not all(0 <= noise <= 1 for noise in self.noises):
            raise ParameterError("noises", self.noises, "a list of numbers from 0 to 1")
        if len(set(self.noises)) < len(self.noises):
            raise ParameterError("noises", self.noises, "different numbers")
        if not 1 <= self.draws <= 100:
            raise ParameterError("draws", self.draws, "1 to 100")

    def run(
        self, rng: np.random.Generator, say: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """One row per noise, draw, length and quantity: worst measured, and certified."""
        clean = get_set_complement_parameters(self.vocab_size, self.max_illegal_rate)
        frames = []
        for noise in self.noises:
            for draw in range(self.draws):
                noisy = Parameters(*(_perturb(matrix, noise, rng) for matrix in clean))
                table = diagnose(OneLayer(noisy), rng).table
                rows = table[table["quantity"].isin(QUANTITIES)]
                about = {"vocab_size": self.vocab_size, "noise": noise, "draw": draw}
                kept = rows[["length", "quantity", "unit", "measured", "predicted", "certified"]]
                frames.append(kept.assign(**about)[[*about, *kept.columns]])
            say(f"noise {noise}")
        return pd.concat(frames, ignore_index=True).astype({"length": "int64"})


def _perturb(matrix: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    if not matrix.size:
        return matrix
    size = np.sqrt((matrix**2).mean())
    return matrix + noise * size * rng.standard_normal(matrix.shape)
