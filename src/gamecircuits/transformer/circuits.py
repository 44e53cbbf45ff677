"""The transformer seen from the tokens: three (V, V) tables say all that it can do.

Terms of Elhage et al. (2021), "A Mathematical Framework for Transformer Circuits". Without
positions, the prediction after a prefix depends only on how often each token occurs in it and on
its last token ℓ:  logits = direct[ℓ] + Σ_t a[ℓ, t] n_t OV[t] / Σ_t a[ℓ, t] n_t,  a = exp(QK).
So attention over L positions becomes one matrix product over the vocabulary.
"""

from collections.abc import Callable
from math import inf, log

import numpy as np
import scipy

from gamecircuits.transformer.model import (
    Array,
    Norm,
    Parameters,
    Site,
    add_output,
    attend,
    embed,
    normalize,
)

# Attention weights are exponentials of scores relative to the row's largest; a wider range of
# scores would underflow in a context that lacks the largest.
SCORE_RANGE = {np.dtype(np.float32): 80.0, np.dtype(np.float64): 650.0}


def qk_circuit(parameters: Parameters) -> np.ndarray:
    """Attention scores (V, V), as the softmax sees them: [query token, key token]."""
    d_k = parameters.W_Q.shape[1]
    queries, keys = parameters.W_E @ parameters.W_Q, parameters.W_E @ parameters.W_K
    return queries @ keys.T / max(d_k, 1) ** 0.5


def ov_circuit(parameters: Parameters) -> np.ndarray:
    """Logits (V, V) that a fully attended token adds: [attended token, next token]."""
    return parameters.W_E @ parameters.W_V @ parameters.W_O @ parameters.W_U


def direct_path(parameters: Parameters) -> np.ndarray:
    """Logits (V, V) that the last token adds by itself: [last token, next token]."""
    return parameters.W_E @ parameters.W_U


def from_circuits(qk: np.ndarray, ov: np.ndarray, direct: np.ndarray) -> Parameters:
    """Weights that have the given circuits (V, V): any three tables are a transformer, d = 2V.

    W_E = [I direct]   W_Q = [√V qk; 0]   W_K = [I; 0]   W_V = [I; 0]   W_O = [0 ov]
    W_U = [0; I]
    """
    V = len(qk)
    identity, zero = np.eye(V), np.zeros((V, V))
    first = np.concatenate([identity, zero])
    return Parameters(
        W_E=np.concatenate([identity, direct], axis=1),
        W_Q=np.concatenate([V**0.5 * qk, zero]),
        W_K=first,
        W_V=first,
        W_O=np.concatenate([zero, ov], axis=1),
        W_U=np.concatenate([zero, identity]),
    )


