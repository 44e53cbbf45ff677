"""What a training run may choose, and a random search over it.

A search names, for every hyperparameter that it does not leave at its default, a value, a list to
choose from or a range; and variants, each of which overrides some of them. Trial i of a variant is
a pure function of (seed, name of the search, i): how many others there are, and which job runs it,
does not matter. Trials of one number have all but the variant in common, their weights before
training and their games too, so that variants are compared in pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.kinds import suggest
from gamecircuits.parameters import check_fields, check_value, fits, get_parameters
from gamecircuits.randomness import get_rng
from gamecircuits.transformer.model import Norm

SITES = ("embedding", "attention", "residual")  # of dropout
STATIC = object()  # marks what the compiled program depends on

Width = Annotated[int, Interval(ge=1, le=65536)]
Positive = Annotated[float, Interval(gt=0, le=1e30)]  # single precision ends at 3e38
Dropout = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True)
class Trial:
    """Hyperparameters of one training run."""

    norm: Annotated[
        Norm,
        STATIC,
        "what is normalised: nothing, the head's output, or the residual stream after it",
    ] = "none"
    normalizer: Annotated[
        Literal["l2", "rms"],
        STATIC,
        "what the norm divides by: the length of the vector, or the root mean square of its "
        "entries, which is the length over √d_model",
    ] = "l2"
    gain: Annotated[Positive, "gain of the norm before training; it is learned"] = 1.0
    tied: Annotated[bool, STATIC, "whether W_U is the transpose of W_E"] = False
    d_model: Annotated[Width, STATIC, "width of the residual stream"] = 32
    d_k: Annotated[
        Width, Interval(ge=0), STATIC, "width of queries and keys; 0 is uniform attention"
    ] = 32
    d_v: Annotated[Width, STATIC, "width of values"] = 32
    init_scale: Annotated[
        Positive,
        "standard deviation of a weight before training × √(rows of its matrix); of the embedding "
        "× √d_model",
    ] = 1.0
    targets: Annotated[
        Literal["sampled", "exact"],
        STATIC,
        "sampled next tokens, or the exact uniform distribution over the legal ones",
    ] = "sampled"
    optimizer: Annotated[
        Literal["adamw", "sgd"], STATIC, "AdamW, or plain gradient descent on each step's games"
    ] = "adamw"
    batch_size: Annotated[Width, STATIC, "games in a step"] = 64
    learning_rate: Annotated[Positive, "learning rate at its highest"] = 1e-3
    schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        "learning rate after the warm-up: constant, or falling to zero",
    ] = "constant"
    warmup: Annotated[
        float,
        Interval(ge=0, le=1),
        "share of the steps over which the learning rate rises linearly",
    ] = 0.05
    weight_decay: Annotated[
        float,
        Interval(ge=0, le=1e30),
        "weight decay, times the learning rate, apart from the gradient; the gain does not decay",
    ] = 0.0
    clip_norm: Annotated[
        Positive, "gradients longer than this are shortened to it; 1e30 lets all pass"
    ] = 1.0
    embedding_dropout: Annotated[Dropout, "share of the embedding's entries that are dropped"] = 0.0
    attention_dropout: Annotated[Dropout, "share of the attention weights that are dropped"] = 0.0
    residual_dropout: Annotated[
        Dropout, "share of the head's output that is dropped before it is added"
    ] = 0.0

    def __post_init__(self):
        check_fields(self)

    @property
    def static(self) -> tuple:
        """What the compiled program depends on; trials that share it are trained together."""
        drops = tuple(getattr(self, f"{site}_dropout") > 0 for site in SITES)
        return (*(getattr(self, name) for name in _STATIC), *drops)

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


HYPERPARAMETERS = get_parameters(Trial)
_STATIC = [name for name, p in HYPERPARAMETERS.items() if STATIC in p.annotation.__metadata__]


def has_range(key: str) -> bool:
    """Whether a search may draw the hyperparameter from a range, as it may any real number."""
    return isinstance(HYPERPARAMETERS[key].default, float)


def check_space(space: Mapping[str, Any]) -> None:
    """Raise ParameterError unless every trial that the space allows makes sense."""
    for key, choice in space.items():
        if key not in HYPERPARAMETERS:
            allowed = ", ".join(HYPERPARAMETERS) + suggest(key, HYPERPARAMETERS)
            raise ParameterError("space", key, allowed)
        if isinstance(choice, Mapping):
            _check_range(key, choice)
            ends = [choice["low"], choice["high"]]
        else:
            ends = choice if isinstance(choice, list) else [choice]
        if not ends:
            raise ParameterError(key, choice, "a list that is not empty")
        for value in ends:
            check_value(key, value, HYPERPARAMETERS[key].annotation)


def _check_range(key: str, choice: Mapping[str, Any]) -> None:
    scale = choice.get("scale", "linear")
    known = set(choice) <= {"low", "high", "scale"} and {"low", "high"} <= set(choice)
    if not known or scale not in ("linear", "log"):
        raise ParameterError(key, dict(choice), "{low: ..., high: ..., scale: linear or log}")
    if not has_range(key):
        raise ParameterError(key, dict(choice), "a value or a list; only real numbers have ranges")
    low, high = choice["low"], choice["high"]
    ordered = fits(float, low) and fits(float, high) and low <= high
    if not ordered or (scale == "log" and low <= 0):
        raise ParameterError(key, dict(choice), "low <= high, and low > 0 on a log scale")


def draw_trial(space: Mapping[str, Any], seed: int, name: str, number: int, **variant) -> Trial:
    """Trial `number` of a search: one draw for each hyperparameter, but for those of `variant`."""
    chosen = {}
    for key, choice in {**space, **variant}.items():
        if not isinstance(choice, (Mapping, list)):
            chosen[key] = choice
            continue
        # Each has its own generator, so that a change of one leaves the others alone.
        uniform = get_rng(seed, f"{name} trial {key}", number).random()
        if isinstance(choice, Mapping):
            low, high = float(choice["low"]), float(choice["high"])
            if choice.get("scale", "linear") == "log":
                drawn = exp(log(low) + uniform * (log(high) - log(low)))
            else:
                drawn = low + uniform * (high - low)
            chosen[key] = min(max(drawn, low), high)  # rounding may lead outside
        else:
            chosen[key] = choice[int(uniform * len(choice))]
    return Trial(**chosen)


def group_trials(
    trials: Mapping[tuple[str, int], Trial], size: int
) -> dict[str, list[tuple[str, int]]]:
    """Keys (variant, number) of the trials that one job trains together, by the group's name.

    A group has at most `size` trials, all of one variant and one program. It is named after its
    variant and its first trial, so that other variants and later trials do not rename it.
    """
    alike: dict[tuple, list[tuple[str, int]]] = {}
    for key, trial in trials.items():
        alike.setdefault((key[0], trial.static), []).append(key)
    groups = (
        keys[start : start + size] for keys in alike.values() for start in range(0, len(keys), size)
    )
    return {f"{group[0][0]}-{group[0][1]:04d}": group for group in groups}
