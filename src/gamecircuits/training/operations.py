"""A GPT's operations and loss in JAX, in forms whose gradients are fast on a CPU.

All are equal to the plain forms up to rounding. On a CPU, XLA takes its fast product where the left
factor is summed over its last axis; gradients by weights sum over rows, the first.
"""

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier

from gamecircuits.transformer.gpt import Operations

Array = jax.Array


@jax.custom_vjp
def _multiply(left: Array, right: Array) -> Array:
    return left @ right


def _multiply_back(factors: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    left, right = factors
    by_left = change @ right.mT
    if left.ndim > 2:
        by_right = optimization_barrier(left.mT) @ change  # else the transposition is undone
    elif left.shape[1] > change.shape[1]:
        by_right = optimization_barrier(change.T @ left).T  # fast if the right factor is the wider
    else:
        by_right = left.T @ change
    return by_left, by_right


_multiply.defvjp(lambda left, right: (left @ right, (left, right)), _multiply_back)


@jax.custom_vjp
def _look_up(table: Array, places: Array) -> Array:
    return table[places]


def _look_up_back(kept: tuple[Array, Array], change: Array) -> tuple[Array, None]:
    places, table = kept
    is_there = places[None, :] == jnp.arange(len(table))[:, None]
    return is_there.astype(change.dtype) @ change, None  # a scatter is slower


_look_up.defvjp(lambda table, places: (table[places], (places, table)), _look_up_back)


def _cdf(x: Array) -> Array:
    return 0.5 * (1 + jax.scipy.special.erf(x / 2**0.5))


@jax.custom_vjp
def _gelu(x: Array) -> Array:
    return x * _cdf(x)


def _gelu_back(x: Array, change: Array) -> tuple[Array]:
    x = optimization_barrier(x)  # to compute the cdf again is faster than to keep it
    density = jnp.exp(-0.5 * x * x) * (2 * jnp.pi) ** -0.5
    return (change * (_cdf(x) + x * density),)


_gelu.defvjp(lambda x: (_gelu(x), x), _gelu_back)

OPERATIONS = Operations(look_up=_look_up, multiply=_multiply, gelu=_gelu, softmax=jax.nn.softmax)


def make_operations(products: str) -> Operations:
    """The operations with products of `float32` or `bfloat16` numbers; sums are float32."""
    if products == "float32":
        return OPERATIONS
    return OPERATIONS._replace(multiply=_multiply_in_half)


def _multiply_in_half(left: Array, right: Array) -> Array:
    left, right = left.astype(jnp.bfloat16), right.astype(jnp.bfloat16)
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)


def cross_entropy(logits: Array, legal: Array) -> Array:
    """Mean cross-entropy in nats to the uniform law over legal tokens.

    Args:
        logits: (..., V).
        legal: booleans (..., V), the one sampled token or all; a position without any is left out.
    """
    num_legal = legal.sum(axis=-1)
    total = jnp.where(legal, jax.nn.log_softmax(logits), 0.0).sum(axis=-1)
    losses = -total / jnp.maximum(num_legal, 1)
    return losses.sum() / jnp.maximum((num_legal > 0).sum(), 1)
