"""What decays with length, and which remedies undo it (Theorem 21, Prop. 23, 24)?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Interval

from gamecircuits.analysis.contexts import contexts_by_length
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.laws import attention_entropy, laws_from_classes, single_class
from gamecircuits.theory.strength import attention_norm_displacements, residual_norm_displacements
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.minimal import get_minimal_parameters
from gamecircuits.transformer.one_layer import OneLayer

MAX_CONTEXTS = 200_000  # of one length


@dataclass(frozen=True)
class Remedies(Experiment):
    """Five models with the same displacement at length 1, measured in every context.

    No norm; the norm of the attention output; the norm of the residual stream; a sink; each last
    token as its own sink. What they pay for it, the strength of the OV circuit, is in the table.
    """

    vocab_size: Annotated[int, Interval(ge=4, le=18), "number of tokens V"] = 14
    displacement: Annotated[
        float, Interval(gt=0, le=1e4), "displacement of the only seen token at length 1, in nats"
    ] = 30.0
    sink: Annotated[float, Interval(gt=0, le=1e4), "attention weight of the sink"] = 4.0
    self_weight: Annotated[
        float,
        Interval(ge=1.01, le=1e6),
        "attention weight of the last token to itself in the self-sink",
    ] = 100.0
    embedding_ratio: Annotated[
        float,
        Interval(gt=0, le=1e4),
        "length of the embedding in terms of x under the residual norm",
    ] = 0.5

    def models(
        self,
    ) -> dict[str, tuple[OneLayer, float, float, Callable[[np.ndarray], Displacements]]]:
        """Models by name, with x, attention weight of the last token to itself, closed form."""
        V, delta, A, rho = (
            self.vocab_size,
            self.displacement,
            self.self_weight,
            self.embedding_ratio,
        )
        gain = delta * np.sqrt((V - 1) / V)
        residual_gain = delta * np.sqrt(1 - 1 / V + rho**2)
        x_of_residual = np.sqrt(1 - 1 / V) / rho
        x_of_sink = delta * (1 + self.sink)
        x_of_self_sink = delta * (A + V - 2) / (V - 1)
        b = x_of_self_sink - delta

        def balanced(x: float):
            return get_set_complement_parameters(V, x=x)

        def standard(*strengths):
            return lambda s: standard_form_displacements(V, s, *strengths)

        return {
            "no norm": (OneLayer(balanced(delta)), delta, 1.0, standard(delta)),
            "attention norm": (
                OneLayer(balanced(delta), "attention", gain),
                delta,
                1.0,
                lambda s: attention_norm_displacements(V, s, gain),
            ),
            "residual norm": (
                OneLayer(balanced(x_of_residual), "residual", residual_gain),
                x_of_residual,
                1.0,
                lambda s: residual_norm_displacements(V, s, residual_gain, rho),
            ),
            "sink": (
                OneLayer(balanced(x_of_sink), sink=self.sink),
                x_of_sink,
                1.0,
                standard(x_of_sink, 0.0, 1.0, self.sink),
            ),
            "self-sink": (
                OneLayer(get_minimal_parameters(V, x_of_self_sink, -b, self_weight=A)),
                x_of_self_sink,
                A,
                standard(x_of_self_sink, -b, A),
            ),
        }

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """One row per model, length and quantity: extremes over contexts, and the closed form."""
        V, rows = self.vocab_size, []
        lengths = np.arange(1, V)
        for name, (model, x, self_weight, law) in self.models().items():
            tables = model.tables()
            predicted = law(lengths)
            entropy = attention_entropy(V, lengths, self_weight, model.sink)
            rate = laws_from_classes(V, lengths, single_class(lengths, predicted), entropy)
            expected = {
                "displacement of the others": predicted.others,
                "displacement of the last": predicted.last,
                "illegal token rate": rate["illegal_token_rate"].mean,
            }
            for s in lengths:
                members, last, are_all = contexts_by_length(V, int(s), MAX_CONTEXTS, rng)
                logits = tables.set_logits(members, last)
                absent = np.where(members, np.nan, logits)
                delta = np.nanmean(absent, axis=1)[:, None] - logits
                is_last = np.arange(V) == last[:, None]
                seen = np.where(members, np.exp(-delta), 0).sum(axis=1)
                unseen = np.where(members, 0, np.exp(-delta)).sum(axis=1)
                measured = {
                    "displacement of the others": delta[members & ~is_last],
                    "displacement of the last": delta[is_last],
                    "illegal token rate": seen / (seen + unseen),
                }
                for quantity, values in measured.items():
                    if values.size:
                        rows.append(
                            {
                                "model": name,
                                "vocab_size": V,
                                "x": x,
                                "gain": model.gain,
                                "length": s,
                                "quantity": quantity,
                                "contexts": len(last),
                                "all_contexts": are_all,
                                "lowest": values.min(),
                                "mean": values.mean(),
                                "highest": values.max(),
                                "predicted": expected[quantity][s - 1],
                            }
                        )
            log(name)
        return pd.DataFrame(rows)
