"""Does every context of a balanced model obey 1/Δ = Σ 1/x, whatever the strengths (Theorem 9)?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.errors import ParameterError
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.displacement import harmonic_displacement
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.constructions.harmonic import get_harmonic_parameters


@dataclass(frozen=True)
class ParallelResistors(Experiment):
    """Displacement of every seen token in every context, for random strengths x, against the law.

    Beside each model, one whose last token gets the attention 1 % too much: then the law fails.

    Attributes:
        vocab_size: number of tokens, 3 to 12.
        num_models: random draws of x, log-normal.
        spread: standard deviation of ln x.
    """

    vocab_size: int = 8
    num_models: int = 4
    spread: float = 0.7

    def __post_init__(self):
        if not 3 <= self.vocab_size <= 12:
            raise ParameterError("vocab_size", self.vocab_size, "3 to 12")
        if not 1 <= self.num_models <= 100:
            raise ParameterError("num_models", self.num_models, "1 to 100")
        if not 0.01 <= self.spread <= 3:
            raise ParameterError("spread", self.spread, "0.01 to 3")

    def run(
        self, rng: np.random.Generator, say: Callable[[str], None] = lambda message: None
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
            say(f"model {number + 1} of {self.num_models}")
        return pd.concat(frames, ignore_index=True)
