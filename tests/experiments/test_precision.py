"""Precision: emulated types bit by bit, exact bases, and the proven limits of rounding."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from gamecircuits.errors import ParameterError
from gamecircuits.experiments.precision import (
    BASES,
    Precision,
    get_basis,
    get_defect,
    round_to,
    rounded_logits,
)
from gamecircuits.figures.experiments.precision import draw
from gamecircuits.theory.rounding import ROUNDING, spread_bound, total_variation_bound
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


def test_what_is_proved_holds(table):
    rows = table[table["basis"].isin(["helmert", "rotated"])]
    assert (rows["spread_max"] > 0).all()
    for name in ("spread", "total_variation"):
        assert (rows[f"{name}_max"] <= rows[f"proven_{name}"]).all()
        assert table.drop(rows.index)[f"proven_{name}"].isna().all()
    half = rows[rows["dtype"].isin(["float16", "bfloat16"]) & (rows["length"] == 1)]
    assert (half["proven_spread"] < 9 * half["unit"] * half["x"]).all(), "and says something"


@pytest.mark.parametrize(("dtype", "last"), [("float32", 164), ("float16", 2), ("bfloat16", 1)])
def test_the_largest_vocabulary_that_the_theory_names(dtype, last):
    """Where the proven total variation stays below 0.01, for an illegal token rate of 0.001."""

    def worst(V):
        x = x_min(V, 1e-3)
        return max(total_variation_bound(dtype, x, V, s) for s in range(1, V))

    assert last == 1 or worst(last) < 0.01
    assert worst(last + 1) > 0.01
    text = (Path(__file__).parents[2] / "docs/theory.md").read_text(encoding="utf-8")
    assert "below 0.01 up to V = 164 in float32, and 2 in float16; in bfloat16 nowhere" in text


@pytest.mark.parametrize("dtype", ROUNDING)
def test_what_is_proved_holds_of_many_rotations_and_of_the_worst_signs(dtype):
    """Rounding that is not random: all tokens are moved towards or away from one other."""
    rng, V = np.random.default_rng(1), 8
    x, (unit, _) = x_min(V, 1e-3), ROUNDING[dtype]
    for trial in range(200):
        F = get_basis("rotated", V, rng)
        if trial % 2 and dtype != "float64":
            towards = np.sign(F[trial % V]) * np.sign(F)
            F = round_to(F, dtype).astype(float) * (1 + 2 * unit * towards)
        for length in (1, 3, V - 2):
            members = np.array([np.arange(V) < length])
            logits = rounded_logits(members, F, x, "rotated", dtype)
            absent = logits[~members].astype(float)
            limit = spread_bound(dtype, x, V, length, get_defect(round_to(F, dtype)))
            assert np.ptp(absent) <= limit


def test_the_defect_is_that_of_the_stored_matrix():
    F = get_basis("helmert", 16, np.random.default_rng(0))
    exact = np.abs(F @ F.T - np.eye(16) + 1 / 16).max()
    assert exact <= get_defect(F) < 1e-14
    half = get_defect(round_to(F, "float16"))
    assert 0.1 * 2**-11 < half <= 2 * 2**-11 + 2**-22
    F[0, 0] += 0.01
    assert get_defect(F) > 0.009


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
