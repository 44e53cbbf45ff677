from dataclasses import replace

import numpy as np
import pytest
from gpts import make_gpt

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import make_game
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.formats._translate import as_gpt
from gamecircuits.transformer.vocabulary import (
    CONVENTIONS,
    adapt_vocabulary,
    list_conventions,
    recognise_vocabulary,
)

OTHELLO = make_game("othello", board_size=4)
CENTRE = [5, 6, 9, 10]
PLAYABLE = [s for s in range(16) if s not in CENTRE]
# What each token of a model of 4×4 Othello means, written down by hand.
MEANINGS = {
    "tokens": [*range(16)],
    "pad_tokens": ["pad", *range(16)],
    "tokens_pad": [*range(16), "pad"],
    "pad_tokens_pass": ["pad", *range(16), "pass"],
    "playable": PLAYABLE,
    "pad_playable": ["pad", *PLAYABLE],
    "playable_pad": [*PLAYABLE, "pad"],
}
GAMES = OTHELLO.play(5, np.random.default_rng(0))


def make(num_tokens, **settings):
    rng = np.random.default_rng(1)
    return make_gpt(rng, V=num_tokens, num_positions=12, **settings)


@pytest.mark.parametrize("design", [{}, {"tied": True}, {"biases": False}], ids=str)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_tokens_get_the_logits_of_what_they_mean(convention, transposed, design):
    """The model is asked in its own words, one move after another."""
    meanings = MEANINGS[convention]
    model = make(len(meanings), **design)
    name = {(c * 4 + r if transposed else r * 4 + c): r * 4 + c for r in range(4) for c in range(4)}
    squares = [name.get(meaning) for meaning in meanings]
    theirs = np.array([[squares.index(move) for move in game] for game in GAMES[:, :7].tolist()])
    wanted, found = (
        model.logits(theirs),
        adapt_vocabulary(model, OTHELLO, convention, is_transposed=transposed).logits(GAMES[:, :7]),
    )
    assert found.shape == (5, 7, 16)
    for square in range(16):
        if square in squares:
            of_square = wanted[..., squares.index(square)]
            np.testing.assert_allclose(found[..., square], of_square, atol=1e-12)
        else:
            assert square in CENTRE
            assert (np.exp(found[..., square].astype(np.float32)) == 0).all()
            assert np.isfinite(found[..., square]).all()


def test_the_conventions_of_a_number_of_tokens():
    for convention, meanings in MEANINGS.items():
        assert convention in list_conventions(len(meanings), OTHELLO)
    eight = make_game("othello")
    known = {n: list_conventions(n, eight) for n in (60, 61, 64, 65, 66)}
    assert [len(names) for names in known.values()] == [1, 2, 1, 2, 1]
    with pytest.raises(GamecircuitsError, match=r"has 62 tokens; .* 64 .* 61 \(playable_pad\)"):
        list_conventions(62, eight)
    assert list_conventions(7, make_game("connect_four")) == ["tokens"]
    assert list_conventions(3, make_game("set_complement", vocab_size=2)) == [
        "pad_tokens",
        "tokens_pad",
    ]


def test_what_stays_as_it_is():
    model = make(16, tied=True, biases=False)
    assert adapt_vocabulary(model, OTHELLO, "tokens") is model
    padded = make(17, tied=True, biases=False)
    found = adapt_vocabulary(padded, OTHELLO, "pad_tokens").parameters
    assert (found.W_U, found.b_U) == (None, None)
    single = adapt_vocabulary(padded.cast(np.float32), OTHELLO, "pad_tokens", is_transposed=True)
    assert single.logits(GAMES[:, :3]).dtype == np.float32


def pad(model, convention):
    """A model with one more token, whose weights mean nothing."""
    p, rng = as_gpt(model).parameters, np.random.default_rng(0)
    place = 0 if convention == "pad_tokens" else len(p.W_E)
    W_E = np.insert(p.W_E, place, rng.normal(size=p.W_E.shape[1]), axis=0)
    W_U = np.insert(p.W_U, place, rng.normal(size=p.W_U.shape[0]), axis=1)
    return replace(as_gpt(model), parameters=p._replace(W_E=W_E, W_U=W_U))


@pytest.mark.parametrize("convention", ["pad_tokens", "tokens_pad"])
def test_predictions_tell_where_the_padding_is(convention):
    game = make_game("set_complement", vocab_size=6)
    model = make_construction("balanced", vocab_size=6)
    padded = pad(model.model(), convention)
    assert recognise_vocabulary(padded, game, np.random.default_rng(0)) == convention
    untrained = make(7, scale=0.02)
    message = r"7 tokens may be read in 2 ways, .* give vocabulary: pad_tokens or tokens_pad"
    with pytest.raises(GamecircuitsError, match=message):
        recognise_vocabulary(untrained, game, np.random.default_rng(0))


def test_a_transposed_board_is_as_legal():
    """It is a symmetry of the game, so no prediction tells which of the two was meant."""
    transposed = np.arange(16).reshape(4, 4).T.ravel()
    assert (OTHELLO.symmetries == transposed).all(axis=1).any()


@pytest.mark.parametrize(
    ("convention", "settings", "message"),
    [
        ("pad_tokens", {}, "pad_tokens has 17 tokens in this game, and the model has 13; allowed: "
         "pad_playable, playable_pad"),
        ("pad_first", {}, "vocabulary = 'pad_first' is not possible; allowed: tokens, pad_tokens"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(convention, settings, message):
    with pytest.raises(GamecircuitsError, match=message):
        adapt_vocabulary(make(13), OTHELLO, convention, **settings)


def test_only_squares_are_transposed():
    game = make_game("connect_four")
    with pytest.raises(GamecircuitsError, match="no board whose squares are its tokens"):
        adapt_vocabulary(make(7), game, "tokens", is_transposed=True)
    game = make_game("mnk", rows=2, columns=3, in_a_row=2)
    model = make(6)
    found = adapt_vocabulary(model, game, "tokens", is_transposed=True)
    np.testing.assert_array_equal(found.parameters.W_E, model.parameters.W_E[[0, 2, 4, 1, 3, 5]])
