"""Chains: little imbalance between the widths V−1 and 2(V−1) (Theorem 13)."""

import numpy as np

from gamecircuits.transformer.constructions.construction import helmert
from gamecircuits.transformer.model import Parameters


def get_chains(vocab_size: int, d: int, size: float) -> Parameters:
    """Weights with D = −P, ‖W_V W_O‖ = N and small imbalance at a width d from V−1 to 2(V−1).

    The n = V−1 directions are split into k = d−n chains. A chain of L directions takes L+1
    dimensions: direction i is embedded in dimension i by εᵢ = N^(−i/(L−1)), moved on to i+1 by N,
    and read there by 1/(N εᵢ). The direct path reads it as direction i−1, by εᵢ/(N εᵢ₋₁) =
    N^(−L/(L−1)); for L = 1 not at all. At k = 0 all are read where they are embedded, by 1/N.
    """
    n = vocab_size - 1
    k = d - n
    E, W, U = np.zeros((n, d)), np.zeros((d, d)), np.zeros((d, n))
    if k == 0:
        E, W, U = np.eye(n) / size, -size * np.eye(n), np.eye(n)
    for chain, directions in enumerate(np.array_split(np.arange(n), k) if k else []):
        strength = size ** -np.linspace(0, 1, len(directions))
        here = directions + chain  # each earlier chain has one dimension more than directions
        E[directions, here] = strength
        W[here, here + 1] = -size
        U[here + 1, directions] = 1 / (size * strength)
    H, none = helmert(vocab_size), np.zeros((d, 0))
    return Parameters(H @ E, none, none, np.eye(d), W, U @ H.T)
