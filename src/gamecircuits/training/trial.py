"""What a training run may choose, and a random search over it.

A search names, for every hyperparameter that it does not leave at its default, a value, a list to
choose from or a range; and variants, each of which overrides some of them. Trial i of a variant is
a pure function of (seed, name of the search, i): how many others there are, and which job runs it,
does not matter. Trials of one number have all but the variant in common, their weights before
training and their games too, so that variants are compared in pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import exp, log
from typing import Any, Literal

import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.randomness import get_rng

LARGEST = 1e30  # of any number; single precision ends at 3e38
SITES = ("embedding", "attention", "residual")  # of dropout
STATIC = ("norm", "normalizer", "tied", "targets", "d_model", "d_k", "d_v", "batch_size")


@dataclass(frozen=True)
class Trial:
    """Hyperparameters of one training run.

    Attributes:
        norm: none, attention or residual, as in `forward`.
        normalizer: what the norm divides by: l2, the length of the vector, or rms, the root mean
            square of its entries, which is the length over √d_model.
        gain: the norm's gain before training; it is learned.
        tied: whether W_U is the transpose of W_E.
        d_model: width of the residual stream.
        d_k: width of queries and keys; 0 is uniform attention.
        d_v: width of values.
        init_scale: standard deviation of a weight before training × √(rows of its matrix); of the
            embedding × √d_model.
        targets: sampled next tokens, or the exact uniform distribution over the legal ones.
        batch_size: games in a step.
        learning_rate: AdamW's, at its highest.
        schedule: constant, or linear or cosine to zero, after the warm-up.
        warmup: share of the steps over which the learning rate rises linearly.
        weight_decay: AdamW's, times the learning rate; the gain does not decay.
        clip_norm: gradients longer than this are shortened to it; 1e30 lets all pass.
        embedding_dropout: share of the embedding's entries that are dropped.
        attention_dropout: share of the attention weights that are dropped.
        residual_dropout: share of the head's output that is dropped before it is added.
    """

    norm: Literal["none", "attention", "residual"] = "none"
    normalizer: Literal["l2", "rms"] = "l2"
    gain: float = 1.0
    tied: bool = False
    d_model: int = 32
    d_k: int = 32
    d_v: int = 32
    init_scale: float = 1.0
    targets: Literal["sampled", "exact"] = "sampled"
    batch_size: int = 64
    learning_rate: float = 1e-3
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: float = 0.05
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    embedding_dropout: float = 0.0
    attention_dropout: float = 0.0
    residual_dropout: float = 0.0

    def __post_init__(self):
        allowed = {
            "norm": ("none", "attention", "residual"),
            "normalizer": ("l2", "rms"),
            "targets": ("sampled", "exact"),
            "schedule": ("constant", "linear", "cosine"),
            "tied": (True, False),
        }
        for key, choices in allowed.items():
            value = getattr(self, key)
            if type(value) is not type(choices[0]) or value not in choices:  # 1 == True
                raise ParameterError(key, value, ", ".join(map(str, choices)))
        for key, least in [("d_model", 1), ("d_k", 0), ("d_v", 1), ("batch_size", 1)]:
            value = getattr(self, key)
            if type(value) is not int or not least <= value <= 65536:
                raise ParameterError(key, value, f"an integer from {least} to 65536")
        for key in ("gain", "init_scale", "learning_rate", "clip_norm"):
            if not _is_number(getattr(self, key)) or getattr(self, key) <= 0:
                raise ParameterError(key, getattr(self, key), "a number above 0, up to 1e30")
        if not _is_number(self.weight_decay) or self.weight_decay < 0:
            raise ParameterError("weight_decay", self.weight_decay, "a number from 0 to 1e30")
        if not _is_number(self.warmup) or not 0 <= self.warmup <= 1:
            raise ParameterError("warmup", self.warmup, "a number from 0 to 1")
        for key in ("embedding_dropout", "attention_dropout", "residual_dropout"):
            if not _is_number(getattr(self, key)) or not 0 <= getattr(self, key) < 1:
                raise ParameterError(key, getattr(self, key), "a number from 0 to below 1")

    @property
    def static(self) -> tuple:
        """What the compiled program depends on; trials that share it are trained together."""
        drops = tuple(getattr(self, f"{site}_dropout") > 0 for site in SITES)
        return (*(getattr(self, key) for key in STATIC), *drops)

    def get_learning_rates(self, num_steps: int) -> np.ndarray:
        """The learning rate of every step, float64 (num_steps,)."""
        step = np.arange(num_steps)
        rising = round(self.warmup * num_steps)
        done = (step - rising) / max(num_steps - rising, 1)  # share of what follows the warm-up
        shape = {
            "constant": np.ones(num_steps),
            "linear": 1 - done,
            "cosine": (1 + np.cos(np.pi * done)) / 2,
        }[self.schedule]
        return self.learning_rate * np.where(step < rising, (step + 1) / max(rising, 1), shape)


HYPERPARAMETERS = tuple(field.name for field in fields(Trial))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST  # NaN is not


def check_space(space: Mapping[str, Any]) -> None:
    """Raise ParameterError unless every trial that the space allows makes sense."""
    for key, choice in space.items():
        if key not in HYPERPARAMETERS:
            raise ParameterError("space", key, ", ".join(HYPERPARAMETERS))
        if isinstance(choice, Mapping):
            _check_range(key, choice)
            ends = [choice["low"], choice["high"]]
        else:
            ends = choice if isinstance(choice, list) else [choice]
        if not ends:
            raise ParameterError(key, choice, "a list that is not empty")
        for value in ends:
            Trial(**{key: value})


def _check_range(key: str, choice: Mapping[str, Any]) -> None:
    scale = choice.get("scale", "linear")
    known = set(choice) <= {"low", "high", "scale"} and {"low", "high"} <= set(choice)
    if not known or scale not in ("linear", "log"):
        raise ParameterError(key, dict(choice), "{low: ..., high: ..., scale: linear or log}")
    low, high = choice["low"], choice["high"]
    if not isinstance(getattr(Trial(), key), float):
        raise ParameterError(key, dict(choice), "a value or a list; only real numbers have ranges")
    ordered = _is_number(low) and _is_number(high) and low <= high
    if not ordered or (scale == "log" and low <= 0):
        raise ParameterError(key, dict(choice), "low <= high <= 1e30, and low > 0 on a log scale")


def draw_trial(space: Mapping[str, Any], seed: int, name: str, number: int, **variant) -> Trial:
    """Trial `number` of a search: one draw for each hyperparameter, but for those of `variant`."""
    chosen = {}
    for key in HYPERPARAMETERS:
        choice = space.get(key, getattr(Trial(), key))
        # Each has its own generator, so that a change of one leaves the others alone.
        uniform = get_rng(seed, f"{name} trial {key}", number).random()
        if isinstance(choice, Mapping):
            low, high = float(choice["low"]), float(choice["high"])
            if choice.get("scale", "linear") == "log":
                chosen[key] = exp(log(low) + uniform * (log(high) - log(low)))
            else:
                chosen[key] = low + uniform * (high - low)
        elif isinstance(choice, list):
            chosen[key] = choice[int(uniform * len(choice))]
        else:
            chosen[key] = choice
    return Trial(**chosen | variant)


def group_trials(trials: Mapping[tuple[str, int], Trial], size: int) -> list[list[tuple[str, int]]]:
    """Keys of the trials that one job trains together: at most `size`, all of one program."""
    alike: dict[tuple, list[tuple[str, int]]] = {}
    for key, trial in trials.items():
        alike.setdefault(trial.static, []).append(key)
    return [
        keys[start : start + size] for keys in alike.values() for start in range(0, len(keys), size)
    ]
