"""What a trained trial is like: its averages length by length, its mechanism on the way, its noise.

The mechanism is that of the theory: x and β of the standard form, and what of the circuits does not
fit it. Noise is how far the predictions of late iterates are from their own mean; what then remains
between that mean and the truth is no noise, and no averaging of predictions takes it away.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gamecircuits.diagnosis import fit_standard_form
from gamecircuits.evaluation import evaluate_by_length
from gamecircuits.games.game import PAD
from gamecircuits.transformer.circuits import TokenTables, direct_path, ov_circuit, token_logits
from gamecircuits.transformer.model import Model

STATISTICS = ["length", "metric", "count", "mean", "std", "min", "max"]
LOOKED_AT = ("illegal_token_rate", "total_variation", "displacement")
GAMES_ON_THE_WAY = 200  # at each checkpoint
LATE = 4  # the last 1/LATE of the checkpoints shows the noise


def is_usable(model: Model) -> bool:
    """Whether training kept the weights finite, and attention in the range of the token tables."""
    if not all(np.isfinite(matrix).all() for matrix in model.parameters):
        return False
    try:
        TokenTables(model)
    except ValueError:
        return False
    return True


def measure_average(
    model: Model, tokens: np.ndarray, mask: np.ndarray, lengths: Iterable[int]
) -> pd.DataFrame:
    """Every metric at every length on games (N, L) with masks (N, L, V); columns STATISTICS."""
    table = evaluate_by_length(model, [(tokens, mask)], lengths, len(tokens))
    return table[STATISTICS]


def measure_checkpoint(
    model: Model, tokens: np.ndarray, mask: np.ndarray, lengths: dict[str, int]
) -> dict[str, float]:
    """x, β and misfit of the standard form, and metrics at the named lengths.

    x and β are in nats without a norm; with one, in what the norm is given.
    """
    ov, direct = ov_circuit(model.parameters), direct_path(model.parameters)
    form = fit_standard_form(ov, direct, cancels=model.norm == "none")
    found = {
        "x_mean": form.x.mean(),
        "x_min": form.x.min(),
        "x_max": form.x.max(),
        "beta_mean": form.beta.mean(),
        "misfit": form.residual(),
        "gain": model.gain,
    }
    some = slice(GAMES_ON_THE_WAY)
    table = measure_average(model, tokens[some], mask[some], sorted(set(lengths.values())))
    means = table.set_index(["length", "metric"])["mean"]
    for name, length in lengths.items():
        found |= {f"{metric}_{name}": means.get((length, metric), np.nan) for metric in LOOKED_AT}
    return found


def measure_noise(
    models: list[Model], tokens: np.ndarray, mask: np.ndarray, lengths: Iterable[int]
) -> pd.DataFrame:
    """Total variation between late iterates and their mean prediction, by length.

    Columns: length; count, of prefixes that go on; num_legal, the mean number of legal tokens;
    noise, the mean total variation of an iterate from the mean prediction; bias, that of the mean
    prediction from the truth; both in probability.
    """
    columns = np.array(sorted(lengths)) - 1
    truth = mask[:, columns].astype(float)
    num_legal = truth.sum(axis=2)
    goes_on = (num_legal > 0) & (tokens[:, columns] != PAD)
    truth /= np.maximum(num_legal, 1)[..., None]
    predictions = np.array([_predict(model, tokens)[:, columns] for model in models])
    mean = predictions.mean(axis=0)
    noise = np.abs(predictions - mean).sum(axis=3).mean(axis=0) / 2  # (N, lengths)
    bias = np.abs(mean - truth).sum(axis=2) / 2
    count = goes_on.sum(axis=0)
    rows = {"length": columns + 1, "count": count}
    for name, values in {"num_legal": num_legal, "noise": noise, "bias": bias}.items():
        rows[name] = np.where(goes_on, values, 0).sum(axis=0) / np.maximum(count, 1)
    return pd.DataFrame(rows)[count > 0]


def _predict(model: Model, tokens: np.ndarray) -> np.ndarray:
    """Next-token distributions (N, L, V)."""
    settings = {"norm": model.norm, "gain": model.gain, "sink": model.sink}
    logits = token_logits(model.parameters, tokens.astype(np.int64), **settings)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
