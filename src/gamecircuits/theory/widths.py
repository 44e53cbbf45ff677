"""Widths that exact models need."""

from gamecircuits.theory.basics import check, require


def imbalance_floor(vocab_size: int, d: int, size: float) -> float:
    """√((n−k)/n) N^(−min(2, n/(n−k))), n = V−1, k = d−n: no imbalance is less (Thm. 13d).

    For D = −P and widths d = n..2n, with ‖W_E‖, ‖W_U‖ <= 1 and N = ‖W_V W_O‖, in operator norms.
    The imbalance is ‖PBP‖_F/√n, which is |β| if B = −βP. 0 from d = 2n on.
    """
    check(vocab_size)
    n = vocab_size - 1
    require(d >= n, f"d = {d}: D = -P needs at least V-1 = {n} dimensions")
    require(size >= 1, f"size = {size}: D = -P needs weights of size 1")
    left = 2 * n - d  # n − k
    return 0.0 if left <= 0 else float((left / n) ** 0.5 * size ** -min(2.0, n / left))


def robust_rank_ratio(vocab_size: int) -> float:
    """(V²−2V+4)/(2V): if rank D <= V−2 then Δ₂ <= this times η (Thm. 5), V >= 3.

    η is the largest spread of absent logits at lengths 1 and 2, Δ₂ the least distance of the lowest
    absent logit to the one of the token before the last at length 2.
    """
    check(vocab_size, smallest=3)
    return (vocab_size**2 - 2 * vocab_size + 4) / (2 * vocab_size)
