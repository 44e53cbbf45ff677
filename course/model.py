"""The transformer of this course: one layer, attention only, one head, causal, no positions.

N games, L positions, V tokens; d, d_k and d_v are the widths of the residual stream, of queries and
keys, and of values. Vectors are rows, so that a matrix stands to the right: x @ W.
"""

from typing import NamedTuple

import numpy as np


class Parameters(NamedTuple):
    W_E: np.ndarray  # (V, d)    embedding: a direction for every token
    W_Q: np.ndarray  # (d, d_k)  queries: what the last token looks for
    W_K: np.ndarray  # (d, d_k)  keys: what a token offers to those who look
    W_V: np.ndarray  # (d, d_v)  values: what a token gives if it is attended to
    W_O: np.ndarray  # (d_v, d)  output: where the head writes the mean of the values
    W_U: np.ndarray  # (d, V)    unembedding: a logit for every token


def attention_pattern(parameters, tokens):
    """How much every position attends to itself and the earlier ones, (N, L) to (N, L, L)."""
    x = parameters.W_E[tokens]  # (N, L, d)
    queries, keys = x @ parameters.W_Q, x @ parameters.W_K  # (N, L, d_k) each
    d_k = max(parameters.W_Q.shape[1], 1)  # without columns all scores are 0
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(d_k)  # (N, L, L)
    length = tokens.shape[-1]
    scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)  # no look at later positions
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def forward(parameters, tokens, gain=None):
    """Next-token logits after every prefix, integers (N, L) to floats (N, L, V).

    With a gain, the output of the head is first divided by its length and multiplied by the gain.
    """
    x = parameters.W_E[tokens]  # embed: (N, L, d)
    head = attention_pattern(parameters, tokens) @ (x @ parameters.W_V) @ parameters.W_O  # attend
    if gain is not None:
        length = np.sqrt((head**2).sum(axis=-1, keepdims=True))
        head = gain * head / np.where(length == 0, 1, length)
    return (x + head) @ parameters.W_U  # add, unembed: (N, L, V)
