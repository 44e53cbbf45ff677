import numpy as np
import pytest

from gamecircuits.explorer.boards import describe_play, find_winner, list_lines
from gamecircuits.games.game import PAD, make_game


def test_stones_of_tic_tac_toe():
    """X wins on the diagonal; stones are those of whoever moved there."""
    game = make_game(kind="mnk", rows=3, columns=3, in_a_row=3)
    tokens = np.array([0, 1, 4, 2, 8], np.int8)
    play = describe_play(game, tokens)
    owner = np.zeros((6, 9), int)
    for n, square in enumerate(tokens):
        owner[n + 1 :, square] = 1 + n % 2
    np.testing.assert_array_equal(play["owner"], owner)
    assert play["side"].tolist() == [0, 1, 0, 1, 0, PAD]
    assert (play["winner"], play["line"]) == (1, [0, 4, 8])
    np.testing.assert_array_equal(play["legal"][:5], owner[:5] == 0)


@pytest.mark.parametrize("kind", ["connect_four", "othello"])
def test_moves_fall_where_the_game_says(kind):
    game = make_game(kind=kind)
    tokens = game.play(1, np.random.default_rng(0))[0]
    tokens = tokens[tokens != PAD]
    play = describe_play(game, tokens)
    for ply, square in enumerate(play["played"]):
        assert play["owner"][ply, square] == 0
        assert play["owner"][ply + 1, square] == 1 + play["side"][ply]
    legal = game.get_legal_squares(tokens[None])[0]
    for ply in range(len(tokens) + 1):
        squares = play["squares"][ply][play["legal"][ply]]
        np.testing.assert_array_equal(np.sort(squares), np.flatnonzero(legal[ply]))


def test_lines_and_counts():
    assert len(list_lines(3, 3, 3)) == 8
    assert len(list_lines(6, 7, 4)) == 69
    game = make_game(kind="othello", board_size=4)
    assert find_winner(game, np.array([1] * 6 + [2] * 7 + [0] * 3)) == (2, [])
    assert find_winner(game, np.array([1] * 8 + [2] * 8)) == (0, [])
