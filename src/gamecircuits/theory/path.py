"""Gradient descent on models in which all tokens are alike: the path of their strengths.

Such a model has three strengths: x of the OV circuit −xP, β of the direct path −βP, and α, by which
the score of a token with itself exceeds that with others (Theorem 22 has A = e^α). An array
(3,) holds them in this order. Training is on all contexts of the lengths 1..n, each length with the
same weight, with exact targets.
"""

from math import comb
from typing import Any, NamedTuple

import numpy as np
import scipy

from gamecircuits.theory.basics import check, require
from gamecircuits.theory.displacement import Displacements, standard_form_displacements
from gamecircuits.theory.laws import illegal_rate
from gamecircuits.theory.strength import x_min

Array = Any  # of numpy or of JAX


class Cases(NamedTuple):
    """Contexts as the model sees them, all that are alike in one case; C cases.

    Attributes:
        share: of all contexts, (C,); sums to 1.
        length: s, of numpy, (C,).
        others: t, the tokens before the last whose attention is kept, of numpy, (C,); s−1 without
            dropout.
        weight, own_weight: attention to each of these, and of the last token to itself, (C,).
        p: predicted for an absent token, for one of the t, and for the last one, (C, 3). Seen
            tokens whose attention is dropped look absent.
    """

    share: Array
    length: np.ndarray
    others: np.ndarray
    weight: Array
    own_weight: Array
    p: Array


def get_cases(strengths: Array, vocab_size: int, trained: int, dropout: Array = 0.0) -> Cases:
    """The cases of the lengths 1..trained, with attention dropout of a rate in [0, 1).

    Works on arrays of numpy and of JAX. A rate that is the float 0 makes one case of each length.
    """
    check(vocab_size, trained)
    xp = strengths.__array_namespace__()
    is_dropping = not (isinstance(dropout, float) and dropout == 0)
    kinds = [
        (s, t, own, comb(s - 1, t))
        for s in range(1, trained + 1)
        for t in (range(s) if is_dropping else [s - 1])
        for own in ((0, 1) if is_dropping else [1])
    ]
    s, t, own, ways = np.array(kinds, dtype=float).T
    share = xp.asarray(ways / trained) * (1 - dropout) ** (t + own) * dropout ** (s - t - own)
    x, beta, alpha = strengths
    weight = 1 / ((xp.exp(alpha) + s - 1) * (1 - dropout))
    own_weight = own * xp.exp(alpha) * weight
    odds = xp.stack([1 + 0 * weight, xp.exp(-x * weight), xp.exp(-x * own_weight - beta)], axis=-1)
    counts = np.stack([vocab_size - 1 - t, t, np.ones_like(t)], axis=-1)
    return Cases(share, s, t, weight, own_weight, odds / (counts * odds).sum(axis=-1)[:, None])


def path_loss(strengths: Array, vocab_size: int, trained: int, dropout: Array = 0.0) -> Array:
    """Mean cross-entropy in nats, exact targets, of the model with these strengths (Thm. 27).

    Mean over lengths of ln(V−s + (s−1)e^(−xw) + e^(−xAw−β)), w = 1/(A+s−1), without dropout.
    """
    xp = strengths.__array_namespace__()
    cases = get_cases(strengths, vocab_size, trained, dropout)
    return -(cases.share * xp.log(cases.p[:, 0])).sum()


def path_gradient(
    strengths: np.ndarray, vocab_size: int, trained: int, dropout: float = 0.0
) -> np.ndarray:
    """Derivatives of `path_loss` by x, β and α, (3,)."""
    x = strengths[0]
    share, s, t, weight, own_weight, p = get_cases(strengths, vocab_size, trained, dropout)
    other, last = t * p[:, 1] * weight, p[:, 2] * own_weight
    before = (s - 1) * (1 - dropout) * weight  # attention to the tokens before the last
    by_alpha = x * (other * (1 - before) - last * before)
    return np.array([(share * part).sum() for part in (-other - last, -p[:, 2], by_alpha)])


class Descent(NamedTuple):
    """How gradient descent is run: rate η, decoupled weight decay λ, dropout, whether α moves."""

    rate: float
    weight_decay: float = 0.0
    dropout: float = 0.0
    is_uniform: bool = False  # attention stays as it is


def descend_tables(
    strengths: np.ndarray, vocab_size: int, trained: int, descent: Descent, num_steps: int
) -> np.ndarray:
    """Strengths (num_steps + 1, 3) under gradient descent on the three tables (Thm. 27a).

    (x, β, α) ← (1 − ηλ)(x, β, α) − η/(V−1) · ∇L: exact for full tables at a symmetric start.
    """
    moving = np.array([1.0, 1.0, 0.0 if descent.is_uniform else 1.0])
    path = [np.asarray(strengths, dtype=float)]
    for _ in range(num_steps):
        slope = path_gradient(path[-1], vocab_size, trained, descent.dropout) / (vocab_size - 1)
        step = slope + descent.weight_decay * path[-1]
        path.append(path[-1] - descent.rate * moving * step)
    return np.array(path)


class Factors(NamedTuple):
    """What is free in equivariant weights: W_E = H⊗e, W_Q = I⊗Q, …, W_U = Hᵀ⊗u (Thm. 27b).

    e (1, m), Q and K (m, m_k), A (m, m_v), O (m_v, m), u (m, 1).
    """

    e: np.ndarray
    Q: np.ndarray
    K: np.ndarray
    A: np.ndarray
    O: np.ndarray  # noqa: E741
    u: np.ndarray


