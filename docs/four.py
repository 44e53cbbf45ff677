"""Set complement by hand: which tokens may follow, and a transformer that knows it."""

import numpy as np


def get_valid_next_token_mask(tokens, vocab_size):
    """Tokens not seen so far: bool (N, L, V) from integers (N, L); none at the padding, −1."""
    is_token = tokens[:, :, None] == np.arange(vocab_size)  # (N, L, V)
    is_seen = np.logical_or.accumulate(is_token, axis=1)
    return ~is_seen & (tokens >= 0)[:, :, None]


def get_parameters(vocab_size, strength=6.0):
    """The matrices W_E, W_Q, W_K, W_V, W_O, W_U: average the seen tokens, times −strength.

    A vector has two halves: the embedding is in the first, what the head wrote in the second.
    """
    one, zero = np.eye(vocab_size), np.zeros((vocab_size, vocab_size))
    first, second = np.hstack([one, zero]), np.hstack([zero, one])  # (V, 2V)
    no_scores = np.zeros((2 * vocab_size, 0))  # no queries, no keys: attention is uniform
    return first, no_scores, no_scores, first.T, -strength * second, second.T
