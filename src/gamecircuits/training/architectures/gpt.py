"""A GPT: several layers, heads and an MLP each, with norms and positions."""

from dataclasses import dataclass
from itertools import count
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.training.trial import STATIC, Positive, Trial, Weights, Width
from gamecircuits.transformer.gpt import GPT, Design, forward
from gamecircuits.transformer.gpt_weights import from_names

DROPPED = {  # sites of dropout, by the end of the names of the places that `forward` shows
    "blocks.0.resid_pre": "embedding",  # with the positions
    "attn.pattern": "attention",
    "attn_out": "residual",
    "mlp_out": "residual",
}
WITH_TABLE = ("learned", "random_offset")  # positions that are weights
POSITIONS = "pos_embed.W_pos"
TABLES = ("embed.W_E", POSITIONS)
TO_RESIDUAL = ("W_O", "W_out")  # matrices that write into the residual stream


@dataclass(frozen=True, kw_only=True)
class GptTrial(Trial):
    """Hyperparameters of one training run of a GPT."""

    num_layers: Annotated[
        int, Interval(ge=1, le=64), STATIC, "layers: attention, and an MLP unless d_mlp is 0"
    ] = 2
    num_heads: Annotated[Width, STATIC, "heads of a layer; they divide d_model"] = 2
    d_model: Annotated[Width, STATIC, "width of the residual stream"] = 64
    d_mlp: Annotated[Width, Interval(ge=0), STATIC, "width of the MLPs; 0 leaves them out"] = 256
    positions: Annotated[
        Literal["none", "learned", "sinusoidal", "rotary", "random_offset"],
        STATIC,
        "how the model knows where a token is; random_offset: learned, and games begin at a random "
        "place of the table in training, so that no place stays untrained",
    ] = "learned"
    norm: Annotated[
        Literal["none", "layer", "rms"], STATIC, "norm of each sublayer: LayerNorm or RMSNorm"
    ] = "layer"
    placement: Annotated[
        Literal["before", "after"],
        STATIC,
        "norms stand before sublayers and before the unembedding (GPT-2), or after sublayers on "
        "the residual stream (GPT-1, post-norm)",
    ] = "before"
    biases: Annotated[bool, STATIC, "whether products and norms have biases"] = True
    tied: Annotated[bool, STATIC, "whether W_U is the transpose of W_E"] = False
    init_scale: Annotated[
        Positive,
        "standard deviation of a weight before training × √(rows of its matrix); of embedding and "
        "positions × √d_model; of what writes into the residual stream also × √(2 · num_layers)",
    ] = 0.5
    products: Annotated[
        Literal["float32", "bfloat16"],
        STATIC,
        "type of the numbers that are multiplied in training; sums and weights are float32",
    ] = "float32"

    def __post_init__(self):
        super().__post_init__()
        if self.d_model % self.num_heads:
            message = f"a divisor of d_model = {self.d_model}"
            raise ParameterError("num_heads", self.num_heads, message)
        if self.positions == "rotary" and self.d_model // self.num_heads % 2:
            message = "an even width of the heads, d_model / num_heads, for rotary positions"
            raise ParameterError("num_heads", self.num_heads, message)

    @property
    def is_small(self) -> bool:
        return False

    @property
    def is_bounded(self) -> bool:
        return self.positions in WITH_TABLE

    @property
    def num_sublayers(self) -> int:
        return self.num_layers * (1 + (self.d_mlp > 0))

    def count_kept(self, length: int) -> int:
        # From 1.0 to 1.2 times what XLA's programs took at seven sizes.
        of_layer = 12 * self.d_model + 6 * self.d_mlp + 3 * self.num_heads * length
        return self.num_layers * of_layer

    @property
    def design(self) -> Design:
        """What the weights do not tell."""
        positions = "learned" if self.positions == "random_offset" else self.positions
        norm = "layer" if self.norm == "none" else self.norm
        return Design(self.num_heads, norm, self.placement, positions)

    def get_shapes(self, vocab_size: int, context: int) -> dict[str, tuple[int, ...]]:
        V, d, h = vocab_size, self.d_model, self.d_mlp
        norm: dict[str, tuple[int, ...]]
        norm = {} if self.norm == "none" else {"w": (d,), "b": (d,)}
        mlp: dict[str, tuple[int, ...]]
        mlp = {"W_in": (d, h), "W_out": (h, d), "b_in": (h,), "b_out": (d,)} if h else {}
        layer: dict[str, dict[str, tuple[int, ...]]] = {
            "ln1": norm,
            "attn": {f"W_{name}": (d, d) for name in "QKVO"} | {f"b_{n}": (d,) for n in "QKVO"},
            "ln2": norm if mlp else {},
            "mlp": mlp,
        }
        shapes: dict[str, tuple[int, ...]] = {"embed.W_E": (V, d)}
        if self.is_bounded:
            shapes[POSITIONS] = (context, d)
        for i in range(self.num_layers):
            for part, weights in layer.items():
                shapes |= {f"blocks.{i}.{part}.{name}": s for name, s in weights.items()}
        if self.placement == "before":
            shapes |= {f"ln_final.{name}": shape for name, shape in norm.items()}
        shapes |= {"unembed.W_U": (d, V), "unembed.b_U": (V,)}
        return {
            name: shape
            for name, shape in shapes.items()
            if (self.biases or not _last(name).startswith("b"))
            and not (self.tied and name == "unembed.W_U")
        }

    def init_weights(self, vocab_size: int, context: int, rng: np.random.Generator) -> Weights:
        """Independent normal matrices as `init_scale` says, gains of 1, biases of 0.

        Positions are drawn last: trials of one number have all other weights in common.
        """
        shapes = self.get_shapes(vocab_size, context)
        found: Weights = dict.fromkeys(shapes)
        for name in sorted(shapes, key=POSITIONS.__eq__):
            shape, last = shapes[name], _last(name)
            if last == "w" or last.startswith("b"):
                found[name] = np.full(shape, float(last == "w"), np.float32)
                continue
            rows = self.d_model if name in TABLES else shape[0]
            scale = self.init_scale / rows**0.5
            if last in TO_RESIDUAL:
                scale /= (2 * self.num_layers) ** 0.5
            found[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
        return found

    def decays(self, name: str) -> bool:
        """Matrices decay, but not tables of embeddings and positions; nor norms and biases."""
        return _last(name).startswith("W") and name not in TABLES

    def logits(self, weights: Weights, tokens: Any, noise: Any) -> Any:
        from gamecircuits.training.operations import make_operations  # brings JAX

        numbers = count()  # of the places, each of which drops by bits of its own

        def drop(place: str, values: Any) -> Any:
            site = next((s for end, s in DROPPED.items() if place.endswith(end)), None)
            return values if site is None else noise.drop(site, values, next(numbers))

        parameters, offset = from_names(weights), None
        if self.positions == "random_offset":
            free = weights[POSITIONS].shape[0] - tokens.shape[1]
            offset = noise.draw_integers(tokens.shape[:1], free + 1)
        return forward(
            parameters,
            tokens,
            self.design,
            offset=offset,
            hook=drop,
            operations=make_operations(self.products),
        )

    def make_model(self, weights: Weights) -> GPT:
        """The model in float32, as it was trained."""
        return GPT(from_names(weights), self.design)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
