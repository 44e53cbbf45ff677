"""A GPT: several layers of attention and MLP, with norms and positions.

One source for numpy, JAX and any other library of the Python array API standard, like `model`, of
which it is the general case: one layer, one head, no MLP, no norm and no positions is that
transformer. What is left out (None) is not there: biases, norms, MLPs, positions. Without
W_U the unembedding is the transpose of W_E. N stands for leading axes, L positions, V vocabulary, d
width of the residual stream, H heads. A norm before a sublayer is GPT-2's order, after it GPT-1's
("post-norm").
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer._gelu_kernel import fill_gelu

Array = Any  # any array of the array API standard
Positions = Literal["none", "learned", "sinusoidal", "rotary"]
EPS = 1e-5  # under the root of a norm, as in torch
LONGEST_WAVE = 10_000  # of sinusoidal and rotary positions (Vaswani et al. 2017; Su et al. 2021)


class Norm(NamedTuple):
    """Gain and bias of a norm."""

    w: Array  # (d,)
    b: Array | None = None  # (d,)


class Attention(NamedTuple):
    """Weights of all heads of a layer, beside each other in the last axis of Q, K and V."""

    W_Q: Array  # (d, H·d_k)
    W_K: Array  # (d, H·d_k)
    W_V: Array  # (d, H·d_v)
    W_O: Array  # (H·d_v, d)
    b_Q: Array | None = None
    b_K: Array | None = None
    b_V: Array | None = None
    b_O: Array | None = None


class MLP(NamedTuple):
    """Weights of a layer's MLP."""

    W_in: Array  # (d, d_mlp)
    W_out: Array  # (d_mlp, d)
    b_in: Array | None = None
    b_out: Array | None = None


class Block(NamedTuple):
    """A layer: two sublayers, each with its norm."""

    attn: Attention
    mlp: MLP | None = None
    ln1: Norm | None = None
    ln2: Norm | None = None


class GPTParameters(NamedTuple):
    """All weights; vectors are rows: x @ W."""

    W_E: Array  # (V, d)
    blocks: tuple[Block, ...]
    W_U: Array | None = None  # (d, V)
    b_U: Array | None = None  # (V,)
    W_pos: Array | None = None  # (longest context, d)
    ln_final: Norm | None = None


@dataclass(frozen=True)
class Design:
    """What a GPT's weights do not tell."""

    num_heads: int = 1
    norm: Literal["layer", "rms"] = "layer"  # what all norms do
    placement: Literal["before", "after"] = "before"  # of each sublayer's norm
    positions: Positions = "none"


class Operations(NamedTuple):
    """The operations that have faster forms in some libraries."""

    look_up: Callable[[Array, Array], Array]  # rows (n, d) of a table (V, d) at integers (n,)
    multiply: Callable[[Array, Array], Array]  # matrices (..., n, d) @ (..., d, k)
    gelu: Callable[[Array], Array]
    softmax: Callable[[Array], Array]  # over the last axis


def _keep(site: str, values: Array) -> Array:
    return values


