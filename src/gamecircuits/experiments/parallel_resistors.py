"""Does every context of a balanced model obey 1/Δ = Σ 1/x, whatever the strengths (Theorem 9)?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Interval

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.displacement import harmonic_displacement
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.constructions.harmonic import get_harmonic_parameters


@dataclass(frozen=True)
class ParallelResistors(Experiment):
    """Displacement of every seen token in every context, for random strengths x, against the law.

    Beside each model, one whose last token gets the attention 1 % too much: then the law fails.
    """

    vocab_size: Annotated[int, Interval(ge=3, le=12), "number of tokens V"] = 8
    num_models: Annotated[int, Interval(ge=1, le=100), "random draws of x, log-normal"] = 4
    spread: Annotated[float, Interval(ge=0.01, le=3), "standard deviation of ln x"] = 0.7

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """Per model, hypothesis and context: extremes of the displacements of its tokens."""
        members, last = all_contexts(self.vocab_size)
        rows = np.arange(len(last))
        frames = []
        for number in range(self.num_models):
            x = 20 * np.exp(self.spread * rng.standard_normal(self.vocab_size))
            predicted = harmonic_displacement(np.where(members, x, np.inf))
            tables = TokenTables(get_harmonic_parameters(x))
            for hypothesis, factor in (("holds", 1.0), ("attention to itself 1 % off", 1.01)):
                tables.weights[np.diag_indices(len(x))] *= factor
                logits = tables.set_logits(members, last)
                absent = np.where(members, np.nan, logits)
                delta = np.nanmean(absent, axis=1)[:, None] - logits
                frames.append(
                    pd.DataFrame(
                        {
                            "model": number,
                            "hypothesis": hypothesis,
                            "length": members.sum(axis=1),
                            "predicted": predicted,
                            "lowest": np.where(members, delta, np.inf).min(axis=1),
                            "highest": np.where(members, delta, -np.inf).max(axis=1),
                            "last": delta[rows, last],
                        }
                    )
                )
            log(f"model {number + 1} of {self.num_models}")
        return pd.concat(frames, ignore_index=True)
