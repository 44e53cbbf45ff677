"""What a trained trial is like: its averages length by length, its mechanism on the way, its noise.

Every model is measured by its predictions. Of a OneLayer there is more: the following is about it.

A remedy may only make the weights larger or smaller. So models are also measured with the head's
output rescaled: by the factor that dropout has in training, and to the strength of another model.

The mechanism is that of the theory: x and β of the standard form, and what of the circuits does not
fit it. A model of the same attention and of exactly this form says what the mechanism alone does at
every length. Noise is how far the predictions of late iterates are from their own mean; what then
remains between that mean and the truth is no noise, and no averaging of predictions takes it away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from gamecircuits.analysis.evaluation import (
    CHUNK_BYTES,
    See,
    evaluate_by_length,
    get_logits,
)
from gamecircuits.analysis.inside import get_share_of_uniform, look_inside
from gamecircuits.analysis.metrics import context_metrics, probabilities
from gamecircuits.analysis.standard_form import fit_model
from gamecircuits.games.game import PAD
from gamecircuits.theory.basics import centering
from gamecircuits.training.choices import AS_TRAINED, COMPARED, STRENGTHS
from gamecircuits.training.trial import Trial
from gamecircuits.transformer.circuits import direct_path, from_circuits, ov_circuit, qk_circuit
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer

PREDICTED = "standard_form"  # column: the mean that the standard form alone would give
APART = "from_standard_form"  # metric: total variation between a model and its standard form
STATISTICS = ["length", "metric", "count", "mean", "std", "min", "max"]
MAX_FACTOR = 10.0  # of the head's output; a model that needs more knows of no seen token
LOOKED_AT = ("illegal_token_rate", "total_variation", "displacement")
GAMES_TRIED = 16  # whether logits are finite
GAMES_ON_THE_WAY = 200  # at each checkpoint, and for what a model does inside
GAMES_OF_NOISE = 1000  # all late iterates on these
MAX_TOKENS = 64  # of circuits that are kept; beyond, single cells cannot be seen
LATE = 4  # the last 1/LATE of the checkpoints shows the noise


def is_usable(model: Model, tokens: np.ndarray | None = None) -> bool:
    """Whether training kept weights and logits finite, and attention in the tables' range.

    Args:
        tokens: games (N, L); other models than a OneLayer are tried on the first few of them, or
            without any on single tokens.
    """
    if not isinstance(model, OneLayer):
        tried = np.arange(model.vocab_size)[:, None] if tokens is None else tokens[:GAMES_TRIED]
        with np.errstate(all="ignore"):
            return bool(np.isfinite(get_logits(model, tried)).all())
    if not all(np.isfinite(matrix).all() for matrix in model.parameters):
        return False
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            singles = model.tables().logits_after_prefixes(np.arange(model.vocab_size)[:, None])
    except ValueError:
        return False
    return bool(np.isfinite(singles).all())


def idealize(model: OneLayer) -> OneLayer:
    """The model of the same attention that is of standard form, with the fitted x and β."""
    form = fit_model(model)
    qk = qk_circuit(model.parameters)
    return OneLayer(from_circuits(qk, -np.diag(form.x), -np.diag(form.beta)))


def measure_average(
    model: Model,
    tokens: np.ndarray,
    mask: np.ndarray,
    lengths: Iterable[int],
    see: See = lambda length, legal, values: None,
) -> pd.DataFrame:
    """Every metric at every length on games (N, L) with masks (N, L, V).

    Columns STATISTICS, and PREDICTED, the mean of the idealized model: what lies between it and
    `mean` is what the theory does not account for. One more metric, APART, compares the two
    prediction by prediction. Both are missing for what the fit knows nothing of: norms, and models
    of other kinds. For `see` see evaluate_by_length.
    """
    table = _evaluate(model, tokens, mask, lengths, see)
    if not isinstance(model, OneLayer) or model.norm != "none":
        return table.assign(**{PREDICTED: np.nan})
    ideal = idealize(model)
    table[PREDICTED] = _evaluate(ideal, tokens, mask, lengths)["mean"]
    return pd.concat([table, _compare(model, ideal, tokens, mask, lengths)], ignore_index=True)


def _compare(
    model: Model, other: Model, tokens: np.ndarray, mask: np.ndarray, lengths: Iterable[int]
) -> pd.DataFrame:
    """Total variation between two models by length, columns STATISTICS; std of the population."""
    columns = np.array(sorted(lengths)) - 1
    goes_on = mask[:, columns].any(axis=2) & (tokens[:, columns] != PAD)
    size = max(1, CHUNK_BYTES // (8 * tokens.shape[1] * model.vocab_size))
    chunks = (tokens[start : start + size] for start in range(0, len(tokens), size))
    apart = np.concatenate([
        np.abs(
            probabilities(model.logits(games)[:, columns])
            - probabilities(other.logits(games)[:, columns])
        ).sum(axis=2)
        / 2
        for games in chunks
    ])  # fmt: skip
    rows = [
        [n + 1, APART, len(v), v.mean(), v.std(), v.min(), v.max()]
        for n, values, there in zip(columns, apart.T, goes_on.T, strict=True)
        if len(v := values[there])
    ]
    return pd.DataFrame(rows, columns=STATISTICS)


def get_factors(trial: Trial, model: Model, reference: Model | None) -> dict[str, float]:
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
    table = _evaluate(scale_head(model, factor), tokens, mask, lengths)
    return table[table["metric"].isin(COMPARED)]


def _evaluate(
    model: Model,
    tokens: np.ndarray,
    mask: np.ndarray,
    lengths: Iterable[int],
    see: See = lambda length, legal, values: None,
) -> pd.DataFrame:
    return evaluate_by_length(model, [(tokens, mask)], lengths, len(tokens), see)[STATISTICS]


def measure_checkpoint(
    model: Model, tokens: np.ndarray, mask: np.ndarray, lengths: dict[str, int]
) -> dict[str, float]:
    """A model in numbers on the way: mechanism, and metrics at named lengths on the first games.

    Of a OneLayer these are x, β and misfit of the standard form, and the circuits. Of other models
    it is the entropy of attention at the named lengths, as a share of that of uniform attention, of
    each layer that shows it, mean over heads.
    """
    games = tokens[:GAMES_ON_THE_WAY], mask[:GAMES_ON_THE_WAY]
    if not isinstance(model, OneLayer):
        return _look_at_named(model, *games, lengths)
    found = _describe_mechanism(model)
    table = _evaluate(model, *games, sorted(set(lengths.values())))
    means = table.set_index(["length", "metric"])["mean"]
    for name, length in lengths.items():
        found |= {f"{metric}_{name}": means.get((length, metric), np.nan) for metric in LOOKED_AT}
    return found


def _describe_mechanism(model: OneLayer) -> dict[str, float]:
    """x, β and misfit of the standard form, and the circuits in numbers.

    x and β are in nats without a norm; with one, in what the norm is given. ov_effective_rank is
    the participation ratio (Σσ)²/Σσ² of the singular values of P·OV·P, without gauge: V − 1 if
    all tokens are treated alike. score_spread is the standard deviation of a query's attention
    scores, mean over queries, in nats: 0 is uniform attention.
    """
    form = fit_model(model)
    P = centering(len(form.x))
    sigma = np.linalg.svd(P @ ov_circuit(model.parameters) @ P, compute_uv=False)
    return {
        "x_mean": form.x.mean(),
        "x_min": form.x.min(),
        "x_max": form.x.max(),
        "beta_mean": form.beta.mean(),
        "misfit": form.residual(),
        "gain": model.gain,
        "ov_effective_rank": sigma.sum() ** 2 / (sigma**2).sum() if sigma.any() else 0.0,
        "score_spread": qk_circuit(model.parameters).std(axis=1).mean(),
    }


def _look_at_named(
    model: Model, tokens: np.ndarray, mask: np.ndarray, lengths: dict[str, int]
) -> dict[str, float]:
    """LOOKED_AT and the entropy of attention at named lengths, of any model, in one pass."""
    inside = look_inside(model, tokens[:, : max(lengths.values())])
    metrics, shares = {}, {}
    for name, length in lengths.items():
        now = mask[:, length - 1]
        goes_on = now.any(axis=1) & (tokens[:, length - 1] != PAD)
        values = context_metrics(inside.logits[goes_on, length - 1], now[goes_on])
        for metric in LOOKED_AT:
            metrics[f"{metric}_{name}"] = _mean_of_defined(values[metric])
        entropies = inside.entropies[goes_on, :, :, length - 1].mean(axis=2, dtype=float)
        for layer, of_layer in enumerate(get_share_of_uniform(entropies, length).T):
            shares[f"entropy_share_{layer}_{name}"] = _mean_of_defined(of_layer)
    return metrics | shares


def _mean_of_defined(values: np.ndarray) -> float:
    is_defined = ~np.isnan(values)
    return values[is_defined].mean(dtype=float) if is_defined.any() else np.nan


def measure_noise(
    models: Sequence[Model], tokens: np.ndarray, mask: np.ndarray, lengths: Iterable[int]
) -> pd.DataFrame:
    """How far late iterates are from their mean prediction, and that from the truth, by length.

    Columns: length; count, of prefixes that go on; num_legal, the mean number of legal tokens;
    noise, the mean total variation of an iterate from the mean prediction; bias, that of the mean
    prediction from the truth; both in probability. The same in squares, summed over tokens:
    variance of the iterates and squared_bias, in squared probability. These two add up to the mean
    squared error of an iterate; both are unbiased if the iterates are independent.
    No rows for less than two iterates.
    """
    if len(models) < 2:
        return pd.DataFrame()
    columns = np.array(sorted(lengths)) - 1
    truth = mask[:, columns].astype(float)
    num_legal = truth.sum(axis=2)
    goes_on = (num_legal > 0) & (tokens[:, columns] != PAD)
    truth /= np.maximum(num_legal, 1)[..., None]
    predictions = np.array([
        probabilities(get_logits(model, tokens)[:, columns]) for model in models
    ])  # fmt: skip
    mean = predictions.mean(axis=0)
    noise = np.abs(predictions - mean).sum(axis=3).mean(axis=0) / 2  # (N, lengths)
    variance = predictions.var(axis=0, ddof=1).sum(axis=2)
    errors = {
        "num_legal": num_legal,
        "noise": noise,
        "bias": np.abs(mean - truth).sum(axis=2) / 2,
        "variance": variance,
        "squared_bias": ((mean - truth) ** 2).sum(axis=2) - variance / len(models),
    }
    count = goes_on.sum(axis=0)
    rows = {"length": columns + 1, "count": count}
    for name, values in errors.items():
        rows[name] = np.where(goes_on, values, 0).sum(axis=0, dtype=float) / np.maximum(count, 1)
    return pd.DataFrame(rows)[count > 0]


def measure_circuits(model: OneLayer) -> pd.DataFrame:
    """The three circuits without what predictions do not depend on, in nats before a norm.

    Of the attention scores, each query's mean; of the OV circuit and the direct path, the gauge:
    the logit that a row gives to all other tokens and, without a norm, the r that cancels. The
    standard form is then diagonal: −x and −β.

    Columns: circuit, vocab_size, row, column, value, among the first MAX_TOKENS tokens.
    """
    form, scores = fit_model(model), qk_circuit(model.parameters)
    matrices = {
        "qk_circuit": scores - scores.mean(axis=1, keepdims=True),
        "ov_circuit": form.ov_residual - np.diag(form.x),
        "direct_path": form.direct_residual - np.diag(form.beta),
    }
    parts = []
    for name, matrix in matrices.items():
        shown = matrix[:MAX_TOKENS, :MAX_TOKENS]
        row, column = np.indices(shown.shape).reshape(2, -1)
        part = {"circuit": name, "vocab_size": len(scores), "row": row, "column": column}
        parts.append(pd.DataFrame(part | {"value": shown.ravel()}))
    return pd.concat(parts, ignore_index=True)
