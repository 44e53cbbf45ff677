"""What a construction is: weights with a proof, made from a few numbers in the config.

A new construction is one file in this folder (see docs/extending.md): a frozen dataclass derived
from `Construction`, whose fields are the config's keys, and whose docstring states the theorem.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.kinds import Registry
from gamecircuits.parameters import VocabSize, check_fields
from gamecircuits.theory.displacement import Displacements
from gamecircuits.theory.laws import (
    ContextClasses,
    Law,
    attention_entropy,
    laws_from_classes,
    single_class,
)
from gamecircuits.transformer.model import Norm, Parameters
from gamecircuits.transformer.one_layer import OneLayer

CONSTRUCTIONS = Registry(
    "construction", "gamecircuits.transformer.constructions", helpers=["construction"]
)


def make_construction(kind: str, **parameters) -> "Construction":
    """Make a construction; unknown kinds and parameters are answered with those that exist."""
    return CONSTRUCTIONS.make(kind, **parameters)


IllegalRate = Annotated[
    float,
    Interval(ge=1e-300, lt=1),
    "softmax mass that may fall on seen tokens; the weights are the smallest that keep it at every "
    "length of set complement",
]
Strength = Annotated[float, Interval(gt=0, le=1e9), "strength x of the OV circuit"]
MAX_WIDTH = 16384


class Construction(ABC):
    """A hand-built model of set complement together with its closed form.

    A subclass gives the weights and one of three closed forms, the first that fits: `displacements`
    if they depend on the length alone, `context_classes` if contexts of a length fall into a few
    classes, else `closed_form`.
    """

    vocab_size: int
    norm: ClassVar[Norm] = "none"

    def __post_init__(self):
        check_fields(self)

    @property
    def gain(self) -> float:
        return 1.0

    @property
    def sink(self) -> float:
        """Attention weight of a sink without value."""
        return 0.0

    @property
    def self_weight(self) -> float:
        """Attention weight of the last token to itself, if it is 1 for the others."""
        return 1.0

    @abstractmethod
    def parameters(self) -> Parameters:
        """The weights, float64."""

    def displacements(self, lengths: np.ndarray) -> Displacements:
        """Closed form of the displacements at each length, from the theorem and not the weights."""
        raise NotImplementedError(
            f"{type(self).__name__} must define displacements, context_classes or closed_form"
        )

    def context_classes(self, lengths: np.ndarray) -> ContextClasses:
        """Classes of contexts at each length, with the displacements in each."""
        return single_class(lengths, self.displacements(lengths))

    def attention_entropy(self, lengths: np.ndarray) -> np.ndarray:
        """Entropy of attention in nats at each length, (L,), or each length and class, (L, C)."""
        return attention_entropy(self.vocab_size, lengths, self.self_weight, self.sink)

    def closed_form(self, lengths: np.ndarray) -> dict[str, Law]:
        """Mean, minimum and maximum over all contexts of each length 1..V−1, by metric.

        Metrics of which theory says nothing are left out; single values are NaN.
        """
        classes = self.context_classes(lengths)
        return laws_from_classes(self.vocab_size, lengths, classes, self.attention_entropy(lengths))

    def model(self) -> OneLayer:
        return OneLayer(self.parameters(), self.norm, self.gain, self.sink)


def helmert(vocab_size: int) -> np.ndarray:
    """H (V, V−1) with HᵀH = I and HHᵀ = I − 11ᵀ/V: the vertices of a regular simplex as rows.

    Column k compares token k with the tokens before it. Any two rows have inner product −1/V: the
    narrowest embedding in which all tokens are equally unlike.
    """
    column = np.arange(1, vocab_size)
    row = np.arange(vocab_size)[:, None]
    entries = np.where(row < column, 1.0, np.where(row == column, -column, 0.0))
    return entries / np.sqrt(column * (column + 1.0))


@dataclass(frozen=True)
class FullWidth(Construction):
    """A construction that is wide enough to treat all tokens alike.

    `half_widths` times V−1 is its least width, by Theorem 13 (2) or Cor. 4 (1).
    """

    vocab_size: VocabSize
    max_illegal_rate: IllegalRate = 1e-3
    d_model: Annotated[
        int | None,
        Interval(ge=1, le=MAX_WIDTH),
        "width of the residual stream; by default the least, V−1 or 2(V−1) as the kind says",
    ] = None

    half_widths: ClassVar[int] = 2

    def __post_init__(self):
        super().__post_init__()
        choose_width(self.d_model, self.vocab_size, self.half_widths)


def check_not_trivial(vocab_size: int, max_illegal_rate: float) -> None:
    """Refuse rates that equal logits meet: no strength at all would be needed."""
    trivial = (vocab_size - 1) / vocab_size
    if max_illegal_rate >= trivial:
        allowed = f"below {trivial:.6g}, which a model that knows nothing reaches"
        raise ParameterError("max_illegal_rate", max_illegal_rate, allowed)


def choose_width(d_model: int | None, vocab_size: int, half_widths: int) -> int:
    """Width of the residual stream: `d_model`, or the least, `half_widths` times V−1."""
    least = half_widths * (vocab_size - 1)
    if d_model is None:
        return least
    theorem = {1: "an exact solution needs width V-1", 2: "balance needs width 2(V-1)"}
    allowed = f"an integer from {least} to {MAX_WIDTH} ({theorem[half_widths]})"
    if not least <= d_model <= MAX_WIDTH:
        raise ParameterError("d_model", d_model, allowed)
    return d_model


def place(matrix: np.ndarray, shape: tuple[int, int], corner: tuple[int, int]) -> np.ndarray:
    """Zeros of `shape` with `matrix` at `corner`: chooses a subspace of the residual stream."""
    full = np.zeros(shape)
    full[corner[0] : corner[0] + matrix.shape[0], corner[1] : corner[1] + matrix.shape[1]] = matrix
    return full
