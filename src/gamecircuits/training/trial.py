"""What a training run may choose, and a random search over it.

A search trains one architecture. It names, for every hyperparameter that it does not leave at its
default, a value, a list to choose from or a range; and variants, each of which overrides some of
them. Trial i of a variant is a pure function of (seed, name of the search, i): how many others
there are, and which job runs it, does not matter. Trials of one number have all but the variant in
common, their weights before training and their games too, so that variants are compared in pairs.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log, prod
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.kinds import Registry, suggest
from gamecircuits.parameters import Parameter, check_fields, check_value, fits, get_parameters
from gamecircuits.randomness import get_rng
from gamecircuits.transformer.interface import Model

SITES = ("embedding", "attention", "residual")  # of dropout
STATIC = object()  # marks what the compiled program depends on
ARCHITECTURES = Registry("architecture", "gamecircuits.training.architectures", suffix="Trial")

Width = Annotated[int, Interval(ge=1, le=65536)]
Positive = Annotated[float, Interval(gt=0, le=1e30)]  # single precision ends at 3e38
Dropout = Annotated[float, Interval(ge=0, lt=1)]
Weights = dict[str, Any]  # arrays by name, of any library, in the order of the shapes


@dataclass(frozen=True, kw_only=True)
class Trial(ABC):
    """Hyperparameters of one training run; a subclass adds those of its architecture."""

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
        "weight decay, times the learning rate, apart from the gradient; gains, and embeddings and "
        "biases of a GPT, do not decay",
    ] = 0.0
    clip_norm: Annotated[
        Positive, "gradients longer than this are shortened to it; 1e30 lets all pass"
    ] = 1.0
    embedding_dropout: Annotated[Dropout, "share of the embedding's entries that are dropped"] = 0.0
    attention_dropout: Annotated[Dropout, "share of the attention weights that are dropped"] = 0.0
    residual_dropout: Annotated[
        Dropout, "share of what a head, a layer or an MLP gives that is dropped before it is added"
    ] = 0.0

    def __post_init__(self):
        check_fields(self)

    @property
    def static(self) -> tuple:
        """What the compiled program depends on; trials that share it are trained together."""
        drops = tuple(getattr(self, f"{site}_dropout") > 0 for site in SITES)
        known = get_parameters(type(self)).items()
        static = [name for name, p in known if STATIC in p.annotation.__metadata__]
        return (*(getattr(self, name) for name in static), *drops)

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

    @abstractmethod
    def get_shapes(self, vocab_size: int, context: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights by name.

        Args:
            context: tokens of the longest game, all of which a model can be given.
        """

    @abstractmethod
    def init_weights(self, vocab_size: int, context: int, rng: np.random.Generator) -> Weights:
        """Weights before the first step, float32, of the shapes in their order."""

    @abstractmethod
    def decays(self, name: str) -> bool:
        """Whether weight decay is for this weight."""

    @abstractmethod
    def logits(self, weights: Weights, tokens: Any, noise: Any) -> Any:
        """Logits (n, L, V) in training; JAX.

        Args:
            tokens: (n, L), without padding.
            noise: a gamecircuits.training.noise.Noise, what is random in a step.
        """

    @abstractmethod
    def make_model(self, weights: Weights) -> Model:
        """The model of trained weights, numpy."""

    @property
    def is_small(self) -> bool:
        """Whether a processor has time to spare for other trials beside it, under `vmap`."""
        return True

    def count_products(self, vocab_size: int, context: int) -> int:
        """Multiplications that a token's prediction takes, about; what times are estimated by."""
        return sum(map(prod, self.get_shapes(vocab_size, context).values()))

    def count_kept(self, length: int) -> int:
        """Numbers that a token leaves for the backward pass, about, beside its logits."""
        return 0

    @property
    def is_bounded(self) -> bool:
        """Whether the model takes no longer prefix than the context that it was made for."""
        return False

    @property
    def num_sublayers(self) -> int:
        """Attentions and MLPs of the model."""
        return 1

    def to_tensors(self, weights: Weights) -> Weights:
        """What is kept of an average on disk."""
        return weights

    def from_tensors(self, tensors: Weights) -> Model:
        """The model of what was kept."""
        return self.make_model(tensors)

    def from_vector(self, vector: Any, vocab_size: int, context: int) -> Weights:
        """The weights in vectors (..., P): one after the other in the order of the shapes."""
        found, start = {}, 0
        for name, shape in self.get_shapes(vocab_size, context).items():
            end = start + prod(shape)
            found[name] = vector[..., start:end].reshape((*vector.shape[:-1], *shape))
            start = end
        if start != vector.shape[-1]:
            raise ValueError(f"{vector.shape[-1]} numbers are not {start} weights")
        return found


def get_hyperparameters(architecture: str) -> dict[str, Parameter]:
    """What the trials of an architecture choose, by name."""
    return get_parameters(ARCHITECTURES.type(architecture))


def has_range(parameter: Parameter) -> bool:
    """Whether a search may draw the hyperparameter from a range, as it may any real number."""
    return isinstance(parameter.default, float)


def check_space(space: Mapping[str, Any], architecture: str) -> None:
    """Raise ParameterError unless each choice alone makes sense for trials of the architecture."""
    known = get_hyperparameters(architecture)
    for key, choice in space.items():
        if key not in known:
            raise ParameterError("space", key, ", ".join(known) + suggest(key, known))
        if isinstance(choice, Mapping):
            _check_range(known[key], choice)
            ends = [choice["low"], choice["high"]]
        else:
            ends = choice if isinstance(choice, list) else [choice]
        if not ends:
            raise ParameterError(key, choice, "a list that is not empty")
        for value in ends:
            check_value(key, value, known[key].annotation)


def _check_range(parameter: Parameter, choice: Mapping[str, Any]) -> None:
    key = parameter.name
    scale = choice.get("scale", "linear")
    known = set(choice) <= {"low", "high", "scale"} and {"low", "high"} <= set(choice)
    if not known or scale not in ("linear", "log"):
        raise ParameterError(key, dict(choice), "{low: ..., high: ..., scale: linear or log}")
    if not has_range(parameter):
        raise ParameterError(key, dict(choice), "a value or a list; only real numbers have ranges")
    low, high = choice["low"], choice["high"]
    ordered = fits(float, low) and fits(float, high) and low <= high
    if not ordered or (scale == "log" and low <= 0):
        raise ParameterError(key, dict(choice), "low <= high, and low > 0 on a log scale")


def draw_trial(
    space: Mapping[str, Any],
    architecture: str,
    seed: int,
    name: str,
    number: int,
    variant: Mapping[str, Any] | None = None,
) -> Trial:
    """Trial `number` of a search: one draw for each hyperparameter, but for those of `variant`.

    Raises ParameterError where hyperparameters do not go together.
    """
    chosen = {}
    for key, choice in {**space, **(variant or {})}.items():
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
    return ARCHITECTURES.make(architecture, **chosen)


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
