"""Checks, counts and projections that all statements share."""

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gamecircuits.errors import GamecircuitsError


class TheoryError(GamecircuitsError):
    """A formula was asked for values that its theorem does not cover."""


def require(holds: ArrayLike, message: str) -> None:
    if not np.all(holds):
        raise TheoryError(message)


def check(
    vocab_size: int,
    lengths: np.ndarray | int | None = None,
    max_illegal_rate: np.ndarray | float = 0.5,
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


def gamma(terms: int, unit: float) -> float:
    """γ_n = nu/(1 − nu): the relative error of a sum of n products of numbers of one sign."""
    require(terms * unit < 1, f"{terms} terms are too many for unit roundoff {unit:.2g}")
    return terms * unit / (1 - terms * unit)


def centering(vocab_size: int) -> np.ndarray:
    """P = I − 11ᵀ/V (V, V): removes what all tokens have in common."""
    return np.eye(vocab_size) - 1 / vocab_size


def count_contexts(vocab_size: int, length: int | None = None) -> int:
    """Contexts (set, last token): s·C(V, s) at one length, V·2^(V−1) − V at all of 1..V−1."""
    check(vocab_size, length)
    V = int(vocab_size)  # numpy's integers would overflow
    return V * 2 ** (V - 1) - V if length is None else int(length) * comb(V, int(length))


class Decomposition(NamedTuple):
    """M_ik = row_i + column_k + rest_ik off the diagonal; rest has zero row and column sums.

    column sums to zero; rest is zero on the diagonal.
    """

    row: np.ndarray
    column: np.ndarray
    rest: np.ndarray


def decompose_off_diagonal(matrix: np.ndarray) -> Decomposition:
    """Least-squares fit of a (V, V) matrix by row + column, the diagonal left out, V >= 2."""
    V = len(matrix)
    check(V)
    off = np.array(matrix, dtype=float)
    require(off.shape == (V, V), f"the matrix must be square, not of shape {off.shape}")
    np.fill_diagonal(off, 0.0)
    rows, columns, total = off.sum(axis=1), off.sum(axis=0), off.sum()
    column = np.zeros(V)
    if V > 2:  # with two tokens the rows alone fit everything
        column = ((V - 1) * columns + rows - total) / (V * (V - 2))
    row = (rows + column) / (V - 1)  # Σ_{k≠i} column_k = −column_i
    rest = off - row[:, None] - column
    np.fill_diagonal(rest, 0.0)
    return Decomposition(row, column, rest)
