"""The transformer: one layer, attention only, one head, causal, no positional encoding.

On a screen: embed, attend, add to the residual stream, unembed. The same code runs on numpy, JAX
and any other library of the Python array API standard, since it uses the functions of whatever
library its weights come from. N stands for leading axes, L positions, V vocabulary, d width of the
residual stream, d_k of queries and keys, d_v of values.
"""

from collections.abc import Callable
from math import log
from typing import Any, Literal, NamedTuple, get_args

Array = Any  # any array of the array API standard
Norm = Literal["none", "attention", "residual"]
NORMS: tuple[Norm, ...] = get_args(Norm)
Site = Literal["embedding", "attention", "residual"]


class Parameters(NamedTuple):
    """Weights, named as in Elhage et al. (2021) and TransformerLens; vectors are rows: x @ W."""

    W_E: Array  # (V, d)    embedding
    W_Q: Array  # (d, d_k)  queries; d_k = 0 makes all scores equal, hence attention uniform
    W_K: Array  # (d, d_k)  keys
    W_V: Array  # (d, d_v)  values
    W_O: Array  # (d_v, d)  output of the head
    W_U: Array  # (d, V)    unembedding


def check_norm(norm: str) -> None:
    """Raise ValueError with the norms that exist."""
    if norm not in NORMS:
        *others, last = map(repr, NORMS)
        raise ValueError(f"norm must be {', '.join(others)} or {last}, not {norm!r}")


def check_parameters(parameters: Parameters) -> None:
    """Raise ValueError naming the matrix whose shape does not fit the others."""
    vocab_size, d = parameters.W_E.shape
    d_k, d_v = parameters.W_Q.shape[1], parameters.W_V.shape[1]
    expected = Parameters((vocab_size, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), (d, vocab_size))
    for name, matrix, shape in zip(Parameters._fields, parameters, expected, strict=True):
        if tuple(matrix.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(matrix.shape)}; expected {shape}")


def embed(xp, W_E: Array, tokens: Array) -> Array:
    """Rows (..., d) of W_E (V, d) for tokens (...)."""
    rows = xp.take(W_E, xp.reshape(tokens, (-1,)), axis=0)  # take wants one dimension
    return xp.reshape(rows, (*tokens.shape, W_E.shape[1]))


def normalize(xp, vectors: Array, gain: float) -> Array:
    """Divide by the L2 norm over the last axis and multiply by `gain`; zero stays zero."""
    squared = xp.sum(vectors * vectors, axis=-1, keepdims=True)
    length = xp.sqrt(xp.where(squared == 0, xp.ones_like(squared), squared))  # so is its gradient
    return gain * vectors / length


def add_output(
    xp,
    residual: Array,
    attended: Array,
    norm: Norm,
    gain: float,
    drop: Callable[[Site, Array], Array] = lambda site, values: values,
) -> Array:
    """The residual stream (..., d) after the head's output (..., d) was added; see `forward`."""
    check_norm(norm)
    if norm == "attention":
        attended = normalize(xp, attended, gain)
    residual = residual + drop("residual", attended)
    return normalize(xp, residual, gain) if norm == "residual" else residual


def _attention_pattern(xp, parameters: Parameters, residual: Array, sink: float) -> Array:
    queries = residual @ parameters.W_Q  # (..., L, d_k)
    keys = residual @ parameters.W_K  # (..., L, d_k)
    d_k = parameters.W_Q.shape[1]
    return attend(xp, queries @ xp.matrix_transpose(keys) / max(d_k, 1) ** 0.5, sink)


def attend(xp, scores: Array, sink: float) -> Array:
    """Attention (..., L, L) from scores (..., L, L): causal softmax; see `forward` for the sink."""
    length = scores.shape[-1]
    position = xp.arange(length)
    is_past = position[None, :] <= position[:, None]  # query s sees keys 0..s
    scores = xp.where(is_past, scores, xp.asarray(-float("inf"), dtype=scores.dtype))
    highest = xp.max(scores, axis=-1, keepdims=True)
    if sink == 0:
        weights = xp.exp(scores - highest)
        return weights / xp.sum(weights, axis=-1, keepdims=True)
    highest = xp.where(highest > log(sink), highest, xp.full_like(highest, log(sink)))
    weights = xp.exp(scores - highest)
    return weights / (xp.sum(weights, axis=-1, keepdims=True) + sink * xp.exp(-highest))


def attention_pattern(parameters: Parameters, tokens: Array, *, sink: float = 0.0) -> Array:
    """Attention of every position to itself and the earlier ones, (..., L, L).

    Rows sum to 1, and to less with a sink, which takes the rest.
    """
    xp = parameters.W_E.__array_namespace__()
    return _attention_pattern(xp, parameters, embed(xp, parameters.W_E, tokens), sink)


def forward(
    parameters: Parameters,
    tokens: Array,
    *,
    norm: Norm = "none",
    gain: float = 1.0,
    sink: float = 0.0,
    drop: Callable[[Site, Array], Array] = lambda site, values: values,
) -> Array:
    """Next-token logits after every prefix.

    Args:
        parameters: weights; all of one dtype, which is the dtype of the result.
        tokens: integers (..., L) in 0..V−1, as an array of the same library. Logits at padding are
            meaningless; padding at the end changes no logits before it.
        norm: "none"; "attention": the head's output is divided by its L2 norm and multiplied by
            `gain` before it enters the residual stream; "residual": so is the residual stream
            after the head's output was added (post-norm).
        gain: see `norm`.
        sink: attention weight of something that is always there and has no value, like the first
            token of a text in large models: exp(score) of a key whose value is zero.
        drop: what to do with the "embedding" of the tokens (..., L, d), the "attention" weights
            (..., L, L) and the head's output before it is added to the "residual" stream
            (..., L, d); for dropout in training.

    Returns:
        logits (..., L, V).
    """
    xp = parameters.W_E.__array_namespace__()
    residual = drop("embedding", embed(xp, parameters.W_E, tokens))  # (..., L, d)
    pattern = drop("attention", _attention_pattern(xp, parameters, residual, sink))  # (..., L, L)
    attended = pattern @ (residual @ parameters.W_V) @ parameters.W_O  # (..., L, d)
    residual = add_output(xp, residual, attended, norm, gain, drop)
    return residual @ parameters.W_U  # (..., L, V)
