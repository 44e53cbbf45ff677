"""Othello against published counts, and against a twin that goes along lines disc by disc."""

import random
from functools import cache

import numpy as np
import pytest
from counts import count_othello_prefixes, perft_othello
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import naive_move, naive_start, naive_states

from gamecircuits.errors import GameError, ParameterError
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.masks import pack_mask

SIZES = [4, 6, 8]
# Of exactly 1, 2, ... moves; see "Perft for Reversi" (aartbik.blogspot.com, 2009) for 8 × 8.
PERFT_8 = [4, 12, 56, 244, 1396, 8200, 55092, 390216, 3005288, 24571284, 212258800, 1939886636]
PREFIXES_6 = [4, 12, 56, 244, 1364, 7604, 47740, 308716, 2115128]  # by two programs
PREFIXES_4 = [4, 12, 44, 128, 436, 1296, 3784, 9756, 22152, 41296, 58912, 53580]
COMPLETE_4 = 60060

WIPE_OUT = "e6 f4 e3 f6 g5 d6 e7 f5 c5"
SKIPS_BLACK = "d3 c3 f5 d2 d1 e1 b3 c1"  # white has moved, black has no move
STUCK = "d3 c5 e6 e3 c4 f5 f3 f7 g6 b3 b5 h5 g8 e8 h7 a2"  # nobody has a move


def squares(names: str) -> list[int]:
    return [(int(name[1]) - 1) * 8 + "abcdefgh".index(name[0]) for name in names.split()]


# Recorded games with their published final discs, black and white: the games of the World Othello
# Championship 2010 as in ReplayTest.java of de.earthlingz.games.reversi, the others as in the tests
# of the Rust crate game_theory; Wikipedia ("Reversi") shows the last boards of Hassan - Verstuyft
# and Vecchi - Nicolas. Squares that stay empty count for the winner in tournaments, not here.
RECORDED = {
    "Takizawa - Terkelsen, World Championship 2010": (
        "f5f6e6f4g5g6g4c6f3f7e7d6d7f8e8f2g3c7g8h5h6h3d8g7h4h7h8e3h2c5b6c8c4b3c3b8a3a6a7a8b7b5b4d3"
        "c2d1g2f1g1h1d2e2e1b1a4a5a2c1",
        (62, 0),
    ),
    "Ortiz - Berg, World Championship 2010": (
        "f5f6e6f4g5g6g4e7f3d6f7h3d8d3h4h5d7e3e2d2g3f8c5e8g8b5c4b4c3d1f2c6f1h2b3c2b1c7a5a3a4a6c8b6"
        "h7c1e1g2b7a7h6h8b2b8g1h1g7a1a2a8",
        (20, 44),
    ),
    "van den Biggelaar - Takanashi, World Championship 2010": (
        "f5d6c3d3c4f4f6f3e6e7d7g6f8f7h6c5c6d8e3b6g4b4b5h3h4e2d2g3f1f2g5e8c8c7a3e1d1c1b1c2a6g2b8a5"
        "g8h5h1a7b2g1a4b7h2a2a8a1b3h7g7h8",
        (32, 32),
    ),
    "Nagano - Schotte, World Championship 2016": (
        "f5f6e6f4g5e7e3f3c5d3g4g3g6c3d7c6c4d6b5b3b4h4c7d8h5h3f8f7h2a6a5h7f2c8b6a4b7e2g2f1b8a8a7h1"
        "h6g7g1d2c1c2d1e1h8g8e8b1a1b2a3a2",
        (50, 14),
    ),
    "Hassan - Verstuyft, European Grand Prix Ghent 2017": (
        "d3e3f4g3f3c5h3f2c4c3e2e1b3h4h5a3",
        (3, 17),
    ),
    "Vecchi - Nicolas, World Championship 2017": (
        "f5d6c5f6c4f4e6d7e7c6f7d8c8e8g5b8e3f8b6b5a6a4a5a7c7b4g6h6h7b3d3c3c2c1h5d2e2f1b1d1b2a3e1h4"
        "h3g4g3f3g1f2b7h2h1g7",
        (13, 45),
    ),
    "Aunchulee - Fukuchi, World Championship 2018": (
        "d3c5f6f5e6e3c3f3c4b4b3d6c7c2d2c6a4d7g5f4d1g4f7e7g6h5e8c8d8f8e2f2b6a6b5a5a7a3a2f1e1h6g1b2"
        "g3b7h4b1a8b8g7h8h7g8a1h2c1h3g2h1",
        (30, 34),
    ),
    "a draw with empty squares, Othello Quest 2018": (
        "e6f4c3c4d3d6c5c6d7b5b6f7a6a5b4a7f3c8e8c7f6e7g8g6f8f5g4e3d2h3g5g3h4h5h7d8b8a4b3d1c1b1c2e1"
        "e2a3b7f2f1g1b2a2g2h6h2g7",
        (30, 30),
    ),
    "Chitra - Fu, U.S. Open 2019": (
        "f5d6c3d3c4f4f6g5e6d7e3g6c7c5c6b6g3b5b4f2a5a6h5c2e8f3e2a3a4b3g4e7d2f7d8d1h6c8f8e1b8h4b7h7"
        "g7b2a1a2b1c1f1h8g8a8a7g2h2h3g1h1",
        (32, 32),
    ),
}


