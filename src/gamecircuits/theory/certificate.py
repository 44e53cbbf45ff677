"""What lengths 1 and 2 certify for every length (Theorem 7)."""

import numpy as np

from gamecircuits.theory.basics import require


def _at_least(smallest: int, lengths: np.ndarray | int, *weights: np.ndarray) -> np.ndarray:
    s = np.asarray(lengths, dtype=float)
    require(s >= smallest, f"lengths must be at least {smallest}, not {lengths}")
    # A rounding error above 1 is no mistake.
    require([np.all((w >= 0) & (w <= 1 + 1e-9)) for w in weights], "attention lies in 0..1")
    return s


def certified_spread(
    lengths: np.ndarray | int, eta: np.ndarray | float, last_weight: np.ndarray
) -> np.ndarray:
    """Spread of absent logits at most (1 + 2(s−2)w_ℓ) η, s >= 2; η at length 1."""
    s = _at_least(1, lengths, last_weight)
    require(np.asarray(eta) >= 0, "a spread is not negative")
    return eta * np.where(s == 1, 1.0, 1 + 2 * (s - 2) * last_weight)


def certified_displacement(
    lengths: np.ndarray | int,
    eta: np.ndarray | float,
    delta_2: np.ndarray | float,
    last_weight: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:
    """δ_i >= (w_i+w_ℓ)(Δ₂+η) − (1+2(s−2)w_ℓ)η for tokens before the last, s >= 2.

    With uniform attention (2/s)Δ₂ − (3−6/s)η.
    """
    s = _at_least(2, lengths, last_weight)
    return (weight + last_weight) * (delta_2 + eta) - (1 + 2 * (s - 2) * last_weight) * eta
