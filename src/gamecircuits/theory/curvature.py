"""Leaving the family of models in which all tokens are alike: curvature of the loss, and noise.

A model near the family has D = −xP + ν and B = −βP + μ. Up to gauge, ν and μ are sums of parts that
permutations of the tokens do not mix (Proposition 29):

    ν = diag(u)P + 1vᵀ + G + K,      Σu = Σv = 0,

G symmetric and K antisymmetric, both with zero diagonal and zero sums of rows and columns. A
quadratic form that treats all tokens alike, like the curvature of the loss, is three small
matrices, its *blocks*: on (u_ν, v_ν, u_μ, v_μ), on (G_ν, G_μ) and on (K_ν, K_μ). All here works on
arrays of numpy and of JAX.
"""

from typing import NamedTuple

import numpy as np

from gamecircuits.theory.basics import centering
from gamecircuits.theory.path import Array, Cases


class Parts(NamedTuple):
    """Parts of ν and μ, scaled so that the blocks of a form times their products sum to it.

    tokens: u and v of ν, then of μ, each divided by √V, (4, V); symmetric and antisymmetric: that
    of ν, then of μ, each divided by √(V(V−1)), (2, V²).
    """

    tokens: Array
    symmetric: Array
    antisymmetric: Array


class Blocks(NamedTuple):
    """A quadratic form in the parts, for each of C cases: (C, 4, 4), (C, 2, 2), (C, 2, 2)."""

    tokens: Array
    symmetric: Array
    antisymmetric: Array


def split_tables(ov: Array, direct: Array) -> Parts:
    """The parts of tables (V, V), without what the strengths say and without the gauge c, c'."""
    xp = ov.__array_namespace__()
    V = len(ov)
    P = centering(V)
    tables = xp.stack([ov, direct])
    tables = tables - xp.mean(tables, axis=2)[:, :, None]
    tables = tables - (tables * P).sum(axis=(1, 2))[:, None, None] * P / (V - 1)
    diagonals, columns = (tables * np.eye(V)).sum(axis=2), tables.sum(axis=1)
    u = (V * diagonals - columns) / max(V - 2, 1)  # both are 0 if V = 2
    v = (columns - u) / V
    rest = tables - u[:, :, None] * P - v[:, None, :]
    halves = [
        xp.reshape(rest + sign * xp.matrix_transpose(rest), (2, -1)) / (2 * (V * (V - 1)) ** 0.5)
        for sign in (1, -1)
    ]
    return Parts(xp.reshape(xp.stack([u, v], axis=1), (4, V)) / V**0.5, *halves)


def apply_form(blocks: Blocks, parts: Parts) -> Array:
    """The form's value in each case, (C,)."""
    pairs = zip(blocks, parts, strict=True)
    return sum((block * (part @ part.T)).sum(axis=(1, 2)) for block, part in pairs)


class _Logits(NamedTuple):
    """f_k = Σ_i w_i ν_ik + μ_ℓk as linear in the parts, in each case.

    tokens: coefficients of (u_ν, v_ν, u_μ, v_μ) for k absent, one of the t, and last, (C, 3, 4).
    rest: of ν and μ, for a row of one of the t, and for that of the last token, (C, 2, 2).
    """

    tokens: Array
    rest: Array


def _get_logits(cases: Cases) -> _Logits:
    w, own = cases.weight[:, None, None], cases.own_weight[:, None, None]
    tokens, rest = np.eye(12).reshape(3, 4, 3, 4), np.eye(4).reshape(2, 2, 2, 2)  # single entries
    v, v_direct = tokens[:, 1].sum(axis=0), tokens[:, 3].sum(axis=0)  # alike for all k
    t = cases.others[:, None, None]
    return _Logits(
        tokens=w * (t * v + tokens[1, 0]) + own * (v + tokens[2, 0]) + v_direct + tokens[2, 2],
        rest=w * rest[0, 0] + own * rest[1, 0] + rest[1, 1],
    )


def _table(*rows: list) -> np.ndarray:
    """Matrices (C, n, m) from n rows of m entries, each (C,) or a number."""
    flat = np.broadcast_arrays(*(entry for row in rows for entry in row))
    return np.stack(flat, axis=-1).reshape(-1, len(rows), len(rows[0]))


