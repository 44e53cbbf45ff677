"""Superposition: what is measured against closed forms, floors, bounds and a loop."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from twins import all_contexts, naive_metrics

from gamecircuits.errors import ParameterError
from gamecircuits.experiments.superposition import Superposition, get_fourier_frame
from gamecircuits.figures.experiments.superposition import draw
from gamecircuits.theory.superposition import (
    block_limits,
    frame_kl_bound,
    untrained_kl,
)
from gamecircuits.transformer.constructions.frame import get_frame


@pytest.fixture(scope="module")
def table():
    return Superposition(vocab_size=6, num_seeds=3).run(np.random.default_rng(0))


def test_table(table):
    keys = ["solution", "seed", "width", "length", "metric"]
    assert not table.duplicated(keys).any()
    assert len(table) == 2 * 5 * (3 * (2 + 3) + 1)  # metrics, lengths, widths x solutions, m = V/2
    assert table["width"].unique().tolist() == [2, 3, 4]
    assert (table["value"] <= table["untrained"] + 1e-12).all()
    assert (table["value"] >= table["floor"] - 1e-12).all()


def test_block_reaches_its_limit(table):
    block = table[table["solution"] == "block"]
    np.testing.assert_allclose(block["value"], block["limit"], atol=1e-12)
    row = block[(block["width"] == 3) & (block["length"] == 2)].set_index("metric")["limit"]
    variation, kl = block_limits(6, np.array([2]), 3)
    assert row["total_variation"] == variation[0]
    assert row["kl_divergence"] == kl[0]


def test_coherence_bound_holds_for_every_frame(table):
    rows = table[(table["metric"] == "total_variation") & table["bound"].notna()]
    assert {"fourier", "equiangular"} <= set(rows["solution"])
    assert (rows["value"] <= rows["bound"]).all()


def test_kl_bound_holds_on_average_over_signs(table):
    """Prop. 20b at its best x, for many draws at one length."""
    V, width = 6, 4
    many = Superposition(vocab_size=V, num_seeds=25).run(np.random.default_rng(1))
    rows = many[
        (many["solution"] == "random_signs")
        & (many["metric"] == "kl_divergence")
        & (many["width"] == width)
    ]
    for length, part in rows.groupby("length"):
        error = part["value"].std() / len(part) ** 0.5
        assert part["value"].mean() <= part["bound"].iloc[0] + 3 * error
        x = np.geomspace(0.01, 100, 500)
        best = min(frame_kl_bound(V, np.array([length]), value, width)[0] for value in x)
        assert part["bound"].iloc[0] == pytest.approx(best, rel=1e-4)


def test_value_is_the_mean_over_all_contexts_and_the_least_over_x(table):
    gram = get_frame(6, 3, "equiangular") @ get_frame(6, 3, "equiangular").T
    rows = table[(table["solution"] == "equiangular") & (table["length"] == 2)]

    def mean(metric, x):
        return np.mean(
            [
                naive_metrics(
                    -x * gram[list(prefix)].mean(axis=0),
                    [token not in prefix for token in range(6)],
                    np.ones(1),
                )[metric]
                for prefix in all_contexts(6, 2)
            ]
        )

    for _, row in rows.iterrows():
        assert row["value"] == pytest.approx(mean(row["metric"], row["x"]), abs=1e-12)
        for factor in (0.5, 0.9, 1.1, 2):
            assert mean(row["metric"], factor * row["x"]) >= row["value"]


def test_frames_win_from_half_the_vocabulary_on_if_narrow():
    """First order in m/V: gains of ms/(2(V−1)(V−s)) and (ms/V) ln(V/(V−1)) tie at s = V/2."""
    V, width = 12, 2
    table = Superposition(vocab_size=V, num_seeds=1).run(np.random.default_rng(0))
    kl = table[(table["metric"] == "kl_divergence") & (table["width"] == width)]
    kl = kl.pivot_table(index="length", columns="solution", values="value")
    s = kl.index.to_numpy()
    gain = untrained_kl(V, s) - kl["fourier"].to_numpy()
    predicted = width * s / (2 * (V - 1) * (V - s))
    np.testing.assert_allclose(gain[:4], predicted[:4], rtol=0.1)
    assert ((kl["fourier"] < kl["block"]) == (s >= V / 2)).all()


@pytest.mark.parametrize(("vocab_size", "width"), [(6, 2), (6, 3), (14, 7), (14, 12), (9, 4)])
def test_fourier_frame(vocab_size, width):
    F = get_fourier_frame(vocab_size, width)
    assert F.shape == (vocab_size, width)
    np.testing.assert_allclose(F.T @ F, vocab_size / width * np.eye(width), atol=1e-12)
    np.testing.assert_allclose((F**2).sum(axis=1), 1)
    np.testing.assert_allclose(F.sum(axis=0), 0, atol=1e-12)
    largest = np.abs((F @ F.T)[~np.eye(vocab_size, dtype=bool)]).max()
    welch_bound = np.sqrt((vocab_size - width) / (width * (vocab_size - 1)))
    assert largest >= welch_bound - 1e-12


def test_reproducible(table):
    again = Superposition(vocab_size=6, num_seeds=3).run(np.random.default_rng(0))
    assert again.equals(table)


@pytest.mark.parametrize(
    ("key", "value"), [("vocab_size", 4), ("vocab_size", 7), ("vocab_size", 20), ("num_seeds", 0)]
)
def test_senseless_values(key, value):
    with pytest.raises(ParameterError, match=key):
        Superposition(**{key: value})


def test_figure(table):
    figure = draw(table)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    without = Superposition(vocab_size=8, num_seeds=1).run(np.random.default_rng(0))
    assert "equiangular" not in set(without["solution"])
    draw(without).draw_without_rendering()
