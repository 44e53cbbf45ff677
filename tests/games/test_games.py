"""What is particular to single games: published counts, probabilities, parameters."""

import math

import numpy as np
import pytest

from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.games.game import PAD, Game, make_game


def enumerate_games(game):
    """Number of histories and of complete games at each length, by following every legal token."""
    prefixes = np.flatnonzero(game.opening_mask)[:, None]
    histories, complete = [1], []
    while len(prefixes):
        legal = game.get_valid_next_token_mask(prefixes)[:, -1]
        histories.append(len(prefixes))
        complete.append(int((~legal.any(axis=1)).sum()))
        parent, token = np.nonzero(legal)
        prefixes = np.concatenate([prefixes[parent], token[:, None]], axis=1)
    return histories, complete


def test_tic_tac_toe_has_the_published_number_of_games():
    histories, complete = enumerate_games(make_game("mnk", rows=3, columns=3, in_a_row=3))
    assert sum(histories) == 549_946
    assert complete == [0, 0, 0, 0, 1440, 5328, 47952, 72576, 127872]
    assert sum(complete) == 255_168


def test_tic_tac_toe_lengths_under_random_play():
    """A game of length n has probability (9−n)!/9!, so the counts above give the distribution."""
    game = make_game("mnk", rows=3, columns=3, in_a_row=3)
    lengths = (game.play(200_000, np.random.default_rng(0)) != PAD).sum(axis=1)
    for length, count in {5: 1440, 6: 5328, 7: 47952, 8: 72576, 9: 127872}.items():
        p = count * math.factorial(9 - length) / math.factorial(9)
        error = math.sqrt(p * (1 - p) / 200_000)
        assert abs(np.mean(lengths == length) - p) < 5 * error


def test_set_complement_has_all_permutations():
    histories, complete = enumerate_games(make_game("set_complement", vocab_size=5))
    assert complete == [0, 0, 0, 0, math.factorial(5)]
    assert histories == [math.perm(5, n) for n in range(6)]


def test_windowed_complement_counts():
    V, window, length = 5, 2, 6
    game = make_game("windowed_complement", vocab_size=V, window=window, max_length=length)
    _, complete = enumerate_games(game)
    assert complete[-1] == math.prod(V - min(window, s) for s in range(length))


@pytest.mark.parametrize(
    ("kind", "parameters", "key"),
    [
        ("set_complement", {"vocab_size": 1}, "vocab_size"),
        ("set_complement", {"vocab_size": 4097}, "vocab_size"),
        ("windowed_complement", {"vocab_size": 4, "window": 4}, "window"),
        ("windowed_complement", {"vocab_size": 4, "window": -1}, "window"),
        ("windowed_complement", {"vocab_size": 4, "window": 1, "max_length": 0}, "max_length"),
        ("mnk", {"rows": 9, "columns": 8, "in_a_row": 3}, "rows"),
        ("mnk", {"rows": 3, "columns": 3, "in_a_row": 4}, "in_a_row"),
        ("mnk", {"rows": 0, "columns": 3, "in_a_row": 1}, "rows"),
    ],
)
def test_parameters_that_make_no_sense(kind, parameters, key):
    with pytest.raises(ParameterError, match="allowed") as raised:
        make_game(kind, **parameters)
    assert raised.value.key == key


def test_unknown_kinds_and_parameters_list_what_exists():
    with pytest.raises(GamecircuitsError, match=r"known: .*mnk.*did you mean 'set_complement'"):
        make_game("set_complemnt")
    with pytest.raises(GamecircuitsError, match=r"it has: vocab_size.*did you mean 'vocab_size'"):
        make_game("set_complement", vocabsize=3)
    with pytest.raises(GamecircuitsError, match="missing 1 required"):
        make_game("set_complement")


def test_a_game_needs_no_more_than_its_mask():
    """The defaults of Game: play, opening_mask and check derived from the mask."""

    class DiffersFromLast(Game):
        vocab_size, max_length = 3, 4

        def get_valid_next_token_mask(self, tokens):
            mask = (tokens[:, :, None] != np.arange(3)) & (tokens != PAD)[:, :, None]
            mask[:, self.max_length - 1 :] = False
            return mask

    game = DiffersFromLast()
    tokens = game.play(500, np.random.default_rng(0))
    assert (tokens[:, 1:] != tokens[:, :-1]).all()
    assert len(np.unique(tokens, axis=0)) == 3 * 2**3
    game.check(tokens)
