"""The first layer of models with a probe of what was played: what is known must be found."""

import numpy as np
import pytest
from gpts import as_gpt, make_gpt

from gamecircuits.audits import bridge
from gamecircuits.audits.bridge import read_first_layer
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import make_game
from gamecircuits.games.splits import SplitGames
from gamecircuits.transformer.constructions.balanced import Balanced

V, TRAINED = 6, 4
GAME = make_game("set_complement", vocab_size=V)
PLAYED = GAME.play(900, np.random.default_rng(0))
GAMES = SplitGames(PLAYED[:500], PLAYED[500:500], PLAYED[500:])


@pytest.fixture(scope="module")
def balanced():
    model = as_gpt(Balanced(V, max_illegal_rate=0.05).model())
    rng = np.random.default_rng(0)
    return model, read_first_layer(model, GAME, GAMES, trained_length=TRAINED, rng=rng)


def test_balanced_is_read_as_what_it_is(balanced):
    _, found = balanced
    whole = found.heads.set_index("head").loc["all"]
    assert whole["rank"] == V - 1
    assert whole["misfit"] < 0.01
    assert whole["cosine"] > 0.9
    assert whole["cosine_change"] > 0 > whole["cosine_change_others"]
    assert found.heads["self_score"][0] == pytest.approx(0, abs=1e-9)
    lengths = found.lengths.set_index("length")
    np.testing.assert_allclose(lengths["explained_by_tables"], 1, atol=1e-9)
    assert (lengths[["accuracy", "accuracy_by_tables"]] == 1).all(axis=None)
    np.testing.assert_allclose(lengths["level_spread"], 0, atol=0.3)
    np.testing.assert_allclose(lengths["by_law"], lengths["measured"], rtol=0.1)
    assert lengths["is_trained"].tolist() == [True] * TRAINED + [False]
    assert set(lengths.index) == set(range(1, V))
    attention = found.layers[found.layers["sublayer"] == "attention"]
    np.testing.assert_allclose(attention["share_of_uniform"].dropna(), 1)
    assert (attention["accuracy"] == 1).all()
    assert (found.layers["site"].unique() == ["blocks.0.resid_pre", "blocks.0.resid_post"]).all()


def test_the_control_changes_no_score(balanced):
    _, found = balanced
    rows = found.rescaled.set_index(["direction", "factor", "length"])
    unchanged = rows.loc[("probe", 1.0)]
    np.testing.assert_allclose(unchanged["predicted_mass"], unchanged["mass"], atol=1e-9)
    for factor in bridge.FACTORS:
        random = rows.loc[("random", factor)]
        np.testing.assert_allclose(random["displacement"], unchanged["displacement"])
    at_zero = rows.loc[("probe", 0.0)]
    np.testing.assert_allclose(at_zero["displacement"], 0, atol=0.15 * unchanged["displacement"][1])
    np.testing.assert_allclose(at_zero["predicted_mass"], at_zero["mass"], atol=0.15)


def test_othello_leaves_out_what_is_never_played():
    game = make_game("othello", board_size=4)
    tokens = game.play(300, np.random.default_rng(0))
    model = make_gpt(np.random.default_rng(1), V=16, d=20, num_positions=tokens.shape[1])
    games = SplitGames(tokens[:150], tokens[:0], tokens[150:])
    heard = []
    found = read_first_layer(
        model, game, games, trained_length=4, rng=np.random.default_rng(0), say=heard.append
    )
    again = read_first_layer(model, game, games, trained_length=4, rng=np.random.default_rng(0))
    assert all(a.equals(b) for a, b in zip(found, again, strict=True))
    assert heard[-1] == "probing site 5 of 5"
    assert set(found.heads["head"]) == {"1", "2", "all"}
    assert not set(found.circuit["read"]) & {5, 6, 9, 10}  # the centre is full from the start
    layers = found.layers[found.layers["length"] == 3]
    assert layers["layer"].tolist() == [0, 1, 1, 2, 2]
    num_goes_on = (game.get_valid_next_token_mask(games.test).any(axis=2)).sum(axis=0)
    assert found.lengths["count"].max() <= num_goes_on.max()


def test_a_prefix_with_an_unknown_token_does_not_count():
    known = np.array([0, 1, 2, 3, 4])
    tokens = np.array([[0, 1, 5, 2, 3, 4], [4, 3, 2, 1, 0, 5]])
    found = bridge._Prefixes.of(GAME, tokens, known)
    wanted = [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]]
    np.testing.assert_array_equal(found.keep, np.array(wanted, dtype=bool))
    assert found.last.tolist() == [0, 1, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("connect_four", {}), ("dyck", {"num_brackets": 2, "max_depth": 2, "length": 6})],
)
def test_games_whose_tokens_fill_no_place_are_refused(kind, settings):
    game = make_game(kind, **settings)
    tokens = game.play(20, np.random.default_rng(0))
    games = SplitGames(tokens, tokens, tokens)
    model = make_gpt(np.random.default_rng(0), V=game.vocab_size, num_positions=tokens.shape[1])
    with pytest.raises(GamecircuitsError, match="no places that one token each fills"):
        read_first_layer(model, game, games, trained_length=None, rng=np.random.default_rng(0))


def test_what_no_probe_can_be_fitted_to_is_refused():
    rng = np.random.default_rng(0)
    model = make_gpt(rng, V=V)
    empty = SplitGames(PLAYED[:0], PLAYED, PLAYED)
    with pytest.raises(GamecircuitsError, match="too few games"):
        read_first_layer(model, GAME, empty, trained_length=3, rng=rng)
    model.parameters.W_E[0, 0] = np.nan
    with pytest.raises(GamecircuitsError, match="not finite"):
        read_first_layer(model, GAME, GAMES, trained_length=3, rng=rng)


@pytest.mark.parametrize("positions", ["none", "rotary"])
def test_two_tokens_have_one_length(positions):
    game = make_game("set_complement", vocab_size=2)
    tokens = game.play(40, np.random.default_rng(0))
    model = make_gpt(np.random.default_rng(1), V=2, positions=positions, placement="after")
    games = SplitGames(tokens[:20], tokens[:0], tokens[20:])
    found = read_first_layer(model, game, games, trained_length=None, rng=np.random.default_rng(0))
    assert found.lengths["length"].tolist() == [1]
    assert found.lengths["explained_by_tables"][0] == pytest.approx(1)
    assert (found.layers["accuracy"] == 1).all()
    assert np.isfinite(found.rescaled["mass"]).all()
