"""Checks and counts that all statements share."""

from math import comb

import numpy as np

from gamecircuits.errors import GamecircuitsError


class TheoryError(GamecircuitsError):
    """A formula was asked for values that its theorem does not cover."""


def require(holds: object, message: str) -> None:
    if not np.all(holds):
        raise TheoryError(message)


def check(
    vocab_size: int,
    lengths: np.ndarray | None = None,
    max_illegal_rate: float = 0.5,
    smallest: int = 2,
) -> None:
    require(
        vocab_size >= smallest and vocab_size == int(vocab_size),
        f"vocab_size = {vocab_size}: the theory needs at least {smallest} tokens",
    )
    if lengths is not None:
        values = np.asarray(lengths)
        require(
            (values >= 1) & (values < vocab_size) & (values == np.floor(values)),
            f"lengths must lie in 1..{vocab_size - 1}, not {values}",
        )
    rates = np.asarray(max_illegal_rate)
    require(
        (rates > 0) & (rates < 1),
        f"max_illegal_rate = {max_illegal_rate} must lie strictly between 0 and 1",
    )


def plain(values: np.ndarray) -> np.ndarray | float:
    """A float for what came from scalars, else the array."""
    return float(values) if np.ndim(values) == 0 else values


def centering(vocab_size: int) -> np.ndarray:
    """P = I − 11ᵀ/V (V, V): removes what all tokens have in common."""
    return np.eye(vocab_size) - 1 / vocab_size


def count_contexts(vocab_size: int, length: int | None = None) -> int:
    """Contexts (set, last token): s·C(V, s) at one length, V·2^(V−1) − V at all of 1..V−1."""
    check(vocab_size, length)
    V = int(vocab_size)  # numpy's integers would overflow
    return V * 2 ** (V - 1) - V if length is None else int(length) * comb(V, int(length))