def forward(
    parameters: GPTParameters,
    tokens: Array,
    design: Design,
    *,
    offset: Array | None = None,
    hook: Callable[[str, Array], Array] = _keep,
    operations: Operations | None = None,
) -> Array:
    """Next-token logits after every prefix.

    Args:
        parameters: weights; all of one dtype, which is the dtype of the result.
        tokens: integers (..., L) in 0..V−1. Padding at the end changes no logits before it.
        offset: integers (...), position of each first token in the table of positions; 0 if None.
        hook: takes the name of a site and the values there, and returns what goes on: to look, to
            drop, to edit. In order: embed, pos_embed (L, d) or (..., L, d), and in layer i
            blocks.i.resid_pre, .attn.pattern (..., H, L, L), .attn.z (..., L, H·d_v), .attn_out,
            .resid_mid, .mlp.post (..., L, d_mlp), .mlp_out, .resid_post; then ln_final. All others
            are (..., L, d). Under norms after sublayers, resid_mid and resid_post are normed.
        operations: those of numpy's or JAX's, unless given.

    Returns:
        logits (..., L, V).
    """
    xp = parameters.W_E.__array_namespace__()
    do = operations or get_operations(xp)
    L, (V, d) = tokens.shape[-1], parameters.W_E.shape
    if parameters.W_pos is not None and parameters.W_pos.shape[0] < L:
        raise GamecircuitsError(
            f"a sequence of {L} tokens has more positions than the table of positions, "
            f"{parameters.W_pos.shape[0]}"
        )

    def see(site: str, rows: Array) -> Array:
        # Rows are (N·L, ...): one product for all positions.
        shaped = xp.reshape(rows, (*tokens.shape, rows.shape[-1]))
        return xp.reshape(hook(site, shaped), rows.shape)

    def put_on(residual: Array, sublayer: Callable[[Array], Array], norm: Norm | None) -> Array:
        if norm is None:
            return residual + sublayer(residual)
        if design.placement == "before":
            return residual + sublayer(normalize(xp, residual, norm, design.norm))
        return normalize(xp, residual + sublayer(residual), norm, design.norm)

    residual = see("embed", do.look_up(parameters.W_E, xp.reshape(tokens, (-1,))))
    positions = _embed_positions(xp, parameters, design, L, offset, do)
    if positions is not None:
        shaped = xp.reshape(residual, (*tokens.shape, d)) + hook("pos_embed", positions)
        residual = xp.reshape(shaped, residual.shape)
    for i, block in enumerate(parameters.blocks):

        def attend(rows: Array, i=i, weights=block.attn) -> Array:
            z = _attend(xp, weights, rows, tokens.shape, design, f"blocks.{i}.attn", hook, do)
            out = _add(do.multiply(see(f"blocks.{i}.attn.z", z), weights.W_O), weights.b_O)
            return see(f"blocks.{i}.attn_out", out)

        def think(rows: Array, i=i, weights=block.mlp) -> Array:
            post = do.gelu(_add(do.multiply(rows, weights.W_in), weights.b_in))
            post = see(f"blocks.{i}.mlp.post", post)
            return see(f"blocks.{i}.mlp_out", _add(do.multiply(post, weights.W_out), weights.b_out))

        residual = see(f"blocks.{i}.resid_pre", residual)
        residual = see(f"blocks.{i}.resid_mid", put_on(residual, attend, block.ln1))
        if block.mlp is not None:
            residual = put_on(residual, think, block.ln2)
        residual = see(f"blocks.{i}.resid_post", residual)
    if parameters.ln_final is not None:
        residual = normalize(xp, residual, parameters.ln_final, design.norm)
    residual = see("ln_final", residual)
    W_U = xp.matrix_transpose(parameters.W_E) if parameters.W_U is None else parameters.W_U
    logits = _add(do.multiply(residual, W_U), parameters.b_U)
    return xp.reshape(logits, (*tokens.shape, V))


def normalize(xp, rows: Array, norm: Norm, kind: str) -> Array:
    """LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019) over the last axis."""
    if kind == "layer":
        rows = rows - xp.mean(rows, axis=-1, keepdims=True)
    rows = rows / xp.sqrt(xp.mean(rows * rows, axis=-1, keepdims=True) + EPS)
    return _add(rows * norm.w, norm.b)


def _add(rows: Array, bias: Array | None) -> Array:
    return rows if bias is None else rows + bias


