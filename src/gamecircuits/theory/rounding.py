"""Floating point: observed, not proved (Observation 26)."""

from typing import NamedTuple

import numpy as np

from gamecircuits.theory.basics import check, require


class Rounding(NamedTuple):
    """u = 2^−p for p significant bits, and the largest spread of absent logits seen, in u x.

    In float64 the embedding itself is orthogonal only to a few u. In 16 bits only the operands of
    matrix products are rounded; the sums are float32.
    """

    unit: float
    factor: float


ROUNDING = {
    "float64": Rounding(2.0**-53, 10.0),
    "float32": Rounding(2.0**-24, 7.0),
    "float16": Rounding(2.0**-11, 1.5),
    "bfloat16": Rounding(2.0**-8, 1.5),
}


def gamma(terms: int, unit: float) -> float:
    """γ_n = nu/(1 − nu): the relative error of a sum of n products of numbers of one sign."""
    require(terms * unit < 1, f"{terms} terms are too many for unit roundoff {unit:.2g}")
    return terms * unit / (1 - terms * unit)


def _rounding(dtype: str) -> float:
    require(dtype in ROUNDING, f"dtype = {dtype!r}; known: {', '.join(ROUNDING)}")
    return ROUNDING[dtype].unit * ROUNDING[dtype].factor


def rounding_spread(dtype: str, x: float) -> float:
    """Spread of absent logits that rounding causes at strength x, at most (Obs. 26)."""
    return _rounding(dtype) * x


def rounding_total_variation(dtype: str, x: float) -> float:
    """tanh(spread/4): the most total variation that such a spread can cause (Obs. 26)."""
    return float(np.tanh(rounding_spread(dtype, x) / 4))


def largest_x(dtype: str, total_variation: float) -> float:
    """The largest x whose rounding stays below a total variation (Obs. 26)."""
    check(2, max_illegal_rate=total_variation)
    return float(4 * np.arctanh(total_variation) / _rounding(dtype))
