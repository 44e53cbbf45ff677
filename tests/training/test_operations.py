"""Products and losses, with their gradients, are those of plain JAX and of closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gpts import make_gpt

from gamecircuits.training.operations import (
    MOST_POSITIONS,
    OPERATIONS,
    choose_num_parts,
    cross_entropy,
    get_mean_and_gradient,
    make_operations,
)
from gamecircuits.transformer.gpt import forward, get_operations, map_weights

TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


def draw(rng, dtype, *shape):
    return jnp.asarray(rng.standard_normal(shape) / shape[-1] ** 0.5, dtype)


def assert_equal(found, expected, dtype):
    """Within TOLERANCE of the largest entry."""
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype == dtype
        bound = TOLERANCE[dtype] * max(1, float(jnp.max(jnp.abs(other), initial=0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=bound)


@DTYPES
@pytest.mark.parametrize(
    "shapes",
    [((9, 3), (3, 5)), ((9, 5), (5, 3)), ((9, 4), (4, 4)), ((2, 3, 4, 5), (2, 3, 5, 4)),
     ((9, 0), (0, 3)), ((0, 3), (3, 2))],
)  # fmt: skip
def test_product(dtype, shapes):
    rng = np.random.default_rng(0)
    left, right = (draw(rng, dtype, *shape) if 0 not in shape else jnp.zeros(shape, dtype)
                   for shape in shapes)  # fmt: skip
    weights = draw(rng, dtype, *shapes[0][:-1], shapes[1][-1])

    def look(multiply):
        def total(left, right):
            return jnp.sum(weights * jnp.sin(multiply(left, right)))

        return jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(left, right)

    assert_equal(look(OPERATIONS.multiply), look(jnp.matmul), dtype)


@DTYPES
def test_a_gpt_and_its_gradient(dtype):
    rng = np.random.default_rng(1)
    gpt = make_gpt(rng, num_layers=1, positions="none", tied=True)
    parameters = map_weights(lambda weight: jnp.asarray(weight, dtype), gpt.parameters)
    tokens = rng.integers(0, 5, (3, 4))
    weights = draw(rng, dtype, 3, 4, 5)

    def look(operations):
        def total(parameters):
            logits = forward(parameters, tokens, gpt.design, operations=operations)
            return jnp.sum(weights * logits)

        return jax.jit(jax.value_and_grad(total))(parameters)

    assert_equal(look(OPERATIONS), look(get_operations(jnp)), dtype)


@pytest.mark.parametrize("shapes", [((6, 4), (4, 8)), ((6, 8), (8, 4)), ((3, 6, 4), (3, 4, 8))])
def test_products_of_halves(shapes):
    """All three products, forward and back, take bfloat16 and give float32."""
    rng = np.random.default_rng(0)
    left, right, weights = (
        jnp.asarray(rng.random(shape), jnp.float32)
        for shape in (*shapes, (*shapes[0][:-1], shapes[1][-1]))
    )
    found, back = jax.vjp(make_operations("bfloat16").multiply, left, right)
    expected, back_of_all = jax.vjp(make_operations("float32").multiply, left, right)
    pairs = zip((found, *back(weights)), (expected, *back_of_all(weights)), strict=True)
    for one, other in pairs:
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=2**-7)
        assert not jnp.array_equal(one, other)


@DTYPES
@pytest.mark.parametrize("num_parts", [1, 3])
def test_loss_of_a_batch_in_parts(dtype, num_parts):
    """Parts differ in how many positions they have."""
    rng = np.random.default_rng(2)
    table, rows = draw(rng, dtype, 8, 5), draw(rng, dtype, 6, 4, 8)
    legal = jnp.asarray(rng.random((6, 4, 5)) < 0.3).at[0, 1:].set(False)

    def get_sum(table, part):
        return cross_entropy(part[0] @ table, part[1])

    logits, num_legal = rows @ table, np.sum(legal, -1, keepdims=True)
    laws = legal / np.maximum(num_legal, 1)
    powers = np.exp(logits)
    softmax, number = powers / powers.sum(-1, keepdims=True), np.sum(num_legal > 0)
    mean = -np.sum(laws * np.log(softmax)) / number
    gradient = np.einsum("bld,blv->dv", rows, (softmax - laws) * (num_legal > 0)) / number
    found = get_mean_and_gradient(get_sum, table, (rows, legal), num_parts)
    assert_equal(found, (jnp.asarray(mean, dtype), jnp.asarray(gradient, dtype)), dtype)
    mean, gradient = get_mean_and_gradient(get_sum, table, (rows, legal & False), num_parts)
    assert mean == 0
    assert jnp.all(gradient == 0)


@pytest.mark.parametrize(
    ("num_games", "length", "parts"),
    [(128, 11, 1), (128, 16, 1), (256, 32, 4), (96, 32, 2), (7, MOST_POSITIONS, 7), (3, 9999, 3)],
)
def test_parts_hold_few_positions(num_games, length, parts):
    assert choose_num_parts(num_games, length) == parts
