"""What floating point does to the simplex solution D = −xP, at most (Proposition 26)."""

from typing import NamedTuple

import numpy as np

from gamecircuits.theory.basics import check, gamma, require


class Rounding(NamedTuple):
    """Unit roundoff 2^−p, for p significant bits, of the operands of products and of their sums.

    Of 16-bit numbers only the operands are rounded; the sums are float32.
    """

    unit: float
    unit_of_sums: float


ROUNDING = {
    "float64": Rounding(2.0**-53, 2.0**-53),
    "float32": Rounding(2.0**-24, 2.0**-24),
    "float16": Rounding(2.0**-11, 2.0**-24),
    "bfloat16": Rounding(2.0**-8, 2.0**-24),
}


def _get_rounding(dtype: str) -> Rounding:
    require(dtype in ROUNDING, f"dtype = {dtype!r}; known: {', '.join(ROUNDING)}")
    return ROUNDING[dtype]


def spread_bound(
    dtype: str, x: float, vocab_size: int, length: int, defect: float | None = None
) -> float:
    """Spread of the absent logits of one context, at most (Prop. 26).

    2x [ω + sv + μ(2u + Vv)] to first order, with μ² = (V−s)/(sV).

    Args:
        defect: ω, largest entry of |FFᵀ − P|; that of an exact F rounded to the type if not given.
    """
    check(vocab_size, length)
    u, v = _get_rounding(dtype)
    V, s = vocab_size, length
    omega = 2 * u + u**2 if defect is None else defect
    require(omega >= 0, f"defect = {omega} must not be negative")
    rows, mean = np.sqrt(1 + omega), np.sqrt((V - s) / (s * V) + omega)
    of_mean, of_logits = rows * gamma(s, v), gamma(V - 1, v)
    of_operands = u * (2 + u) * (1 + v) + v  # (1+u)²(1+v) − 1
    of_both = of_operands + of_logits + of_operands * of_logits
    wrong = omega + rows * of_mean + rows * (mean + of_mean) * of_both
    return float(2 * x * (1 + u) ** 2 * wrong)


def total_variation_bound(
    dtype: str, x: float, vocab_size: int, length: int, defect: float | None = None
) -> float:
    """Total variation between p as computed and in exact arithmetic, at most (Prop. 26)."""
    unit = _get_rounding(dtype).unit
    spread = spread_bound(dtype, x, vocab_size, length, defect)
    return float(np.tanh((spread + (2 * unit + unit**2) * x / length) / 4))
