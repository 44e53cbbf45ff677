"""Does a model with β < 0, like any tied one, lose its last token where predicted (Prop. 10)?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, get_args

import numpy as np
import pandas as pd
from annotated_types import Interval, MinLen

from gamecircuits.analysis.contexts import MAX_CONTEXTS, all_contexts, contexts_by_length
from gamecircuits.errors import ParameterError
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.displacement import first_failing_lengths
from gamecircuits.transformer.circuits import TokenTables, from_circuits
from gamecircuits.transformer.constructions.tied import Attention, Tied


@dataclass(frozen=True)
class CriticalLength(Experiment):
    """Displacement of the last token in tied models, and the first failing length of random models.

    The tied models have uniform x and either uniform attention or the attention that balances
    length 2. The random models have random x, β < 0, gauge and attention; all their contexts are
    visited.
    """

    vocab_size: Annotated[int, Interval(ge=6, le=64), "number of tokens of the tied models"] = 16
    critical_lengths: Annotated[
        list[float],
        MinLen(1),
        "critical lengths of the tied models, not whole, between 3 and vocab_size − 1",
    ] = field(default_factory=lambda: [4.5, 7.5, 10.5])
    random_vocab_size: Annotated[
        int, Interval(ge=4, le=12), "number of tokens of the random models"
    ] = 9
    num_random: Annotated[int, Interval(ge=1, le=1000), "number of random models"] = 60

    def __post_init__(self):
        super().__post_init__()
        lengths, longest = self.critical_lengths, self.vocab_size - 1
        fits = all(3 < s < longest and s != int(s) for s in lengths)
        if not fits or len(set(lengths)) < len(lengths):
            allowed = f"different numbers between 3 and vocab_size - 1 = {longest}, none whole"
            raise ParameterError("critical_lengths", self.critical_lengths, allowed)

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """Rows "tied": displacement (nats) of the last token by length, predicted, lowest, highest.

        Rows "random": first failing length (tokens) of each model, `predicted` and `measured`;
        empty where it never fails.
        """
        rows = []
        for attention in get_args(Attention):
            for critical in self.critical_lengths:
                rows += self._tied(attention, critical, rng)
            log(f"tied models with {attention} attention")
        for number in range(self.num_random):
            rows.append({"part": "random", "model": number, **self._random(number, rng)})
        log(f"{self.num_random} random models")
        return pd.DataFrame(rows)

    def _tied(self, attention: Attention, critical: float, rng: np.random.Generator) -> list[dict]:
        V = self.vocab_size
        tied = Tied(V, critical_length=critical, attention=attention)
        tables, lengths = tied.model().tables(), np.arange(1, V)
        predicted = tied.displacements(lengths).last
        rows = []
        for s, expected in zip(lengths, predicted, strict=True):
            members, last, are_all = contexts_by_length(V, int(s), MAX_CONTEXTS, rng)
            found = _last_displacements(tables, members, last)
            rows.append(
                {
                    "part": "tied",
                    "attention": attention,
                    "vocab_size": V,
                    "critical_length": critical,
                    "length": float(s),
                    "contexts": len(last),
                    "all_contexts": are_all,
                    "predicted": expected,
                    "lowest": found.min(),
                    "highest": found.max(),
                }
            )
        return rows

    def _random(self, number: int, rng: np.random.Generator) -> dict:
        V = self.random_vocab_size
        x = np.exp(0.4 * rng.standard_normal(V))
        beta = -x * np.exp(rng.uniform(np.log(0.03), np.log(0.4))) * rng.uniform(0.7, 1, V)
        scores = rng.standard_normal((V, V)) * rng.uniform(0, 1)
        r, c, c_direct = rng.standard_normal((3, V))
        ov = -np.diag(x) + c[:, None] + r
        direct = -np.diag(beta) + c_direct[:, None] - r
        tables = TokenTables(from_circuits(scores, ov, direct))
        members, last = all_contexts(V)
        found = _last_displacements(tables, members, last)
        failing = members.sum(axis=1)[found <= 0]
        predicted = first_failing_lengths(x, beta, np.exp(scores)).min()
        return {
            "vocab_size": V,
            "contexts": len(last),
            "predicted": predicted if np.isfinite(predicted) else np.nan,
            "measured": float(failing.min()) if len(failing) else np.nan,
        }


def _last_displacements(tables: TokenTables, members: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Mean absent logit − logit of the last token, (N,)."""
    logits = tables.set_logits(members, last)
    absent = np.where(members, 0, logits).sum(axis=1) / (~members).sum(axis=1)
    return absent - logits[np.arange(len(last)), last]
