"""Probes of a model: against plain loops, in cases whose answer is known, and their controls."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from gpts import make_gpt

from gamecircuits.audits import mlp_probe, probing
from gamecircuits.audits.activations import read_activations
from gamecircuits.audits.probes import EXCESS
from gamecircuits.audits.probing import (
    Labelled,
    check_features,
    compare_probed,
    count_layers,
    probe_model,
    shuffle_labels,
    take_prefixes,
)
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.splits import SplitGames, split_games
from gamecircuits.transformer.gpt import GPT, Attention, Block, Design, GPTParameters, map_weights

WORDS = ["feature", "probe", "labels", "weights", "fitted_on"]


def play(game, num_games: int) -> SplitGames:
    tokens = game.play(num_games, np.random.default_rng(0))
    shares = {"train": 0.6, "validation": 0.1, "test": 0.3}
    return split_games(tokens, game.symmetries, shares)


@pytest.fixture(scope="module")
def case():
    """A random model on Dyck words, whose words end at different depths, and what probes found."""
    game = make_game("dyck", num_brackets=2, max_depth=3, length=8)
    games = play(game, 120)
    model = make_gpt(np.random.default_rng(0), V=4, num_positions=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlp_probe, "STEPS", 5)
        found = probe_model(model, game, games, trained_length=4, rng=np.random.default_rng(1))
    return game, games, model, found


def pick(table: pd.DataFrame, **words) -> pd.DataFrame:
    """Rows of one kind of probe."""
    wanted = {"probe": "linear", "labels": "true", "weights": "trained", "fitted_on": "all lengths"}
    for column, word in (wanted | words).items():
        table = table[table[column] == word]
    return table


def test_tables_are_those_of_plain_loops(case):
    game, games, model, found = case
    site, sums, base = "blocks.0.resid_mid", defaultdict(list), defaultdict(Counter)
    for feature in ("depth", "top"):
        labels = game.get_features(games.train)[feature].labels
        for of_game in labels:
            for length, label in enumerate(of_game[:, 0], start=1):
                base[feature, length].update([label])
        labels = game.get_features(games.test)[feature].labels
        for tokens, of_game in zip(games.test, labels, strict=True):
            rows = read_activations(model, tokens[None], np.ones((1, 8), bool), [site])[site]
            scores = found.probes[f"{site}.{feature}"].score(rows)[:, 0]
            for s in range(7):
                is_seen = (games.train[:, : s + 1] == tokens[: s + 1]).all(axis=1).any()
                p = np.exp(scores[s]) / np.exp(scores[s]).sum()
                guess = base[feature, s + 1].most_common(1)[0][0]
                label = of_game[s, 0]
                sums[feature, s + 1].append(
                    (p.argmax() == label, -np.log(p[label]), guess == label, is_seen)
                )
    table = pick(found.by_length, site=site).set_index(["feature", "length"])
    assert set(table.index) == set(sums)
    for place, values in sums.items():
        row = table.loc[place]
        wanted = np.mean(values, axis=0)
        assert row["count"] == row["games"] == len(values)
        found_here = row[["accuracy", "loss", "base_accuracy", "seen"]].to_numpy(float)
        np.testing.assert_allclose(found_here, wanted, rtol=1e-9)
        assert row["whole"] == row["accuracy"]  # of one place
    overall = pick(found.overall, site=site, feature="top", prefixes="all").set_index("lengths")
    beyond = [
        value[0] for (f, s), values in sums.items() for value in values if (f == "top") & (s > 4)
    ]
    assert overall.loc["beyond", "accuracy"] == pytest.approx(np.mean(beyond))
    overall = pick(found.overall, site=site, feature="top", prefixes="unseen").set_index("lengths")
    unseen = [
        value[0] for (f, _), values in sums.items() for value in values if (f == "top") & ~value[3]
    ]
    assert overall.loc["all", "accuracy"] == pytest.approx(np.mean(unseen))
    assert overall.loc["all", "count"] == len(unseen) > 0


def test_every_probe_is_there_and_at_its_best(case):
    _, _, _, found = case
    fits = found.fits
    sizes = fits.groupby(WORDS[1:]).size()
    assert sizes.to_dict() == {  # two features
        ("linear", "true", "trained", "all lengths"): 2 * 5,
        ("linear", "true", "trained", "trained lengths"): 2 * 5,
        ("linear", "random", "trained", "all lengths"): 2 * 5,
        ("linear", "true", "shuffled", "all lengths"): 2 * 5,
        ("linear", "true", "shuffled", "trained lengths"): 2 * 5,
        ("mlp", "true", "trained", "all lengths"): 2 * 2,
    }
    linear = fits[fits["probe"] == "linear"]
    assert (linear["excess"] <= EXCESS).all()
    assert (
        fits[fits["fitted_on"] == "trained lengths"]["positions"] < linear["positions"].max()
    ).all()
    assert len(found.probes) == 2 * 3 * 5  # of true labels, on trained lengths, of random labels
    assert found.values["top"] == ("none", "bracket 0", "bracket 1")
    assert sorted(fits["layer"].unique()) == [0, 0.5, 1, 1.5, 2]


def test_the_same_bits_whatever_is_read_at_once(case, monkeypatch):
    game, games, model, found = case
    monkeypatch.setattr(mlp_probe, "STEPS", 5)
    monkeypatch.setattr(probing, "MAX_BYTES", 1)
    said = []
    again = probe_model(
        model, game, games, trained_length=4, rng=np.random.default_rng(1), say=said.append
    )
    for name in ("by_length", "overall", "by_place", "by_game"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name), check_exact=True)
    assert said[-1] == "probing site 10 of 10: blocks.1.resid_post, shuffled weights"


def test_random_labels_leave_base_rates(case):
    _, _, _, found = case
    rows = pick(found.overall, labels="random", lengths="all", prefixes="all")
    assert (rows["accuracy"] < rows["base_accuracy"] + 3 * rows["accuracy_error"]).all()
    true = pick(found.overall, lengths="all", prefixes="all")
    np.testing.assert_allclose(rows["base_accuracy"], true["base_accuracy"], rtol=1e-12)


def test_shuffled_labels_stay_at_their_length():
    length = np.array([1, 2, 1, 2, 2, 1])
    labels = np.column_stack([np.arange(6), 10 + np.arange(6)])
    prefixes = Labelled(np.zeros((0, 2)), np.zeros((0, 2)), np.arange(6), length, {"f": labels})
    drawn = {
        tuple(shuffle_labels(prefixes, np.random.default_rng(n)).labels["f"][:, 0])
        for n in range(200)
    }
    assert len(drawn) == 6 * 6  # all permutations of either length
    assert all((length[[*order]] == length).all() for order in drawn)


def test_uniform_attention_reads_the_set(monkeypatch):
    """Set complement from scratch: counts over the length, whose places are its tokens."""
    monkeypatch.setattr(mlp_probe, "STEPS", 5)
    V = 4
    none, one = np.zeros((V, 1)), np.eye(V)
    parameters = GPTParameters(one, (Block(Attention(none, none, one, one)),), one)
    game = make_game("set_complement", vocab_size=V)
    games = play(game, 200)
    found = probe_model(GPT(parameters, Design()), game, games, rng=np.random.default_rng(0))
    rows = pick(found.by_length).set_index(["layer", "length"])
    assert (rows.loc[1, "whole"] == 1).all()
    assert rows.loc[1].index.tolist() == [1, 2, 3]
    assert rows.loc[(0, 3), "whole"] < 0.9  # the last token alone


def test_the_smallest_vocabulary():
    game = make_game("set_complement", vocab_size=2)
    games = SplitGames(*[np.array([[0, 1], [1, 0]])] * 3)  # there are no more
    model = make_gpt(np.random.default_rng(0), V=2, num_layers=0, num_positions=1)
    found = probe_model(model, game, games, rng=np.random.default_rng(0))
    assert found.by_length["length"].unique().tolist() == [1]
    assert (pick(found.overall)["whole"] == 1).all()


def test_prefixes_are_those_of_whole_games():
    game = make_game("othello", board_size=4)
    tokens = game.play(20, np.random.default_rng(0))
    found = take_prefixes(game, tokens, ["owner"], 100, None)
    goes_on = game.get_features(tokens)["owner"].labels[..., 0] != PAD
    assert len(found.game) == goes_on[: found.game.max() + 1].sum() <= 100
    assert goes_on[: found.game.max() + 2].sum() > 100
    assert take_prefixes(game, tokens, ["owner"], 1, None).game.max() == 0
    assert take_prefixes(game, tokens, ["owner"], 100, 3).length.max() == 3


def test_a_model_is_no_better_than_itself(case):
    _, _, _, found = case
    table = compare_probed(found.by_game, found.by_game, 4)
    assert (table[["accuracy", "whole_low", "whole_high", "accuracy_error"]] == 0).all(axis=None)
    worse = found.by_game.assign(accuracy=found.by_game["accuracy"] - 0.25)
    table = compare_probed(found.by_game, worse, 4)
    np.testing.assert_allclose(table["accuracy_high"], -0.25)
    assert table["lengths"].unique().tolist() == ["all", "trained", "beyond", *"1234567"]
    with pytest.raises(GamecircuitsError, match="the same games"):
        compare_probed(found.by_game, found.by_game[5:], 4)


def test_bad_input_is_named(case):
    game, games, model, _ = case
    rng = np.random.default_rng(0)
    with pytest.raises(GamecircuitsError, match="no feature 'topp'; allowed: depth, top; did you"):
        probe_model(model, game, games, features=["topp"], rng=rng)
    with pytest.raises(GamecircuitsError, match="no site 'blocks"):
        probe_model(model, game, games, sites=["blocks.2"], rng=rng)
    with pytest.raises(GamecircuitsError, match=r"WindowedComplement has no features .*othello"):
        check_features(make_game("windowed_complement", vocab_size=5, window=2))
    with pytest.raises(GamecircuitsError, match="trained_length = 0"):
        probe_model(model, game, games, trained_length=0, rng=rng)
    with pytest.raises(GamecircuitsError, match="0 games"):
        probe_model(model, game, games._replace(test=games.test[:0]), rng=rng)
    nothing = GPT(map_weights(lambda w: w * np.nan, model.parameters), model.design)
    with pytest.raises(GamecircuitsError, match="not finite"):
        probe_model(nothing, game, games, rng=rng)


def test_layers_are_counted():
    sites = ["embed", "blocks.0.resid_pre", "blocks.0.resid_mid", "blocks.11.resid_post"]
    assert [count_layers(site) for site in sites] == [0, 0, 0.5, 12]


def test_one_game_is_told_as_the_best_probe_reads_it(case):
    game, games, model, found = case
    beliefs, tokens = found.beliefs, games.test[:1]
    for feature, of_game in game.get_features(tokens).items():
        rows = beliefs[beliefs["feature"] == feature]
        fits = pick(found.fits, feature=feature)
        site = fits.loc[fits["loss"].idxmin(), "site"]
        assert set(rows["site"]) == {site}
        keep = (of_game.labels != PAD).all(axis=2)
        scores = found.probes[f"{site}.{feature}"].score(
            read_activations(model, tokens, keep, [site])[site]
        )
        p = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
        np.testing.assert_allclose(rows["probability"], p.max(axis=2).ravel(), rtol=1e-6)
        values = np.array(of_game.values)
        assert rows["read"].tolist() == values[scores.argmax(axis=2)].ravel().tolist()
        assert rows["value"].tolist() == values[of_game.labels[keep]].ravel().tolist()
        assert rows["token"].tolist() == tokens[keep].tolist()
