import numpy as np
import pytest

from gamecircuits.explorer.boards import describe_play
from gamecircuits.games.game import PAD, make_game


def test_stones_of_tic_tac_toe():
    """X wins on the diagonal; stones are those of whoever moved there."""
    game = make_game(kind="mnk", rows=3, columns=3, in_a_row=3)
    tokens = np.array([0, 1, 4, 2, 8], np.int8)
    play = describe_play(game, tokens)
    owner = np.full((6, 9), PAD)
    for n, square in enumerate(tokens):
        owner[n + 1 :, square] = n % 2
    np.testing.assert_array_equal(play["owner"], owner)
    assert play["side"].tolist() == [0, 1, 0, 1, 0, PAD]
    assert (play["result"], play["decisive"]) == ("X wins", [0, 4, 8])
    np.testing.assert_array_equal(play["legal"][:5], owner[:5] == PAD)


@pytest.mark.parametrize("kind", ["connect_four", "othello"])
def test_moves_fall_where_the_game_says(kind):
    game = make_game(kind=kind)
    tokens = game.play(1, np.random.default_rng(0))[0]
    tokens = tokens[tokens != PAD]
    play = describe_play(game, tokens)
    for ply, square in enumerate(play["played"]):
        assert play["owner"][ply, square] == PAD
        assert play["owner"][ply + 1, square] == play["side"][ply]
    legal = game.get_legal_squares(tokens[None])[0]
    for ply in range(len(tokens) + 1):
        squares = play["squares"][ply][play["legal"][ply]]
        np.testing.assert_array_equal(np.sort(squares), np.flatnonzero(legal[ply]))