def get_strengths(factors: Factors, d_k: int) -> np.ndarray:
    """x = −eAOu, β = −eu, α = (eQ)(eK)ᵀ/√d_k, as an array (3,)."""
    e, Q, K, A, O, u = factors  # noqa: E741
    alpha = (e @ Q @ (e @ K).T).item() / max(d_k, 1) ** 0.5
    return np.array([-(e @ A @ O @ u).item(), -(e @ u).item(), alpha])


def descend_factors(
    factors: Factors, vocab_size: int, trained: int, descent: Descent, num_steps: int
) -> np.ndarray:
    """Strengths (num_steps + 1, 3) under gradient descent on equivariant weights (Thm. 27b).

    That is gradient descent on the loss as a function of the factors, with the rate η/(V−1).
    """
    d_k = (vocab_size - 1) * factors.Q.shape[1]
    path = [get_strengths(factors, d_k)]
    for _ in range(num_steps):
        e, Q, K, A, O, u = factors  # noqa: E741
        slope = path_gradient(path[-1], vocab_size, trained, descent.dropout) / (vocab_size - 1)
        x, beta, alpha = slope * [-1, -1, 1 / max(d_k, 1) ** 0.5]
        gradient = Factors(
            e=x * (A @ O @ u).T + beta * u.T + alpha * e @ (Q @ K.T + K @ Q.T),
            Q=alpha * e.T @ e @ K,
            K=alpha * e.T @ e @ Q,
            A=x * e.T @ (O @ u).T,
            O=x * (e @ A).T @ u.T,
            u=x * (e @ A @ O).T + beta * e.T,
        )
        decay = descent.weight_decay
        steps = zip(factors, gradient, strict=True)
        factors = Factors._make(now - descent.rate * (g + decay * now) for now, g in steps)
        path.append(get_strengths(factors, d_k))
    return np.array(path)


# Late, and how far.


def _late_share(vocab_size: int, trained: int, rate: float, dropout: float) -> float:
    """e^(x/((1−p)n)) per step: η E[K/(V−1−K)] / ((V−1)(1−p)²n³), K ~ Bin(n−1, 1−p)."""
    check(vocab_size, trained)
    require(trained >= 2, "at length 1 x and β cannot be told apart")
    require(0 <= dropout < 1, f"dropout rate = {dropout} must lie in [0, 1)")
    kept = np.arange(trained)
    share = scipy.stats.binom.pmf(kept, trained - 1, 1 - dropout)
    force = (share * kept / (vocab_size - 1 - kept)).sum()
    return float(rate * force / ((vocab_size - 1) * (1 - dropout) ** 2 * trained**3))


def late_strength(
    vocab_size: int, trained: int, rate: float, steps: np.ndarray | float, dropout: float = 0.0
) -> np.ndarray | float:
    """x after many steps on tables with uniform attention, up to o(1), n >= 2 (Prop. 28).

    (1−p) n ln(η t E[K/(V−1−K)] / ((V−1)(1−p)²n³)), K ~ Bin(n−1, 1−p) of dropout p.
    """
    share = _late_share(vocab_size, trained, rate, dropout)
    return (1 - dropout) * trained * np.log(share * np.asarray(steps, dtype=float))


def steps_needed(
    vocab_size: int,
    trained: int,
    longest: int,
    max_illegal_rate: float,
    rate: float,
    dropout: float = 0.0,
) -> float:
    """Steps until the illegal token rate is ε at length m, asymptotically (Prop. 28).

    `late_strength` solved for the x that keeps ε at m once the last token is not in doubt: they
    grow like ((m−1)/((V−m)ε))^(m/((1−p)n)).
    """
    x = x_min(vocab_size, max_illegal_rate, np.inf, longest)
    share = _late_share(vocab_size, trained, rate, dropout)
    return float(np.exp(x / ((1 - dropout) * trained)) / share)


def plateau(vocab_size: int, trained: int, weight_decay: float, dropout: float = 0.0) -> np.ndarray:
    """x, β and α = 0 at which weight decay λ > 0 stops tables with uniform attention (Prop. 31).

    The only minimum of the loss + λ/2 (‖D‖² + ‖B‖²): −∂L/∂x = (V−1)λx, −∂L/∂β = (V−1)λβ.
    """
    check(vocab_size, trained)
    require(weight_decay > 0, f"weight_decay = {weight_decay} must be positive")

    def slope(both: np.ndarray) -> np.ndarray:
        pull = (vocab_size - 1) * weight_decay * both
        return path_gradient(np.append(both, 0.0), vocab_size, trained, dropout)[:2] + pull

    def penalised(both: np.ndarray) -> float:
        decay = (vocab_size - 1) * weight_decay / 2 * (both**2).sum()
        return float(path_loss(np.append(both, 0.0), vocab_size, trained, dropout) + decay)

    near = scipy.optimize.minimize(penalised, np.zeros(2), jac=slope, method="BFGS").x
    return np.append(scipy.optimize.root(slope, near, tol=1e-13).x, 0.0)


def get_illegal_rate(vocab_size: int, lengths: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Illegal token rate (..., L) at lengths (L,) of strengths (..., 3) (Prop. 14, Cor. 21b)."""
    x, beta, alpha = np.moveaxis(np.asarray(strengths, dtype=float)[..., None], -2, 0)
    law = standard_form_displacements(vocab_size, lengths, x, beta, np.exp(alpha))
    return illegal_rate(vocab_size, lengths, Displacements(*law))


def longest_length(
    vocab_size: int, strengths: np.ndarray, max_illegal_rate: float
) -> np.ndarray | int:
    """Longest length up to which the illegal token rate is at most ε at every length; 0 if none.

    strengths (..., 3).
    """
    check(vocab_size, max_illegal_rate=max_illegal_rate)
    rates = get_illegal_rate(vocab_size, np.arange(1, vocab_size), strengths)
    return np.cumprod(rates <= max_illegal_rate, axis=-1).sum(axis=-1)
