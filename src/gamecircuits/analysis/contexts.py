"""Contexts of set complement: a set of seen tokens, and which of them came last."""

from collections.abc import Iterable

import numpy as np

from gamecircuits.theory.basics import count_contexts

MAX_CONTEXTS = 110_000  # of one length: all of them up to V = 16
MAX_LENGTHS = 64  # beyond, the first quarter of that many and evenly spaced ones
MAX_EXHAUSTIVE_VOCAB_SIZE = 28  # all contexts, in chunks
MAX_ORBITS = 1 << 20  # kinds of contexts that one stands for each of
MAX_ALL_VOCAB_SIZE = 18  # all contexts at once: 2.4 million rows of 18


def spaced_lengths(longest: int) -> np.ndarray:
    """Lengths to measure: all, or MAX_LENGTHS of them, the short ones and the longest included."""
    if longest <= MAX_LENGTHS:
        return np.arange(1, longest + 1)
    first = np.arange(1, MAX_LENGTHS // 4 + 1)
    spaced = np.linspace(MAX_LENGTHS // 4, longest, MAX_LENGTHS - MAX_LENGTHS // 4 + 1)
    return np.union1d(first, spaced.round().astype(int))


def choose_lengths(vocab_size: int, lengths: Iterable[int] | None) -> list[int]:
    """The given lengths in order, or all of set complement, 1..V−1.

    Raises:
        ValueError: a length that is not among these.
    """
    found = list(range(1, vocab_size)) if lengths is None else sorted(lengths)
    if not all(1 <= length < vocab_size for length in found):
        raise ValueError(f"lengths must lie in 1..{vocab_size - 1}, not {found}")
    return found


def all_contexts(
    vocab_size: int, lengths: Iterable[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Every context of the given lengths, 1..V−1 by default, the shorter ones first.

    Returns:
        members, bool (N, V): the seen tokens; last (N,): the last of them.
    """
    if vocab_size > MAX_ALL_VOCAB_SIZE:
        raise ValueError(
            f"{vocab_size} tokens have {count_contexts(vocab_size):,} contexts; all at once is "
            f"possible up to {MAX_ALL_VOCAB_SIZE} tokens"
        )
    sets = np.arange(1 << vocab_size)
    size = np.bitwise_count(sets)
    wanted = np.arange(1, vocab_size) if lengths is None else np.asarray(list(lengths))
    sets = np.concatenate([sets[size == s] for s in wanted])
    is_member = (sets[:, None] >> np.arange(vocab_size)) & 1 == 1
    which, last = np.nonzero(is_member)
    return is_member[which], last


def sample_contexts(
    vocab_size: int, length: int, num_contexts: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Contexts of one length drawn uniformly, with repetition; as from `all_contexts`."""
    places = rng.random(
        (num_contexts, vocab_size)
    )  # in a random order; the last token has the least
    highest = np.partition(places, length - 1, axis=1)[:, length - 1 : length]
    return places <= highest, places.argmin(axis=1)


def contexts_by_length(
    vocab_size: int, length: int, limit: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, bool]:
    """All contexts of a length if there are at most `limit`, else `limit` random ones.

    Returns:
        members (N, V), last (N,), and whether these are all.
    """
    if vocab_size <= MAX_ALL_VOCAB_SIZE and count_contexts(vocab_size, length) <= limit:
        return *all_contexts(vocab_size, [length]), True
    return *sample_contexts(vocab_size, length, limit, rng), False
