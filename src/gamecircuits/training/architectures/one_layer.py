"""The one-layer transformer of the theory: attention only, one head, no positions."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Interval

from gamecircuits.training.trial import STATIC, Positive, Trial, Width
from gamecircuits.training.trial import Weights as ByName
from gamecircuits.transformer.circuits import forward_by_products, forward_by_tokens
from gamecircuits.transformer.model import Norm, Parameters, forward
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


@dataclass(frozen=True, kw_only=True)
class OneLayerTrial(Trial):
    """Hyperparameters of one training run of the one-layer transformer."""

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

    def get_shapes(self, vocab_size: int, context: int = 0) -> dict[str, tuple[int, ...]]:
        V, d, d_k, d_v = vocab_size, self.d_model, self.d_k, self.d_v
        W_U = (d, 0 if self.tied else V)
        return Weights((V, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), W_U, ())._asdict()

    def init_weights(self, vocab_size: int, context: int, rng: np.random.Generator) -> ByName:
        """Independent normal weights of variance init_scale² / rows; embeddings init_scale² / d."""
        *shapes, _ = self.get_shapes(vocab_size).values()
        rows = [self.d_model, *(shape[0] for shape in shapes[1:])]
        matrices = [
            (rng.standard_normal(shape) * self.init_scale / n**0.5).astype(np.float32)
            for shape, n in zip(shapes, rows, strict=True)
        ]
        return Weights._make([*matrices, np.float32(self.gain)])._asdict()

    def count_products(self, vocab_size: int, context: int) -> int:
        return self.d_model * vocab_size  # on tables over the vocabulary

    def decays(self, name: str) -> bool:
        return name != "gain"

    def logits(self, weights: ByName, tokens: Any, noise: Any) -> Any:
        """By the function with the least arithmetic; they are equal to rounding.

        Without dropout that is `forward_by_tokens`, which attends over the vocabulary: a fifth of
        the arithmetic, and no small product for every game.
        """
        parts = Weights(**weights)
        how: dict[str, Any] = {"norm": self.norm, "gain": self.get_gain(parts)}
        if not noise.is_dropping:
            return forward_by_tokens(to_parameters(parts), tokens, **how)
        is_wide = 2 * min(self.d_k, self.d_v) > self.d_model
        run = forward_by_products if is_wide else forward
        return run(to_parameters(parts), tokens, drop=noise.drop, **how)

    def get_gain(self, weights: Weights) -> Any:
        """The gain of an L2 norm that does what the trial's does: that of RMS is √d as large."""
        return weights.gain * (self.d_model**0.5 if self.normalizer == "rms" else 1.0)

    def make_model(self, weights: ByName) -> OneLayer:
        """The model in float64."""
        parts = Weights(**{name: np.asarray(part, np.float64) for name, part in weights.items()})
        gain = 1.0 if self.norm == "none" else float(self.get_gain(parts))
        return OneLayer(to_parameters(parts), self.norm, gain)

    def to_tensors(self, weights: ByName) -> ByName:
        """The matrices of the model, and the gain of its L2 norm, in float64."""
        model = self.make_model(weights)
        return model.parameters._asdict() | {"gain": np.array(model.gain)}

    def from_tensors(self, tensors: ByName) -> OneLayer:
        matrices = (tensors[name] for name in Parameters._fields)
        return OneLayer(Parameters(*matrices), self.norm, float(tensors["gain"]))


def to_parameters(weights: Weights) -> Parameters:
    """The matrices of the model, of whatever library the weights are."""
    is_tied = weights.W_U.shape[1] == 0
    return Parameters(*weights[:5], weights.W_E.T if is_tied else weights.W_U)