def naive_play(size, rng):
    board, colour, legal = naive_start(size)
    moves = []
    while legal:
        moves.append(rng.choice(sorted(legal)))
        board, colour, legal = naive_move(board, size, colour, moves[-1])
    return moves


def as_tokens(games, length):
    return np.array([moves + [PAD] * (length - len(moves)) for moves in games]).astype(np.int8)


# --- counts ---


@pytest.mark.parametrize("depth", range(1, 11))
def test_perft_8(depth):
    assert perft_othello(8, depth) == PERFT_8[depth - 1]
    if depth <= 8:  # nobody passes, no game ends
        assert count_othello_prefixes(8, depth) == PERFT_8[depth - 1]


@pytest.mark.slow
@pytest.mark.parametrize("depth", [11, 12])
def test_perft_8_deep(depth):
    assert perft_othello(8, depth) == PERFT_8[depth - 1]


def test_prefixes_4():
    counts = [count_othello_prefixes(4, depth) for depth in range(14)]
    assert counts == [1, *PREFIXES_4, 0]


def test_prefixes_6():
    assert [count_othello_prefixes(6, depth) for depth in range(1, 10)] == PREFIXES_6


@pytest.mark.parametrize(("size", "depth"), [(4, 6), (6, 5), (8, 4)])
def test_prefixes_by_the_twin(size, depth):
    states = [naive_start(size)]
    for moves in range(1, depth + 1):
        states = [naive_move(b, size, player, s) for b, player, legal in states for s in legal]
        assert count_othello_prefixes(size, moves) == len(states)


@cache
def all_games_4():
    """Tokens (prefixes, length), their probability under random play and whether they are over,
    for each length."""
    game = make_game("othello", board_size=4)
    tokens = np.flatnonzero(game.opening_mask)[:, None]
    probability = np.full(4, 1 / 4)
    found = []
    while len(tokens):
        legal = game.get_valid_next_token_mask(tokens)[:, -1]
        branching = legal.sum(axis=1)
        found.append((tokens, probability, branching == 0))
        parent, token = np.nonzero(legal)
        tokens = np.concatenate([tokens[parent], token[:, None]], axis=1)
        probability = probability[parent] / branching[parent]
    return found


def test_complete_enumeration_of_4_by_4():
    assert [len(tokens) for tokens, _, _ in all_games_4()] == PREFIXES_4
    assert sum(is_over.sum() for _, _, is_over in all_games_4()) == COMPLETE_4
    np.testing.assert_allclose(sum(p[is_over].sum() for _, p, is_over in all_games_4()), 1)
    for tokens, _, is_over in all_games_4():
        make_game("othello", board_size=4).check(tokens[is_over])


# --- kernels against the twin ---


