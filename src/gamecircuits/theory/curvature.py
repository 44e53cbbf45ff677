"""Leaving the family of models in which all tokens are alike: curvature of the loss, and noise.

A model near the family has D = −xP + ν and B = −βP + μ. Up to gauge, ν and μ are sums of parts that
permutations of the tokens do not mix (Proposition 29):

    ν = diag(u)P + 1vᵀ + S + K,      Σu = Σv = 0,

S symmetric and K antisymmetric, both with zero diagonal and zero sums of rows and columns. A
quadratic form that treats all tokens alike, like the curvature of the loss, is three small
matrices, its *blocks*: on (u_ν, v_ν, u_μ, v_μ), on (S_ν, S_μ) and on (K_ν, K_μ). All here works on
arrays of numpy and of JAX.
"""

from typing import NamedTuple

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
    identity = xp.eye(V, dtype=ov.dtype)
    tokens, symmetric, antisymmetric = [], [], []
    for table in (ov, direct):
        table = table - xp.mean(table, axis=1, keepdims=True)
        table = table - xp.linalg.trace(table) / (V - 1) * (identity - 1 / V)
        diagonal, columns = xp.linalg.diagonal(table), xp.sum(table, axis=0)
        u = (V * diagonal - columns) / max(V - 2, 1)  # both are 0 if V = 2
        v = (columns - u) / V
        rest = (table - u[:, None] * (identity - 1 / V) - v) / (V * (V - 1)) ** 0.5
        tokens += [u / V**0.5, v / V**0.5]
        symmetric.append(xp.reshape((rest + rest.T) / 2, (-1,)))
        antisymmetric.append(xp.reshape((rest - rest.T) / 2, (-1,)))
    return Parts(xp.stack(tokens), xp.stack(symmetric), xp.stack(antisymmetric))


def apply_form(blocks: Blocks, parts: Parts) -> Array:
    """The form's value in each case, (C,)."""
    pairs = zip(blocks, parts, strict=True)
    return sum((block * (part @ part.T)).sum(axis=(1, 2)) for block, part in pairs)


def _vectors(xp, like: Array, *entries) -> Array:
    return xp.stack([entry + 0 * like for entry in entries], axis=-1)


def _outer(left: Array, right: Array) -> Array:
    """Symmetric product of vectors (C, n): (C, n, n)."""
    product = left[:, :, None] * right[:, None, :]
    return (product + product.mT) / 2


def _scale(factor: Array, blocks: Array) -> Array:
    return factor[:, None, None] * blocks


def mean_square(V: int, cases: Cases, absent: Array, other: Array, last: Array) -> Blocks:
    """Blocks of E Σ_k p_k f_k²: p is `absent`, `other` or `last` (C,), by what token k is.

    f_k = Σ_i w_i ν_ik + μ_ℓk, and E is over the contexts of a case.
    """
    xp, t, w, own = cases.share.__array_namespace__(), *cases[2:5]
    column = t * w + own  # 1 without dropout: then v of ν and of μ act as one
    y = _vectors(xp, t, 0, column, 0, 1)
    of_other, of_last = y + _vectors(xp, t, w, 0, 0, 0), y + _vectors(xp, t, own, 0, 1, 0)
    tokens = _scale(t * other, _outer(of_other, of_other)) + _scale(last, _outer(of_last, of_last))
    tokens = tokens + _scale((V - 1 - t) * absent, _outer(y, y))

    n, k = _vectors(xp, t, w, 0), _vectors(xp, t, own, 1)

    def count(seen: Array) -> Array:
        """Square of the sum of `seen` entries of a column, whose products are −1/(V−2)."""
        return seen * (V - 1 - seen) / max(V - 2, 1)

    def of_token(seen: Array) -> Array:
        row = _outer(k, k) - _scale(2 * seen / max(V - 2, 1), _outer(n, k))
        return row + _scale(count(seen), _outer(n, n))

    rest = _scale((V - 1 - t) * absent, of_token(t)) + _scale(t * other, of_token(t - 1))
    rest = rest + _scale(last * count(t), _outer(n, n))
    return Blocks(tokens, rest, rest)


def square_of_mean(V: int, cases: Cases, absent: Array, other: Array, last: Array) -> Blocks:
    """Blocks of E (Σ_k p_k f_k)², as for `mean_square`; p may have any sum."""
    xp, t, w, own = cases.share.__array_namespace__(), *cases[2:5]
    column = t * w + own
    y = _vectors(xp, t, 0, column, 0, 1)
    a, b = other - absent, last - absent
    h = _scale(a, y[:, None])[:, 0] + _vectors(xp, t, other * w, 0, 0, 0)
    e = _scale(b, y[:, None])[:, 0] + _vectors(xp, t, last * own, 0, last, 0)
    tokens = _scale(t * (V - t) / (V - 1), _outer(h, h)) + _outer(e, e)
    tokens = tokens - _scale(2 * t / (V - 1), _outer(h, e))

    n, k = _vectors(xp, t, w, 0), _vectors(xp, t, own, 1)
    nn, kk, nk = _outer(n, n), _outer(k, k), _outer(n, k)
    one = t * (V - 1 - t) / max(V - 2, 1)
    pairs = t * (t - 1) / max((V - 2) * (V - 3), 1)
    both, crossed = pairs * (V - t) * (V - t - 1), pairs * (V - 1 - t)
    rests = []
    for sign in (1, -1):  # of the transpose
        seen = _scale((1 + sign) * both, nn) + _scale(one, kk)
        seen = seen - _scale(2 * (1 + sign) * crossed, nk)
        mixed = _scale(2 * sign * one, nk) - _scale(2 * (1 + sign) * crossed, nn)
        rests.append(_scale(a * a, seen) + _scale(a * b, mixed) + _scale(b * b * one, nn))
    return Blocks(tokens, *rests)


def get_curvature(vocab_size: int, cases: Cases) -> Blocks:
    """Blocks of E Var_p(f), each case: twice what the loss gains to second order (Prop. 29)."""
    p = cases.p_absent, cases.p_other, cases.p_last
    return _subtract(mean_square(vocab_size, cases, *p), square_of_mean(vocab_size, cases, *p))


def _subtract(first: Blocks, second: Blocks) -> Blocks:
    return Blocks._make(a - b for a, b in zip(first, second, strict=True))


def get_noise(
    vocab_size: int, cases: Cases, is_sampled: bool, energy: Array
) -> tuple[Blocks, Blocks]:
    """Covariance of one prefix's gradient by ν and μ, as blocks: at the family, and off it.

    The first is exact (Prop. 30). The second takes what a model off the family gets wrong on the
    absent tokens for independent numbers of the same mean square.

    Args:
        energy: E Var_p(f) of the model (C,), from its parts and `get_curvature`.
    """
    V, cases_like_absent = vocab_size, vocab_size - 1 - cases.others  # M, the dropped ones too
    M, absent, nothing = cases_like_absent, vocab_size - cases.length, 0 * cases.others
    q = 1 / M + nothing
    wrong = square_of_mean(V, cases, cases.p_absent - q, cases.p_other, cases.p_last)
    spread = _subtract(
        mean_square(V, cases, q, nothing, nothing), square_of_mean(V, cases, q, nothing, nothing)
    )
    hidden = M - absent  # dropped: nobody can tell them from absent ones
    drawn = 1 + nothing if is_sampled else hidden / (absent * (M - 1 + (hidden == 0)))
    family = Blocks._make(a + _scale(drawn, b) for a, b in zip(wrong, spread, strict=True))
    return family, Blocks._make(_scale(energy / M, block) for block in spread)
