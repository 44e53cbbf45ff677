"""Training, validation and test without leaks: which side a game falls on is a hash of its moves.

Games that a symmetry of the board maps to one another (its mirror images) are told in different
words but are the same game. They share one canonical form, and only that is hashed. So all copies
of a game, and all images under its `symmetries`, fall on the same side, in every dataset, whatever
its seed or size. Games without a board are split one by one, though renaming tokens may map them to
one another (docs/games.md). Prefixes are of course shared: every game of Othello begins with one of
four moves.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from gamecircuits.games.game import PAD

SPLITS = ("train", "validation", "test")


def canonicalise(tokens: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """The lexicographically least image of every game.

    Args:
        tokens: integers (N, L), PAD after the end.
        symmetries: permutations of the tokens (G, V), the first the identity; a group.

    Returns:
        (N, L): equal for two games if and only if some symmetry maps one to the other.
    """
    if len(symmetries) == 1:
        return tokens
    images = np.pad(symmetries, [(0, 0), (0, 1)], constant_values=PAD).astype(tokens.dtype)
    is_least = np.ones((len(images), len(tokens)), dtype=bool)  # of the images of each game so far
    for token in tokens.T:
        if (is_least.sum(axis=0) == 1).all():
            break
        image = np.where(is_least, images[:, token], images.shape[1])
        is_least &= image == image.min(axis=0)
    return images[is_least.argmax(axis=0)[:, None], tokens]


@cache
def _zobrist_keys(length: int, vocab_size: int) -> np.ndarray:
    """A random uint64 for every position and token, 0 for PAD: (length, vocab_size + 1)."""
    octets = hashlib.shake_128(b"gamecircuits").digest(8 * length * vocab_size)
    keys = np.frombuffer(octets, "<u8").reshape(length, vocab_size)
    return np.pad(keys, [(0, 0), (0, 1)])


def hash_games(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """Zobrist hash of games (N, L): uint64 (N,), the same on every machine and for any padding.

    It is mixed at the end (by SplitMix64's last step, Steele, Lea and Flood 2014): bits of a bare
    Zobrist hash are parities of the moves, so a split by them would be one, too.
    """
    keys = _zobrist_keys(tokens.shape[1], vocab_size)
    word = np.bitwise_xor.reduce(keys[np.arange(tokens.shape[1]), tokens], axis=1)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def assign_splits(
    tokens: np.ndarray, symmetries: np.ndarray, fractions: Mapping[str, float]
) -> np.ndarray:
    """Index into SPLITS for every game (N, L): int8 (N,).

    Args:
        tokens, symmetries: as for `canonicalise`.
        fractions: of all distinct games up to symmetry, for each of SPLITS; their sum is 1.
    """
    hashes = hash_games(canonicalise(tokens, symmetries), symmetries.shape[1])
    bounds = np.cumsum([fractions[name] for name in SPLITS])[:-1]
    uniform = (hashes >> np.uint64(11)) * 2.0**-53  # in [0, 1), without rounding
    return np.searchsorted(bounds, uniform, side="right").astype(np.int8)


class SplitGames(NamedTuple):
    """Games (N, L) of each side of a split: to fit on, to choose with, to report on."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_games(
    tokens: np.ndarray, symmetries: np.ndarray, fractions: Mapping[str, float]
) -> SplitGames:
    """Games apart by `assign_splits`, in the order they have."""
    sides = assign_splits(tokens, symmetries, fractions)
    return SplitGames(*(tokens[sides == number] for number in range(len(SPLITS))))