@settings(max_examples=40, deadline=None)
@given(
    size=st.sampled_from(SIZES),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=1, max_size=3),
    spare=st.integers(0, 60),
    dtype=st.sampled_from([np.int8, np.int16, np.int64]),
)
def test_equal_to_the_twin(size, seed, cuts, spare, dtype):
    """Complete games, prefixes, and prefixes padded to one length."""
    rng = random.Random(seed)
    games = [naive_play(size, rng)[:cut] for cut in cuts]
    longest = max(map(len, games))
    length = min(longest + spare, size**2 - 4)
    tokens = as_tokens(games, length).astype(dtype)
    game = make_game("othello", board_size=size)
    mask, states = game.get_valid_next_token_mask(tokens), game.get_board_states(tokens)
    side = game.get_side_to_move(tokens)
    assert (mask.shape, mask.dtype) == ((len(games), length, size**2), bool)
    assert (states.shape, states.dtype) == ((len(games), length + 1, size**2), np.int8)
    assert (side.shape, side.dtype) == ((len(games), length + 1), np.int8)
    np.testing.assert_array_equal(game.get_packed_valid_next_token_mask(tokens), pack_mask(mask))
    for n, moves in enumerate(games):
        expected = naive_states(size, moves)
        mover = 0
        for s, (board, colour, legal) in enumerate(expected):
            if s:
                assert set(np.flatnonzero(mask[n, s - 1])) == legal
            assert side[n, s] == (PAD if colour is None else colour)
            viewer = 1 - mover if colour is None else colour
            seen = [0 if disc is None else 1 if disc == viewer else 2 for disc in board]
            assert states[n, s].tolist() == seen
            mover = colour
        assert not mask[n, len(moves) :].any()
        assert (side[n, len(moves) + 1 :] == PAD).all()
        assert (states[n, len(moves) :] == states[n, len(moves)]).all()


@settings(max_examples=40, deadline=None)
@given(size=st.sampled_from(SIZES), seed=st.integers(0, 2**32))
def test_check_agrees_with_the_twin_about_any_token(size, seed):
    """Put a random token or PAD at a random position of a complete game."""
    rng = random.Random(seed)
    games = [naive_play(size, rng) for _ in range(2)]
    tokens = as_tokens(games, size**2 - 4)
    game = make_game("othello", board_size=size)
    game.check(tokens)
    n, s = rng.randrange(2), rng.randrange(size**2 - 4)
    token = rng.randrange(PAD, size**2)
    _, _, legal = naive_states(size, games[n][:s])[-1]
    tokens[n, s] = token
    if token not in (legal or {PAD}):
        with pytest.raises(GameError, match=f"^game {n}, position {s}: "):
            game.check(tokens)


# --- conventions ---


def test_start_of_8_by_8():
    game = make_game("othello")
    assert (game.board_size, game.vocab_size, game.max_length) == (8, 64, 60)
    assert np.flatnonzero(game.opening_mask).tolist() == squares("d3 c4 f5 e6")
    [[board]] = game.get_board_states(np.empty((1, 0), np.int8))
    assert np.flatnonzero(board == 1).tolist() == squares("e4 d5")  # black, to move
    assert np.flatnonzero(board == 2).tolist() == squares("d4 e5")


def test_a_player_without_a_move_is_skipped():
    tokens = np.array([squares(SKIPS_BLACK)])
    game = make_game("othello")
    [side] = game.get_side_to_move(tokens)
    np.testing.assert_array_equal(side, [0, 1, 0, 1, 0, 1, 0, 1, 1])


def test_a_wipe_out_ends_the_game():
    game = make_game("othello")
    tokens = as_tokens([squares(WIPE_OUT)], 60)
    game.check(tokens)
    board = game.get_board_states(tokens)[0, -1]
    assert np.bincount(board).tolist() == [64 - 13, 0, 13]  # white, not to move, has no disc
    assert not game.get_valid_next_token_mask(tokens)[0, 8:].any()
    tokens[0, 9] = squares("a1")[0]
    with pytest.raises(GameError, match=r"^game 0, position 9: token 0 .*the game is over$"):
        game.check(tokens)


def test_two_stuck_players_end_the_game():
    game = make_game("othello")
    tokens = as_tokens([squares(STUCK)], 60)
    game.check(tokens)
    assert set(game.get_board_states(tokens)[0, -1]) == {0, 1, 2}
    assert not game.get_valid_next_token_mask(tokens)[0, 15:].any()


@pytest.mark.parametrize("players", RECORDED)
def test_recorded_games_end_as_published(players):
    """They are legal move by move, over only after the last one, and leave the published discs."""
    moves, discs = RECORDED[players]
    tokens = np.array([squares(" ".join(moves[i : i + 2] for i in range(0, len(moves), 2)))])
    game = make_game("othello")
    game.check(tokens)
    mover = game.get_side_to_move(tokens)[0, -2]  # of the last move; the board is seen by the other
    found = np.bincount(game.get_board_states(tokens)[0, -1], minlength=3)
    assert (found[2 - mover], found[1 + mover]) == discs


