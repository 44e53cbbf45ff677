"""A game of somebody's own function: it is that of the rule, and what is wrong with it is named."""

from pathlib import Path

import numpy as np
import pytest

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import PAD, make_game

FOUR = str(Path(__file__).parents[2] / "docs/four.py")
RULES = """\
import numpy as np

def unseen(tokens, V):
    seen = np.logical_or.accumulate(tokens[:, :, None] == np.arange(V), axis=1)
    return ~seen & (tokens >= 0)[:, :, None]

def future(tokens, V):
    return np.repeat(unseen(tokens, V)[:, -1:], tokens.shape[1], axis=1)

def endless(tokens, V):
    return tokens[:, :, None] != np.arange(V)

def at_padding(tokens, V):
    return unseen(tokens, V) & (tokens != 0)[:, :, None] | (tokens < 0)[:, :, None]

def window(tokens, V, window):
    mask = np.repeat((tokens >= 0)[:, :, None], V, axis=2)
    for ago in range(window):
        mask[:, ago:] &= tokens[:, :tokens.shape[1] - ago, None] != np.arange(V)
    tokens[:] = 0
    return mask

def numbers(tokens, V):
    return 1.0 * unseen(tokens, V)

def flat(tokens, V):
    return unseen(tokens, V)[:, -1]

def listed(tokens, V):
    return unseen(tokens, V).tolist()

def nothing(tokens, V):
    unseen(tokens, V)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.py").write_text(RULES, encoding="utf-8")
    return lambda function, vocab_size=4, **others: make_game(
        "file", path="rules.py", function=function, vocab_size=vocab_size, **others
    )


@pytest.mark.parametrize("V", [2, 7])
def test_a_rule_that_was_written_down_again_is_the_same_game(V):
    function = "get_valid_next_token_mask"
    theirs = make_game("file", path=FOUR, function=function, vocab_size=V)
    ours = make_game("set_complement", vocab_size=V)
    tokens = theirs.play(100, np.random.default_rng(0))
    ours.check(tokens)
    np.testing.assert_array_equal(
        theirs.get_valid_next_token_mask(tokens), ours.get_valid_next_token_mask(tokens)
    )
    assert theirs.get_valid_next_token_mask(tokens[:, :0]).shape == (100, 0, V)


def test_max_length_ends_a_game_and_arguments_are_passed_on(own):
    """The function may change its tokens: they are a copy."""
    theirs = own("window", vocab_size=5, max_length=8, arguments={"window": 2})
    ours = make_game("windowed_complement", vocab_size=5, window=2, max_length=8)
    tokens = theirs.play(100, np.random.default_rng(0))
    ours.check(tokens)
    theirs.check(tokens)
    np.testing.assert_array_equal(
        theirs.get_valid_next_token_mask(tokens), ours.get_valid_next_token_mask(tokens)
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("future", r"7: future looks into the future: whether \d may follow \[.*\] changes when"),
        ("endless", "10: endless has legal tokens after 4 tokens; games that end later"),
        ("at_padding", r"13: at_padding has legal tokens at the padding, position \d of \["),
        ("numbers", "23: numbers returned an array of float64; wanted bool"),
        ("flat", r"26: flat returned shape \(9, 4\); wanted \(N, L, V\) = \(9, 1, 4\)"),
        ("listed", r"29: listed returned a list; wanted a numpy array of bool \(9, 1, 4\)"),
        ("nothing", r"32: nothing returned None \(is there a return\?\); wanted"),
        ("window", "16: window cannot be called: TypeError: .* .window."),
    ],
)
def test_what_is_wrong_with_a_mask_is_named(own, function, message):
    with pytest.raises(GamecircuitsError, match=f"^rules.py:{message}"):
        own(function).play(9, np.random.default_rng(0))


def test_no_rule_runs_before_it_is_asked_for(own, tmp_path):
    (tmp_path / "rules.py").write_text("raise RuntimeError\ndef f(): ...\n", encoding="utf-8")
    game = own("f")
    assert (game.vocab_size, game.max_length) == (4, 4)
    with pytest.raises(GamecircuitsError, match=r"rules\.py:1: RuntimeError"):
        game.get_valid_next_token_mask(np.array([[0, PAD]]))
