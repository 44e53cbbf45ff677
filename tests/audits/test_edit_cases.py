"""Cases of edits: what they are made of, and which edited boards games reach."""

import numpy as np
import pytest
from twins import legal_on, naive_states

from gamecircuits.audits import edit_cases
from gamecircuits.audits.edit_cases import (
    EDITS,
    EMPTY,
    enumerate_positions,
    sample_cases,
    tell_reachable,
)
from gamecircuits.games.game import PAD, make_game

SETTINGS = {"kind": "othello", "board_size": 4}
GAME = make_game(**SETTINGS)
TOKENS = GAME.play(200, np.random.default_rng(0))


def sample(known=None, per_length=20, longest=9):
    known = np.ones((16, 3), dtype=bool) if known is None else known
    return sample_cases(GAME, TOKENS, known, per_length, longest, np.random.default_rng(1))


def test_cases_are_positions_of_games_with_one_other_square():
    cases = sample()
    assert (np.diff(cases.length) >= 0).all()
    states, side = GAME.get_board_states(TOKENS), GAME.get_side_to_move(TOKENS)
    for n, length in enumerate(cases.length):
        game = cases.game[n]
        assert cases.tokens[n].tolist() == [*TOKENS[game, :length], *[PAD] * (9 - length)]
        np.testing.assert_array_equal(cases.board[n], states[game, length])
        assert cases.side[n] == side[game, length] != PAD
        changed = np.flatnonzero(cases.edited[n] != cases.board[n])
        assert changed.tolist() == [cases.square[n]]
        before, after = cases.before[n], cases.edited[n, cases.square[n]]
        assert after == (3 - before if EDITS[cases.edit[n]] == "flip" else EMPTY)
        assert cases.other[n] != cases.square[n]
        is_same = cases.board[n] == before
        assert is_same[cases.other[n]] or is_same.sum() == 1
        legal = legal_on(SETTINGS, cases.edited[n].tolist(), (4, 4))
        assert set(np.flatnonzero(cases.legal_after[n])) == legal
        stays = (cases.legal_after[n] == cases.legal_before[n]).all()
        word = "none left" if not legal else "stay" if stays else "change"
        assert cases.moves[n] == word
    assert set(cases.moves) == {"change", "stay", "none left"}
    for edit in range(2):
        for length in range(1, 10):
            rows = cases.tokens[(cases.edit == edit) & (cases.length == length)]
            assert len(np.unique(rows, axis=0)) == len(rows) <= 20


def test_squares_that_cannot_hold_a_value_are_left_alone():
    known = np.ones((16, 3), dtype=bool)
    known[[5, 6, 9, 10], EMPTY] = False  # the centre
    known[0] = False
    cases = sample(known)
    erased = cases.edit == EDITS.index("erase")
    assert not set(cases.square[erased]) & {0, 5, 6, 9, 10}
    assert 0 not in cases.square
    assert {5, 6, 9, 10} <= set(cases.square[~erased])
    assert len(sample(np.zeros((16, 3), dtype=bool)).square) == 0


def test_positions_are_those_of_all_games():
    """Of the first four moves, by going through all of them."""
    found = set()

    def go_on(moves):
        board, side, legal = naive_states(4, moves)[-1]
        if moves:
            view = [0 if x is None else 1 + (x != side) for x in board]
            found.add(bytes([*view, side, len(moves)]))
        for token in legal if len(moves) < 4 else ():
            go_on([*moves, token])

    go_on([])
    assert {bytes(key) for key in enumerate_positions(GAME, 4)} == found


def test_boards_are_reached_or_not(monkeypatch):
    cases = sample()
    words = tell_reachable(GAME, cases, np.random.default_rng(0))
    assert set(words) == {"reachable", "unreachable"}
    assert set(words[cases.edit == EDITS.index("erase")]) == {"unreachable"}  # a disc is missing
    same = cases._replace(after=cases.before)
    assert set(tell_reachable(GAME, same, np.random.default_rng(0))) == {"reachable"}
    monkeypatch.setattr(edit_cases, "MOST", 100)
    monkeypatch.setattr(edit_cases, "RANDOM_GAMES", 3000)
    assert enumerate_positions(GAME, 9) is None
    seen = tell_reachable(GAME, cases, np.random.default_rng(0)) == "seen in 3,000 games"
    assert seen.any()
    assert (words[seen] == "reachable").all()


@pytest.mark.parametrize("length", [0, 1])
def test_no_games_have_no_cases(length):
    none = np.empty((0, length + 1), np.int8)
    known = np.ones((16, 3), dtype=bool)
    cases = sample_cases(GAME, none, known, 5, 1, np.random.default_rng(0))
    assert cases.legal_after.shape == (0, 16)
    assert tell_reachable(GAME, cases, np.random.default_rng(0)).tolist() == []
