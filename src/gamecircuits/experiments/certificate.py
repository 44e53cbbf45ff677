"""What do lengths 1 and 2 promise for all lengths, and what happens (Theorem 7)?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Interval, MinLen

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
    """

    vocab_size: Annotated[int, Interval(ge=3, le=12), "number of tokens V"] = 10
    max_illegal_rate: Annotated[
        float,
        Interval(ge=1e-300, lt=1),
        "softmax mass on seen tokens at length V−1 in the model without noise",
    ] = 1e-3
    noises: Annotated[
        list[Annotated[float, Interval(ge=0, le=1)]],
        MinLen(1),
        "standard deviations of the noise in terms of the root mean square of each matrix",
    ] = field(default_factory=lambda: [0.001, 0.01, 0.03])
    draws: Annotated[int, Interval(ge=1, le=100), "random draws of each noise"] = 3

    def __post_init__(self):
        super().__post_init__()
        if len(set(self.noises)) < len(self.noises):
            raise ParameterError("noises", self.noises, "different numbers")

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """One row per noise, draw, length and quantity: worst measured, and certified."""
        clean = get_set_complement_parameters(self.vocab_size, self.max_illegal_rate)
        frames = []
        for noise in self.noises:
            for draw in range(self.draws):
                noisy = Parameters(*(_perturb(matrix, noise, rng) for matrix in clean))
                table = diagnose(OneLayer(noisy), rng).table
                rows = table[table["quantity"].isin(QUANTITIES)]
                names = {"vocab_size": self.vocab_size, "noise": noise, "draw": draw}
                kept = rows[["length", "quantity", "unit", "measured", "predicted", "certified"]]
                frames.append(kept.assign(**names)[[*names, *kept.columns]])
            log(f"noise {noise}")
        return pd.concat(frames, ignore_index=True).astype({"length": "int64"})


def _perturb(matrix: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    if not matrix.size:
        return matrix
    size = np.sqrt((matrix**2).mean())
    return matrix + noise * size * rng.standard_normal(matrix.shape)
