"""The weights of a trial: what is trained, as matrices and as one vector, and the model they make.

The vector is the matrices one after the other in the order of `Weights`, rows first.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from gamecircuits.training.trial import Trial
from gamecircuits.transformer.model import Parameters
from gamecircuits.transformer.one_layer import OneLayer


class Weights(NamedTuple):
    """What is trained; W_U is empty if it is the transpose of W_E."""

    W_E: Any
    W_Q: Any
    W_K: Any
    W_V: Any
    W_O: Any
    W_U: Any
    gain: Any


def get_shapes(trial: Trial, vocab_size: int) -> Weights:
    """Shapes of the weights."""
    V, d, d_k, d_v = vocab_size, trial.d_model, trial.d_k, trial.d_v
    W_U = (d, 0 if trial.tied else V)
    return Weights((V, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), W_U, ())


def init_weights(trial: Trial, vocab_size: int, rng: np.random.Generator) -> Weights:
    """Independent normal weights of variance init_scale² / rows; embeddings init_scale² / d."""
    *shapes, _ = get_shapes(trial, vocab_size)
    rows = [trial.d_model, *(shape[0] for shape in shapes[1:])]
    matrices = [
        (rng.standard_normal(shape) * trial.init_scale / n**0.5).astype(np.float32)
        for shape, n in zip(shapes, rows, strict=True)
    ]
    return Weights._make([*matrices, np.float32(trial.gain)])


def to_parameters(weights: Weights) -> Parameters:
    """The matrices of the model, of whatever library the weights are."""
    is_tied = weights.W_U.shape[1] == 0
    return Parameters(*weights[:5], weights.W_E.T if is_tied else weights.W_U)


def get_gain(trial: Trial, weights: Weights) -> Any:
    """The gain of an L2 norm that does what the trial's norm does: that of RMS is √d as large."""
    return weights.gain * (trial.d_model**0.5 if trial.normalizer == "rms" else 1.0)


def from_vector(trial: Trial, vocab_size: int, vector: np.ndarray) -> Weights:
    """The weights of vectors (..., P)."""
    shapes = get_shapes(trial, vocab_size)
    ends = np.cumsum([prod(shape) for shape in shapes])
    parts = np.split(vector, ends[:-1], axis=-1)
    leading = vector.shape[:-1]
    pairs = zip(parts, shapes, strict=True)
    return Weights(*(part.reshape((*leading, *shape)) for part, shape in pairs))


def make_model(trial: Trial, weights: Weights) -> OneLayer:
    """The model of a trial's weights, in float64."""
    weights = Weights(*(np.asarray(part, np.float64) for part in weights))
    gain = 1.0 if trial.norm == "none" else float(get_gain(trial, weights))
    return OneLayer(to_parameters(weights), trial.norm, gain)
