"""Errors over games: of independent prefixes, of repeated ones, and by resampling."""

import numpy as np
import pytest

from gamecircuits.audits.clusters import summarise, summarise_overall


def test_games_of_one_prefix_have_the_usual_error():
    values = np.random.default_rng(0).normal(size=50)
    row = summarise({"x": values}, np.arange(50), np.zeros(50)).iloc[0]
    assert (row["count"], row["games"]) == (50, 50)
    assert row["x"] == pytest.approx(values.mean())
    assert row["x_error"] == pytest.approx(values.std(ddof=1) / 50**0.5)


def test_repeating_every_prefix_of_a_game_tells_nothing_new():
    rng = np.random.default_rng(0)
    game, values = rng.permutation(np.repeat(np.arange(9), 2)), rng.normal(size=18)
    once = summarise({"x": values}, game, np.zeros(18)).iloc[0]
    twice = summarise({"x": np.tile(values, 2)}, np.tile(game, 2), np.zeros(36)).iloc[0]
    assert twice["count"] == 2 * once["count"]
    assert twice["x_error"] == pytest.approx(once["x_error"])


def test_error_is_that_of_resampled_games():
    rng = np.random.default_rng(0)
    game = np.repeat(np.arange(80), rng.integers(1, 6, 80))
    values = rng.normal(size=80)[game] + rng.normal(size=len(game))
    sums, counts = np.bincount(game, values), np.bincount(game)
    drawn = rng.integers(80, size=(4000, 80))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    found = summarise({"x": values}, game, np.zeros(len(game))).iloc[0]
    assert found["x_error"] == pytest.approx(means.std(), rel=0.08)


def test_groups_are_apart():
    values = {"x": np.array([1.0, 2, 3, 5])}
    game, length = np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2])
    table = summarise(values, game, length)
    assert table["group"].tolist() == [1, 2]
    assert table["x"].tolist() == [2, 3.5]
    overall = summarise_overall(values, game, length, 1)
    assert overall["lengths"].tolist() == ["all", "trained", "beyond"]
    assert overall["x"].tolist() == [2.75, 2, 3.5]
    assert summarise_overall(values, game, length, None)["lengths"].tolist() == ["all"]
    assert np.isnan(summarise(values, np.zeros(4, int), length)["x_error"]).all()