@pytest.mark.parametrize("size", [-8, 0, 2, 5, 7, 10, "8"])
def test_boards_that_make_no_sense(size):
    with pytest.raises(ParameterError, match="allowed: 4, 6, 8") as raised:
        make_game("othello", board_size=size)
    assert raised.value.key == "board_size"


# --- random play ---


@pytest.mark.parametrize("length", [1, 3, 5])
def test_random_play_of_4_by_4_has_the_exact_distribution(length):
    """Chi-square over all prefixes of a length, whose probabilities are products of 1/branching."""
    prefixes, probability, _ = all_games_4()[length - 1]
    num_games = 200_000
    game = make_game("othello", board_size=4)
    tokens = game.play(num_games, np.random.default_rng(7))[:, :length].astype(int)
    code = 16 ** np.arange(length)
    order = np.argsort(prefixes @ code)
    codes, found = np.unique(tokens @ code, return_counts=True)
    np.testing.assert_array_equal(codes, (prefixes @ code)[order])
    expected = num_games * probability[order]
    chi_square, freedom = ((found - expected) ** 2 / expected).sum(), len(expected) - 1
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


def test_lengths_of_4_by_4():
    num_games = 200_000
    game = make_game("othello", board_size=4)
    lengths = (game.play(num_games, np.random.default_rng(8)) != PAD).sum(axis=1)
    for length, (_, probability, is_over) in enumerate(all_games_4(), start=1):
        p = probability[is_over].sum()
        error = np.sqrt(p * (1 - p) / num_games)
        assert abs(np.mean(lengths == length) - p) <= 5 * error


def test_random_play_of_8_by_8():
    game = make_game("othello")
    tokens = game.play(20_000, np.random.default_rng(0))
    game.check(tokens)
    lengths = (tokens != PAD).sum(axis=1)
    assert 0.985 < np.mean(lengths == 60) < 0.995  # ours: 0.990
    side = game.get_side_to_move(tokens)
    has_pass = ((side[:, 1:] == side[:, :-1]) & (side[:, 1:] != PAD)).any(axis=1)
    assert 0.32 < has_pass.mean() < 0.36  # ours: 0.344


# --- errors ---


def assert_refused(tokens, message, size=8):
    with pytest.raises(GameError, match=message):
        make_game("othello", board_size=size).check(np.array(tokens))


def test_check_says_why():
    start = squares("f5 d6")
    assert_refused([start, squares("f5 d5")], r"^game 1, position 1: token 35 .* d5 is occupied$")
    assert_refused([start, squares("f5 a1")], r"^game 1, .* token 0 .*on a1 white turns no disc$")
    assert_refused([[*start, 64]], r"^game 0, position 2: token 64 is out of range")
    assert_refused([[37, PAD]], "^game 0, position 1: PAD is illegal: the game is not over")
    assert_refused([[37, PAD, 43]], "^game 0, position 1: PAD is illegal")
    assert_refused([start], "^game 0 is cut off after 2 tokens: legal moves are left$")
    assert_refused(np.empty((2, 0), int), "^game 0 is cut off after 0 tokens")
    assert_refused([[0.5]], "tokens must be integers")
    assert_refused([1, 2], "shape")
    assert_refused([[PAD] * 61], "61 positions; at most 60")
    gap = as_tokens([squares(WIPE_OUT)], 60)
    gap[0, 30] = 0
    assert_refused(gap, r"^game 0, position 30: token 0 .*the game is over \(a token after the pad")


def test_check_names_the_first_game_that_is_illegal():
    tokens = make_game("othello", board_size=4).play(9, np.random.default_rng(0))
    tokens[[4, 7, 8], [6, 1, 0]] = [5, 5, 5]  # the centre is always occupied
    assert_refused(tokens, "^game 4, position 6: token 5 is illegal: b2 is occupied$", size=4)


def test_more_discs_win():
    """The first player's squares are 0, the other's 1."""
    game = make_game("othello", board_size=4)
    for first, second, wanted in [
        (9, 7, "black wins, 9 : 7"),
        (3, 12, "white wins, 12 : 3"),
        (8, 8, "a draw, 8 : 8"),
    ]:
        owners = np.repeat([0, 1, PAD], [first, second, 16 - first - second])
        result, decisive = game.get_result(owners)
        assert result == wanted
        assert not decisive.any()
