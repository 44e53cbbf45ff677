"""Trained models with their head's output rescaled.

A remedy may only make the weights larger or smaller. So a OneLayer is also measured with the head's
output rescaled: by the factor that dropout has in training, and to the strength of another model.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from gamecircuits.analysis.standard_form import fit_model
from gamecircuits.training.choices import AS_TRAINED, COMPARED, STRENGTHS
from gamecircuits.training.measure import evaluate
from gamecircuits.training.trial import Trial
from gamecircuits.transformer.circuits import direct_path, from_circuits, ov_circuit, qk_circuit
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer

MAX_FACTOR = 10.0  # of the head's output; a model that needs more knows of no seen token


def get_strengths(trial: Trial, model: Model, reference: Model | None) -> dict[str, float]:
    """What the head's output is multiplied by for each of STRENGTHS that the model can be shown at.

    Other models than a OneLayer are shown as trained.

    Args:
        reference: model whose mean x is matched; None if there is none that can be used.
    """
    if not isinstance(model, OneLayer):
        return {AS_TRAINED: 1.0}
    kept = (1 - trial.attention_dropout) * (1 - trial.residual_dropout)
    factors = dict(zip(STRENGTHS, (1.0, 1 / kept), strict=False))
    if isinstance(reference, OneLayer) and model.norm == reference.norm == "none":
        own, wanted = (fit_model(one).x.mean() for one in (model, reference))
        if own > 0 and 1 / MAX_FACTOR <= wanted / own <= MAX_FACTOR:
            factors["matched"] = wanted / own
    return factors


def scale_head(model: Model, factor: float) -> Model:
    """The model with its head's output multiplied; under a norm of that output it is the same.

    Without a norm, what the direct path takes back (the gauge r) stays: the factor multiplies x and
    what does not fit the standard form.
    """
    if factor == 1 or not isinstance(model, OneLayer):
        return model
    parameters = model.parameters
    if model.norm != "none":
        return replace(model, parameters=parameters._replace(W_O=parameters.W_O * factor))
    r = fit_model(model).r
    ov = r + factor * (ov_circuit(parameters) - r)
    scaled = from_circuits(qk_circuit(parameters), ov, direct_path(parameters))
    return replace(model, parameters=scaled)


def measure_scaled(
    model: Model, factor: float, tokens: np.ndarray, mask: np.ndarray, lengths: Iterable[int]
) -> pd.DataFrame:
    """The metrics COMPARED, columns STATISTICS, with the head's output multiplied."""
    table = evaluate(scale_head(model, factor), tokens, mask, lengths)
    return table[table["metric"].isin(COMPARED)]


def measure_strengths(
    trial: Trial,
    model: Model,
    reference: Model | None,
    games: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    lengths: dict[str, int],
) -> Iterator[tuple[str, float, float, pd.DataFrame | None]]:
    """The model at each strength; those of one factor are measured once.

    Args:
        trial, model, reference: as in get_strengths.
        games, validation: tokens (N, L) and masks (N, L, V).
        lengths: by name; validation is at the one named `trained`.

    Yields:
        strength, its factor, mean total variation on validation games, and the metrics COMPARED at
        all lengths; None for AS_TRAINED, of which all metrics are measured elsewhere.
    """
    variations: dict[float, float] = {}
    tables: dict[float, pd.DataFrame] = {}
    for strength, factor in get_strengths(trial, model, reference).items():
        if factor not in variations:
            seen = measure_scaled(model, factor, *validation, [lengths["trained"]])
            seen = seen.set_index("metric")["mean"]
            variations[factor] = seen.get("total_variation", np.nan)
        if strength != AS_TRAINED and factor not in tables:
            tables[factor] = measure_scaled(model, factor, *games, set(lengths.values()))
        table = None if strength == AS_TRAINED else tables[factor]
        yield strength, factor, variations[factor], table
