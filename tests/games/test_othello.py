"""Othello against published counts, and against a twin that goes along lines disc by disc."""

import random
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import naive_move, naive_start, naive_states

from gamecircuits.errors import GameError, ParameterError
from gamecircuits.games import _othello_kernels as kernels
from gamecircuits.games.game import PAD, make_game
from gamecircuits.masks import pack_mask

SIZES = [4, 6, 8]
# Of exactly 1, 2, ... moves; see "Perft for Reversi" (aartbik.blogspot.com, 2009) for 8 × 8.
PERFT_8 = [4, 12, 56, 244, 1396, 8200, 55092, 390216, 3005288, 24571284, 212258800, 1939886636]
PREFIXES_4 = [4, 12, 44, 128, 436, 1296, 3784, 9756, 22152, 41296, 58912, 53580]
COMPLETE_4 = 60060

WIPE_OUT = "e6 f4 e3 f6 g5 d6 e7 f5 c5"
SKIPS_BLACK = "d3 c3 f5 d2 d1 e1 b3 c1"  # white has moved, black has no move
STUCK = "d3 c5 e6 e3 c4 f5 f3 f7 g6 b3 b5 h5 g8 e8 h7 a2"  # nobody has a move


def squares(names: str) -> list[int]:
    return [(int(name[1]) - 1) * 8 + "abcdefgh".index(name[0]) for name in names.split()]


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
    assert kernels.perft(8, depth) == PERFT_8[depth - 1]
    if depth <= 8:  # nobody passes, no game ends
        assert kernels.count_prefixes(8, depth) == PERFT_8[depth - 1]


@pytest.mark.slow
@pytest.mark.parametrize("depth", [11, 12])
def test_perft_8_deep(depth):
    assert kernels.perft(8, depth) == PERFT_8[depth - 1]


def test_prefixes_4():
    counts = [kernels.count_prefixes(4, depth) for depth in range(14)]
    assert counts == [1, *PREFIXES_4, 0]


@pytest.mark.parametrize(("size", "depth"), [(4, 6), (6, 5), (8, 4)])
def test_prefixes_by_the_twin(size, depth):
    states = [naive_start(size)]
    for moves in range(1, depth + 1):
        states = [naive_move(b, size, player, s) for b, player, legal in states for s in legal]
        assert kernels.count_prefixes(size, moves) == len(states)


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


@pytest.mark.parametrize("size", [-8, 0, 2, 5, 7, 10, "8"])
def test_boards_that_make_no_sense(size):
    with pytest.raises(ParameterError, match="allowed: 4, 6 or 8") as raised:
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
