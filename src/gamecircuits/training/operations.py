"""The product, loss and gradient with which a GPT trains fast on a CPU, in JAX.

Measured in benchmarks/gpt.py. Look-ups, GELU and norms written by hand gained nothing, or a few per
cent, over those that JAX derives.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from gamecircuits.transformer.gpt import Operations, get_operations

Array = jax.Array
MOST_POSITIONS = 2048  # of a part, so that what its layers keep stays in the cache


@jax.custom_vjp
def _multiply(left: Array, right: Array) -> Array:
    return left @ right


def _get_changes(factors: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    left, right = factors
    by_left = change @ right.mT
    if left.ndim > 2 or left.shape[1] <= change.shape[1]:
        return by_left, left.mT @ change
    # Sums over rows are twice as fast with the wider factor on the right; without the barrier, XLA
    # turns the product round.
    return by_left, jax.lax.optimization_barrier(change.T @ left).T


_multiply.defvjp(lambda left, right: (left @ right, (left, right)), _get_changes)

OPERATIONS: Operations = get_operations(jnp)._replace(multiply=_multiply, softmax=jax.nn.softmax)


def make_operations(products: str) -> Operations:
    """The operations with products of `float32` or `bfloat16` numbers; sums are float32."""
    if products == "float32":
        return OPERATIONS
    return OPERATIONS._replace(multiply=_multiply_in_half)


def _halve(values: Array) -> Array:
    return values.astype(jnp.bfloat16)


def _product_of_halves(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)


@jax.custom_vjp
def _multiply_in_half(left: Array, right: Array) -> Array:
    return _product_of_halves(_halve(left), _halve(right))


def _multiply_and_keep(left: Array, right: Array) -> tuple[Array, tuple[Array, Array]]:
    halves = _halve(left), _halve(right)
    return _product_of_halves(*halves), halves


def _get_changes_in_half(halves: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    (left, right), half = halves, _halve(change)
    return _product_of_halves(half, right.mT), _product_of_halves(left.mT, half)


_multiply_in_half.defvjp(_multiply_and_keep, _get_changes_in_half)


def cross_entropy(logits: Array, legal: Array) -> tuple[Array, Array]:
    """Sum of the cross-entropies in nats to the uniform law over legal tokens, and their number.

    Args:
        logits: (..., V).
        legal: booleans (..., V), the sampled token or all legal ones; a position without any is
            left out.
    """
    num_legal = jnp.sum(legal, axis=-1)
    found = jnp.sum(jnp.where(legal, jax.nn.log_softmax(logits), 0.0), axis=-1)
    return -jnp.sum(found / jnp.maximum(num_legal, 1)), jnp.sum(num_legal > 0)


def choose_num_parts(num_games: int, length: int) -> int:
    """The least number of equal parts of a batch with at most MOST_POSITIONS positions each.

    A game is a part of its own if it is longer than that.
    """
    most = max(1, MOST_POSITIONS // length)
    return next(
        parts
        for parts in range(1, num_games + 1)
        if num_games % parts == 0 and num_games <= most * parts
    )


def get_mean_and_gradient(
    get_sum: Callable[[Any, Any], tuple[Array, Array]], weights: Any, data: Any, num_parts: int = 1
) -> tuple[Array, Any]:
    """Mean loss over a batch and its gradient, one part of the batch after the other.

    Args:
        get_sum: takes weights and a part of the data, and returns the sum of losses and their
            number, as `cross_entropy` does. The mean of none is 0.
        weights: any tree of arrays, such as one vector.
        data: a tree of arrays whose first axes are multiples of num_parts: tokens by game, or keys,
            one for each part.
    """
    parts = jax.tree.map(lambda a: a.reshape(num_parts, -1, *a.shape[1:]), data)
    find = partial(jax.value_and_grad(get_sum, has_aux=True), weights)

    def add(so_far, part):
        return jax.tree.map(jnp.add, so_far, find(part)), None

    like = jax.eval_shape(find, jax.tree.map(lambda a: a[0], parts))
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like)
    ((total, number), gradient), _ = jax.lax.scan(add, nothing, parts)
    number = jnp.maximum(number, 1)
    return total / number, jax.tree.map(lambda a: a / number, gradient)
