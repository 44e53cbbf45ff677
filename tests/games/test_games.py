"""What is particular to single games: published counts, probabilities, parameters."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from gamecircuits.errors import GamecircuitsError, GameError, ParameterError
from gamecircuits.games.datasets import mask_to_table, tokens_to_table
from gamecircuits.games.game import GAMES, MAX_LENGTH, MAX_VOCAB_SIZE, PAD, Game, make_game


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


@pytest.mark.parametrize("vocab_size", [127, 128, 129, 255, 256, 257])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int64, np.uint64])
def test_games_are_checked_in_any_type_and_at_any_vocabulary(vocab_size, dtype):
    """Set complement has no check of its own: that of all games must not overflow."""
    game = make_game("set_complement", vocab_size=vocab_size)
    tokens = game.play(2, np.random.default_rng(0))
    game.check(tokens)
    game.check(tokens.astype(dtype))
    tokens[1, -1] = tokens[1, 0]
    with pytest.raises(
        GameError, match=rf"game 1, position {vocab_size - 1}: token \d+ is illegal"
    ):
        game.check(tokens.astype(dtype))


@dataclass(frozen=True)
class Own(Game):
    """A game of a user, whose fields say nothing of their ranges."""

    vocab_size: int
    max_length: int

    def get_valid_next_token_mask(self, tokens):
        mask = np.ones((*tokens.shape, self.vocab_size), dtype=bool)
        mask[:, self.max_length - 1 :] = False
        return mask


@pytest.mark.parametrize(
    ("size", "key"),
    [
        ((2, MAX_LENGTH + 1), "max_length"),
        ((2, 65537), "max_length"),  # 1 in 16 bits
        ((2, -5), "max_length"),
        ((2, 0), "max_length"),
        ((MAX_VOCAB_SIZE + 1, 4), "vocab_size"),
        ((0, 4), "vocab_size"),
    ],
)
def test_sizes_that_no_file_can_hold_are_refused(size, key, monkeypatch):
    monkeypatch.setattr(GAMES, "make", lambda kind, **parameters: Own(**parameters))
    with pytest.raises(ParameterError) as raised:
        make_game("own", vocab_size=size[0], max_length=size[1])
    assert raised.value.key == key
    make_game("own", vocab_size=MAX_VOCAB_SIZE, max_length=MAX_LENGTH)


def test_lengths_beyond_16_bits_are_written_nowhere():
    longest = np.zeros((1, MAX_LENGTH), np.int8)
    assert tokens_to_table(longest, np.zeros(1, np.int8))["length"].to_pylist() == [MAX_LENGTH]
    with pytest.raises(GameError, match="a game has 32768 tokens; files hold at most 32767"):
        tokens_to_table(np.zeros((1, MAX_LENGTH + 1), np.int8), np.zeros(1, np.int8))
    with pytest.raises(GameError, match="a game has 65537 tokens"):
        mask_to_table(np.ones((1, 65537, 2), bool), np.array([65537]))


def test_a_misspelt_state_is_suggested():
    automaton = {"alphabet": ["a", "b"], "start": "even", "accepting": ["even"], "length": 4}
    for rows in ({"even": {"a": "evne"}}, {"even": {"a": "EVEN"}}):
        with pytest.raises(ParameterError, match="to states even; did you mean 'even'"):
            make_game("regular", transitions=rows, **automaton)
    many = {f"s{n}": {"a": f"s{n}"} for n in range(500)}
    with pytest.raises(ParameterError, match=r"s29, and 470 more") as raised:
        make_game("regular", transitions=many, **automaton)
    assert len(str(raised.value)) < 500
