"""Baselines, by loops and by a model of equal logits."""

import numpy as np
import pandas as pd
import pytest

from gamecircuits.games.game import make_game
from gamecircuits.training.baselines import join_baselines, measure_games, select_untrained
from gamecircuits.training.choices import JUDGED
from gamecircuits.training.measure import measure_average
from gamecircuits.transformer.model import Parameters
from gamecircuits.transformer.one_layer import OneLayer

V = 9


@pytest.fixture(scope="module")
def games():
    """Tokens and legal next tokens of games of which some are over early."""
    rules = make_game("mnk", rows=3, columns=3, in_a_row=3)
    tokens = rules.play(60, np.random.default_rng(0))
    return tokens, rules.get_valid_next_token_mask(tokens)


def test_uniform_guess_is_the_model_of_equal_logits(games):
    """And the loss of any model is its KL divergence plus the floor."""
    table = (
        measure_games(*games, range(1, 9)).set_index(["baseline", "metric", "length"]).sort_index()
    )
    flat = OneLayer(Parameters(*np.zeros((6, V, V))))
    measured = (
        measure_average(flat, *games, range(1, 9)).set_index(["metric", "length"]).sort_index()
    )
    for metric in JUDGED:
        found, wanted = table.loc[("uniform", metric)], measured.loc[metric]
        np.testing.assert_allclose(found["mean"], wanted["mean"])
        assert found["count"].tolist() == wanted["count"].tolist()
    losses = table.loc[("uniform", "kl_divergence"), "mean"] + table.loc[("games", "floor"), "mean"]
    np.testing.assert_allclose(losses, np.log(V))


def test_games_in_numbers_by_a_loop(games):
    table = measure_games(*games, [2, 6, 9]).set_index(["baseline", "metric", "length"])
    assert set(table.index.get_level_values("length")) == {2, 6}, "after nine tokens all is over"
    numbers = [legal[5].sum() for legal in games[1] if legal[5].any()]
    assert 0 < len(numbers) < 60
    row = table.loc[("games", "num_legal", 6)]
    assert (row["count"], row["mean"]) == (len(numbers), pytest.approx(np.mean(numbers)))
    floor = table.loc[("games", "floor", 6), "mean"]
    assert floor == pytest.approx(np.mean(np.log(numbers)))


def test_groups_are_joined(games):
    parts = []
    for numbers in ([0, 1], [2]):  # of two groups
        parts.append(measure_games(*games, [2, 4]))
        for number in numbers:
            weights = np.random.default_rng(number).normal(size=(6, V, V))
            measured = measure_average(OneLayer(Parameters(*weights)), *games, [2, 4])
            parts.append(select_untrained(measured).assign(variant="plain", number=number))
    joined = join_baselines(pd.concat(parts, ignore_index=True))
    pd.testing.assert_frame_equal(
        joined[joined["baseline"] != "untrained"][
            ["baseline", "length", "metric", "count", "mean"]
        ],
        measure_games(*games, [2, 4]),
    )
    untrained = joined[joined["baseline"] == "untrained"].set_index(["metric", "length"])
    assert len(untrained) == 2 * len(JUDGED)
    values = [part.set_index(["metric", "length"])["mean"] for part in parts if "number" in part]
    wanted = [value[("kl_divergence", 4)] for value in values]
    row = untrained.loc[("kl_divergence", 4)]
    assert (row["num_trials"], row["mean"]) == (3, pytest.approx(np.mean(wanted)))
    assert row["std"] == pytest.approx(np.std(wanted, ddof=1))
    assert join_baselines(pd.DataFrame()).empty