def mean_square(vocab_size: int, cases: Cases, p: Array) -> Blocks:
    """Blocks of E Σ_k p_k f_k² over the contexts of each case, p (C, 3) as in `Cases`.

    f_k = Σ_i w_i ν_ik + μ_ℓk.
    """
    xp, V, t = cases.share.__array_namespace__(), vocab_size, cases.others
    logits = _get_logits(cases)
    counts = np.stack([V - 1 - t, t, np.ones_like(t)], axis=-1)
    tokens = xp.einsum("ca,cai,caj->cij", p * counts, logits.tokens, logits.tokens)

    # Two entries of one column have the product −1/(V−2) of the square of one, on average.
    def of_token(seen: np.ndarray) -> np.ndarray:
        crossed = -seen / max(V - 2, 1)
        return _table([seen * (V - 1 - seen) / max(V - 2, 1), crossed], [crossed, 1 + 0 * seen])

    of_last = of_token(t) * np.array([[1, 0], [0, 0]])
    kinds = np.stack([of_token(t), of_token(t - 1), of_last], axis=1) * counts[..., None, None]
    rest = xp.einsum("cki,ca,cakl,clj->cij", logits.rest, p, kinds, logits.rest)
    return Blocks(tokens, rest * (V > 3), rest * (V > 2))  # G = 0 if V = 3, and K if V = 2


def square_of_mean(vocab_size: int, cases: Cases, p: Array) -> Blocks:
    """Blocks of E (Σ_k p_k f_k)², as for `mean_square`; p may have any sum."""
    xp, V, t = cases.share.__array_namespace__(), vocab_size, cases.others
    logits = _get_logits(cases)
    weighted = p[..., None] * logits.tokens
    seen = weighted[:, 1:] - weighted[:, :1]  # Σ over all tokens of what is alike for all k is 0
    crossed = -t / (V - 1)
    pairs = _table([t * (V - t) / (V - 1), crossed], [crossed, 1 + 0 * t])
    tokens = xp.einsum("cki,ckl,clj->cij", seen, pairs, seen)

    a, b = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    products = xp.stack([a * a, a * b, b * b], axis=-1)
    one = t * (V - 1 - t) / max(V - 2, 1)
    two = t * (t - 1) / max((V - 2) * (V - 3), 1)
    rests = []
    for sign in (1, -1):  # of the transpose
        both, mixed = (1 + sign) * two * (V - t) * (V - t - 1), -(1 + sign) * two * (V - 1 - t)
        of_products = [
            _table([both, mixed], [mixed, one]),
            _table([2 * mixed, sign * one], [sign * one, 0 * t]),
            _table([one, 0 * t], [0 * t, 0 * t]),
        ]
        kinds = np.stack(of_products, axis=1)
        rests.append(xp.einsum("cki,ca,cakl,clj->cij", logits.rest, products, kinds, logits.rest))
    return Blocks(tokens, rests[0] * (V > 3), rests[1] * (V > 2))


def get_variance(vocab_size: int, cases: Cases, p: Array) -> Blocks:
    """Blocks of E Var_p(f), for p of sum 1.

    With the p of the cases it is twice what the loss gains to second order (Prop. 29).
    """
    pairs = zip(
        mean_square(vocab_size, cases, p), square_of_mean(vocab_size, cases, p), strict=True
    )
    return Blocks._make(first - second for first, second in pairs)


def get_noise(
    vocab_size: int, cases: Cases, is_sampled: bool, energy: Array
) -> tuple[Blocks, Blocks]:
    """Covariance of one prefix's gradient by ν and μ, as blocks: at the family, and off it.

    The first is exact (Prop. 30). The second takes what a model off the family gets wrong on the
    absent tokens for independent numbers of the same mean square.

    Args:
        energy: E Var_p(f) of the model (C,), from its parts and `get_variance`.
    """
    xp = cases.share.__array_namespace__()
    absent = vocab_size - cases.length
    alike = vocab_size - 1 - cases.others  # M: the absent ones, and those dropped
    q = np.stack([1 / alike, 0 * alike, 0 * alike], axis=-1)
    wrong = square_of_mean(vocab_size, cases, cases.p - q)
    spread = get_variance(vocab_size, cases, xp.asarray(q, dtype=cases.p.dtype))
    dropped = alike - absent
    drawn = np.ones_like(absent) if is_sampled else dropped / (absent * np.maximum(alike - 1, 1))
    family = (a + drawn[:, None, None] * b for a, b in zip(wrong, spread, strict=True))
    off = (xp.asarray(energy / alike)[:, None, None] * block for block in spread)
    return Blocks._make(family), Blocks._make(off)
