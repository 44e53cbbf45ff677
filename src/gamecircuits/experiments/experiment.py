"""An experiment is a question about the theory, and the table that answers it.

A new experiment is one file in this folder: a frozen dataclass derived from `Experiment`, whose
fields are the keys of the configuration. Its figure is one file of the same name in
gamecircuits.figures.experiments, with `draw(table)`. The pipeline runs both and writes
`experiments/NAME.parquet` and `figures/experiments/NAME.png`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import pandas as pd

from gamecircuits.kinds import Registry
from gamecircuits.parameters import check_fields

EXPERIMENTS = Registry("experiment", "gamecircuits.experiments", helpers=["experiment"])


def make_experiment(kind: str, **parameters) -> "Experiment":
    """Make an experiment; the error for an unknown kind or parameter lists those that exist."""
    return EXPERIMENTS.make(kind, **parameters)


class Experiment(ABC):
    """A question whose answer is a tidy table, one row per measurement."""

    def __post_init__(self):
        check_fields(self)

    @abstractmethod
    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """Measure.

        Args:
            rng: the only source of randomness.
            log: takes lines on the progress.
        """