def _attend(
    xp,
    weights: Attention,
    rows: Array,
    shape: tuple[int, ...],
    design: Design,
    name: str,
    hook: Callable[[str, Array], Array],
    do: Operations,
) -> Array:
    """What the heads read (N·L, H·d_v), before W_O."""
    *leading, L = shape
    N = math.prod(leading)  # said, not −1: heads may be of width 0

    def split(W: Array, b: Array | None) -> Array:
        """Heads (..., H, L, d_head)."""
        heads = xp.reshape(
            _add(do.multiply(rows, W), b), (N, L, design.num_heads, W.shape[1] // design.num_heads)
        )
        return xp.permute_dims(heads, (0, 2, 1, 3))

    queries, keys = split(weights.W_Q, weights.b_Q), split(weights.W_K, weights.b_K)
    if design.positions == "rotary":
        queries, keys = rotate(xp, queries), rotate(xp, keys)
    scores = do.multiply(queries, xp.matrix_transpose(keys)) / max(queries.shape[-1], 1) ** 0.5
    place = xp.arange(L)
    is_past = place[None, :] <= place[:, None]  # query s sees keys 0..s
    scores = xp.where(is_past, scores, xp.asarray(-float("inf"), dtype=scores.dtype))
    pattern = do.softmax(scores)
    shaped = xp.reshape(pattern, (*leading, design.num_heads, L, L))
    pattern = xp.reshape(hook(f"{name}.pattern", shaped), pattern.shape)
    z = xp.permute_dims(do.multiply(pattern, split(weights.W_V, weights.b_V)), (0, 2, 1, 3))
    return xp.reshape(z, (rows.shape[0], weights.W_V.shape[1]))


def _angles(xp, num_positions: int, width: int, dtype) -> Array:
    """Phases (L, ⌈width/2⌉) of positions in waves of length 2π to 2π · LONGEST_WAVE."""
    rates = LONGEST_WAVE ** (-2.0 * np.arange((width + 1) // 2) / width)
    return xp.asarray(np.arange(num_positions)[:, None] * rates, dtype=dtype)


def rotate(xp, heads: Array) -> Array:
    """Rotary positions (Su et al. 2021) on (..., L, d_head): entry j turns with j + d_head/2."""
    angles = _angles(xp, heads.shape[-2], heads.shape[-1], heads.dtype)
    half = heads.shape[-1] // 2
    left, right = heads[..., :half], heads[..., half:]
    cos, sin = xp.cos(angles), xp.sin(angles)
    return xp.concat([left * cos - right * sin, right * cos + left * sin], axis=-1)


def embed_sinusoids(xp, num_positions: int, d: int, dtype) -> Array:
    """Sinusoidal positions (L, d), of length about √½ each.

    Vaswani et al. 2017 add waves √d as high to an embedding that is multiplied by √d.
    """
    angles = _angles(xp, num_positions, d, dtype)
    waves = xp.stack([xp.sin(angles), xp.cos(angles)], axis=-1)
    return xp.reshape(waves, (num_positions, -1))[:, :d] / d**0.5


def _embed_positions(
    xp, parameters: GPTParameters, design: Design, L: int, offset: Array | None, do: Operations
) -> Array | None:
    """What positions add to the embedding, (L, d), or (..., L, d) with an offset."""
    d = parameters.W_E.shape[1]
    if design.positions == "sinusoidal":
        return embed_sinusoids(xp, L, d, parameters.W_E.dtype)
    if parameters.W_pos is None:
        return None
    if offset is None:
        return parameters.W_pos[:L, :]
    places = offset[..., None] + xp.arange(L)
    rows = do.look_up(parameters.W_pos, xp.reshape(places, (-1,)))
    return xp.reshape(rows, (*places.shape, d))


def get_operations(xp) -> Operations:
    """The operations in a library's own functions; the cdf in GELU is exact, by erf, and to single
    precision for numpy's arrays of that."""

    def erf(x: Array) -> Array:
        if xp.__name__ == "jax.numpy":  # it has its own, and is not imported for numpy
            return importlib.import_module("jax.scipy.special").erf(x)
        return xp.asarray(scipy.special.erf(np.asarray(x)))

    def gelu(x: Array) -> Array:
        if isinstance(x, np.ndarray) and x.dtype == np.float32:
            return fill_gelu(x.ravel()).reshape(x.shape)
        return x * 0.5 * (1 + erf(x / 2**0.5))

    def softmax(scores: Array) -> Array:
        powers = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
        return powers / xp.sum(powers, axis=-1, keepdims=True)

    return Operations(
        look_up=lambda table, places: xp.take(table, places, axis=0),
        multiply=lambda left, right: left @ right,
        gelu=gelu,
        softmax=softmax,
    )


def map_weights(function: Callable[[Array], Array], weights: Any) -> Any:
    """The same weights, each changed by a function; what is left out stays so."""
    if weights is None:
        return None
    if not isinstance(weights, tuple):
        return function(weights)
    parts = (map_weights(function, part) for part in weights)
    return weights._make(parts) if hasattr(weights, "_make") else tuple(parts)


@dataclass(frozen=True, eq=False)
class GPT:
    """A `Model`: a GPT's weights and design.

    Attributes:
        parameters: numpy arrays; their dtype is that of the computation.
        design: what the weights do not tell.
    """

    parameters: GPTParameters
    design: Design

    @property
    def vocab_size(self) -> int:
        return len(self.parameters.W_E)

    def logits(self, tokens: np.ndarray, hook: Callable[[str, Array], Array] = _keep) -> np.ndarray:
        """Logits (..., L, V) after every prefix of tokens (..., L); rows may end in padding."""
        seen = np.maximum(np.asarray(tokens), 0)
        return forward(self.parameters, seen, self.design, hook=hook)

    def cast(self, dtype: str | type) -> "GPT":
        """The model with its weights in another floating-point type."""
        cast = map_weights(lambda weight: np.asarray(weight, dtype), self.parameters)
        return replace(self, parameters=cast)
