"""Precision: emulated types bit by bit, exact bases, and the constants of the rounding limits."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gamecircuits.errors import ParameterError
from gamecircuits.experiments.precision import BASES, Precision, get_basis, round_to, rounded_logits
from gamecircuits.figures.experiments.precision import draw
from gamecircuits.theory.rounding import ROUNDING
from gamecircuits.theory.strength import x_min
from gamecircuits.transformer.circuits import token_logits
from gamecircuits.transformer.constructions.construction import make_construction


@pytest.fixture(scope="module")
def table():
    return Precision(largest_vocab_size=256, num_contexts=50).run(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (1.0, 1.0),
        (1 + 2**-8, 1.0),  # ties to even
        (1 + 3 * 2**-8, 1 + 2**-6),
        (1 + 2**-8 + 2**-20, 1 + 2**-7),
        (1 + 2**-8 - 2**-20, 1.0),
        (-(1 + 2**-8), -1.0),
        (2 - 2**-9, 2.0),  # carries into the exponent
        (0.0, 0.0),
        (-0.0, -0.0),
        (3.140625, 3.140625),  # π in bfloat16
        (np.pi, 3.140625),
        (0.1, 0.10009765625),
        (1 / 3, 0.333984375),
        (256.0, 256.0),
        (257.0, 256.0),
        (259.0, 260.0),
        (1e-40, float(np.uint32(1 << 16).view(np.float32))),  # subnormal: one step
        (np.inf, np.inf),
        (-np.inf, -np.inf),
        (3.4e38, np.inf),
    ],
)
def test_bfloat16(value, rounded):
    found = round_to(np.array([value]), "bfloat16")
    assert found.dtype == np.float32
    assert found[0] == np.float32(rounded)
    assert np.signbit(found[0]) == np.signbit(np.float32(rounded))


def test_bfloat16_is_the_nearest_of_all_bfloat16():
    every = (np.arange(0x0080, 0x7F80, dtype=np.uint32) << 16).view(np.float32).astype(float)
    values = np.exp(np.random.default_rng(0).uniform(-20, 20, 5000)).astype(np.float32)
    above = np.searchsorted(every, values)
    low, high = every[above - 1], every[above]
    nearest = np.where(values - low < high - values, low, high)
    np.testing.assert_array_equal(round_to(values, "bfloat16"), nearest)
    np.testing.assert_array_equal(round_to(every, "bfloat16"), every)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_unit_is_the_largest_relative_error(dtype):
    values = 1 + np.random.default_rng(0).random(100_000)
    error = np.abs(round_to(values, dtype) / values - 1).max()
    assert 0.98 * ROUNDING[dtype].unit < error <= ROUNDING[dtype].unit


def test_logits_are_those_of_the_construction():
    V = 16
    construction = make_construction("balanced", vocab_size=V)
    rng = np.random.default_rng(0)
    tokens = rng.permuted(np.tile(np.arange(V), (20, 1)), axis=1)[:, :5]
    members = np.zeros((20, V), dtype=bool)
    np.put_along_axis(members, tokens, True, axis=1)
    wanted = token_logits(construction.parameters(), tokens)[:, -1]
    for basis in BASES:
        F = get_basis(basis, V, rng)
        found = rounded_logits(members, F, x_min(V, 1e-3), basis, "float64")
        found = found - found.mean(axis=1, keepdims=True)  # one-hot differs by a constant
        np.testing.assert_allclose(found, wanted, atol=1e-11)


def test_table(table):
    assert not table.duplicated(["vocab_size", "length", "basis", "dtype"]).any()
    assert len(table) == 3 * 5 * 4 * 4
    single = table[table["length"] == 1]
    assert (single["contexts"] == single["vocab_size"]).all()
    for name in ("spread", "total_variation"):
        assert (table[f"{name}_mean"] <= table[f"{name}_max"] * (1 + 1e-12)).all()


def test_one_hot_and_hadamard_are_level_to_the_last_bit(table):
    exact = table[table["basis"].isin(["one-hot", "hadamard"])]
    assert set(exact["dtype"]) == set(ROUNDING)
    assert (exact["spread_max"] == 0).all()
    assert (exact["total_variation_max"] < 1e-4).all()  # of x itself, rounded


def test_limits(table):
    rows = table[table["basis"].isin(["helmert", "rotated"])]
    for dtype, part in rows.groupby("dtype"):
        ratio = part["spread_max"] / (part["unit"] * part["x"])
        assert 0 < ratio.max() <= ROUNDING[dtype].factor
        assert (part["total_variation_max"] <= np.tanh(part["spread_max"] / 4) + 1e-4).all()
    double = rows[(rows["dtype"] == "float64") & (rows["basis"] == "helmert")]
    assert (double["spread_max"] <= 6 * double["unit"] * double["x"]).all()
    half = rows[rows["dtype"].isin(["float16", "bfloat16"])]
    assert (half["spread_max"] <= half["operand_bound"]).all()


def test_reproducible():
    first, again = (
        Precision(largest_vocab_size=16, num_contexts=5).run(np.random.default_rng(3))
        for _ in range(2)
    )
    assert first.equals(again)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("largest_vocab_size", 100),
        ("largest_vocab_size", 2048),
        ("num_contexts", 0),
        ("num_contexts", 10**6),
        ("max_illegal_rate", 0.0),
        ("max_illegal_rate", 1.0),
    ],
)
def test_senseless_values(key, value):
    with pytest.raises(ParameterError, match=key):
        Precision(**{key: value})


def test_figure(table):
    figure = draw(table)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    draw(table[table["vocab_size"] == 16]).draw_without_rendering()