class TokenTables:
    """A model as tables over the vocabulary, from which the logits of any context follow.

    Attributes:
        parameters, norm, gain: the model.
        weights: attention weights (V, V) [last token, token], up to a factor for each row.
        entropy_terms: weights · ln(weights), for the entropy of attention.
        sink: attention weight of the sink (V,), on the scale of each row, and sink_terms.
        values: what a token moves (V, w): logits, or with a norm, residual-stream vectors.
    """

    def __init__(
        self, parameters: Parameters, norm: Norm = "none", gain: float = 1.0, sink: float = 0.0
    ):
        self.parameters, self.norm, self.gain = parameters, norm, gain
        scores = qk_circuit(parameters)
        highest = scores.max(axis=1, keepdims=True, initial=np.log(sink) if sink else -np.inf)
        scores = scores - highest
        limit = SCORE_RANGE[scores.dtype]
        if scores.size and -scores.min() > limit:
            raise ValueError(
                f"attention scores of one query span {-scores.min():.0f} nats; beyond {limit:.0f} "
                f"the token tables lose precision in {scores.dtype}: use forward instead"
            )
        self.weights = np.exp(scores)
        self.entropy_terms = self.weights * scores
        self.sink = np.zeros(len(scores), scores.dtype)
        self.sink_terms = np.zeros_like(self.sink)
        if sink:
            self.sink = (sink * np.exp(-highest[:, 0])).astype(scores.dtype)
            self.sink_terms = scipy.special.xlogy(self.sink, self.sink)
        self.direct = direct_path(parameters)
        if self.norm == "none":
            self.values = ov_circuit(parameters)
        else:
            self.values = parameters.W_E @ parameters.W_V @ parameters.W_O

    def logits(
        self, attended: np.ndarray, last: np.ndarray, noise: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Logits (..., V) from attended means of `values` (..., w) and last tokens (...).

        Before a norm, vectors that are no longer than `noise` (...) count as zero.
        """
        if self.norm == "none":
            return attended + self.direct[last]
        if self.norm == "attention":
            return self._normalize(attended, noise) @ self.parameters.W_U + self.direct[last]
        return self._normalize(attended + self.parameters.W_E[last], noise) @ self.parameters.W_U

    def _normalize(self, vectors: np.ndarray, noise: np.ndarray | float) -> np.ndarray:
        if np.any(noise):
            is_heard = np.linalg.norm(vectors, axis=-1) > noise
            vectors = np.where(is_heard[..., None], vectors, 0)
        return normalize(np, vectors, self.gain)

    def logits_after_prefixes(self, tokens: np.ndarray) -> np.ndarray:
        """Logits (..., L, V) after every prefix of tokens (..., L); padding is negative."""
        is_token = tokens[..., None] == np.arange(len(self.weights))
        attention = np.cumsum(is_token, axis=-2, dtype=self.weights.dtype) * self.weights[tokens]
        attention /= (attention.sum(axis=-1) + self.sink[tokens])[..., None]
        return self.logits(attention @ self.values, tokens)

    def count_logits_and_entropy(
        self, counts: np.ndarray, last: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, V) and entropy of attention (N,), from counts (N, V) of how often each token
        was seen, and last tokens (N,)."""
        attention = counts * self.weights[last]
        total = attention.sum(axis=1) + self.sink[last]
        terms = np.einsum("nv,nv->n", counts, self.entropy_terms[last])
        attention /= total[:, None]
        entropy = np.log(total) - (terms + self.sink_terms[last]) / total
        return self.logits(attention @ self.values, last), entropy

    def attend_sets(self, members: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Attention (N, V) that each token gets in contexts: sets, bool (N, V), and last (N,)."""
        attention = members * self.weights[last]
        return attention / (attention.sum(axis=1) + self.sink[last])[:, None]

    def set_logits(self, members: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Logits (N, V) after contexts: sets, bool (N, V), and last tokens (N,)."""
        return self.logits(self.attend_sets(members, last) @ self.values, last)


def token_logits(
    parameters: Parameters,
    tokens: np.ndarray,
    *,
    norm: Norm = "none",
    gain: float = 1.0,
    sink: float = 0.0,
) -> np.ndarray:
    """`forward` by way of the token tables: equal to rounding, and faster.

    Args and result as in `forward`: tokens (..., L) to logits (..., L, V). Padding (negative
    tokens) adds nothing to any context; logits at padding are meaningless.
    """
    return TokenTables(parameters, norm, gain, sink).logits_after_prefixes(tokens)


def forward_by_tokens(
    parameters: Parameters,
    tokens: Array,
    *,
    norm: Norm = "none",
    gain: float = 1.0,
    sink: float = 0.0,
) -> Array:
    """`forward` by way of the vocabulary, on any array library: for gradients.

    Equal to `forward` and `token_logits` to rounding. Products with one-hot rows take the place of
    look-ups, whose gradients are slow, and scores are relative to the largest of the context, so
    that none underflows whatever the weights become in training. On numpy token_logits is faster.

    Args and result as in `forward`: tokens (..., L) to logits (..., L, V).
    """
    xp = parameters.W_E.__array_namespace__()
    tokens_of_rows = xp.arange(parameters.W_E.shape[0])
    is_token = xp.astype(tokens[..., None] == tokens_of_rows, parameters.W_E.dtype)
    counts = xp.cumulative_sum(is_token, axis=-2)
    scores = xp.where(counts > 0, is_token @ qk_circuit(parameters), -inf)
    highest = xp.max(scores, axis=-1, keepdims=True)
    if sink:
        highest = xp.where(highest > log(sink), highest, log(sink))
    attention = counts * xp.exp(scores - highest)
    total = xp.sum(attention, axis=-1, keepdims=True)
    if sink:  # else exp might overflow
        total = total + sink * xp.exp(-highest)
    attention = attention / total
    if norm == "none":
        return attention @ ov_circuit(parameters) + is_token @ direct_path(parameters)
    attended = attention @ (parameters.W_E @ parameters.W_V @ parameters.W_O)
    residual = add_output(xp, is_token @ parameters.W_E, attended, norm, gain)
    return residual @ parameters.W_U


def forward_by_products(
    parameters: Parameters,
    tokens: Array,
    *,
    norm: Norm = "none",
    gain: float = 1.0,
    sink: float = 0.0,
    drop: Callable[[Site, Array], Array] = lambda site, values: values,
) -> Array:
    """`forward` with W_Q W_Kᵀ and W_V W_O multiplied first: one product of each position instead of
    two, which is less work where d_k and d_v are well over d/2 and games are many, and short.

    Args and result as in `forward`: tokens (..., L) to logits (..., L, V), equal to rounding.
    """
    xp = parameters.W_E.__array_namespace__()
    residual = drop("embedding", embed(xp, parameters.W_E, tokens))  # (..., L, d)
    scale = max(parameters.W_Q.shape[1], 1) ** 0.5
    queries = residual @ (parameters.W_Q @ xp.matrix_transpose(parameters.W_K) / scale)
    pattern = attend(xp, queries @ xp.matrix_transpose(residual), sink)  # (..., L, L)
    values = residual @ (parameters.W_V @ parameters.W_O)  # (..., L, d)
    attended = drop("attention", pattern) @ values
    return add_output(xp, residual, attended, norm, gain, drop) @ parameters.W_U
