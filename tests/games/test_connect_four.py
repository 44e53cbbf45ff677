"""Connect four and the m,n,k-games, which share their kernels, against published counts and twins.

What concerns both is tested with both.
"""

import random
from functools import cache

import numpy as np
import pytest
from counts import count_line_prefixes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twins import legal_after, naive_board, naive_has_line, naive_stones

from gamecircuits.errors import GameError, ParameterError
from gamecircuits.games import _line_kernels as kernels
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.masks import pack_mask

PERFT_7_BY_6 = [7, 49, 343, 2401, 16807, 117649, 823536, 5673234]
TIC_TAC_TOE = {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3}
# Late positions (the columns played, from 1) and what they are worth to the player to move, of the
# set "End-Easy" of Pascal Pons (blog.gamesolver.org/solving-connect-four/02-test-protocol): 1 wins
# with the last stone, 2 with the one before, and so on; negative, the opponent does.
END_EASY = {
    "2252576253462244111563365343671351441": -1,
    "7422341735647741166133573473242566": 1,
    "71255763773133525731261364622167124446454": 0,
    "65214673556155731566316327373221417": -1,
    "233377345754465174223731671122611552": 1,
    "6763525635134453444361412671365712": -1,
    "3642756176227637211322113551637574556": 2,
    "5775265212657176476365522624313714333": 2,
    "3575316255751336464276636772271112": -3,
}
SMALL = [  # few games, all of which are enumerated
    {"kind": "connect_four", "rows": 3, "columns": 3, "in_a_row": 3},
    {"kind": "connect_four", "rows": 2, "columns": 4, "in_a_row": 2},
    {"kind": "mnk", "rows": 2, "columns": 3, "in_a_row": 2},
    {"kind": "mnk", "rows": 5, "columns": 1, "in_a_row": 3},
]


def board_of(kind, rows, columns, in_a_row):
    return {"kind": kind, "rows": rows, "columns": columns, "in_a_row": in_a_row}


@st.composite
def boards(draw):
    """Settings of any game of the two kinds, lines and narrow boards among them."""
    kind = draw(st.sampled_from(["connect_four", "mnk"]))
    sizes = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 16, 21, 32, 64])
    rows, columns = draw(
        st.tuples(sizes, sizes).filter(
            lambda size: 2 <= size[0] * size[1] <= 64 and (kind == "mnk" or size[1] > 1)
        )
    )
    return board_of(kind, rows, columns, draw(st.integers(1, max(rows, columns))))


EDGES = [
    board_of("mnk", 1, 64, 64),
    board_of("mnk", 64, 1, 64),
    board_of("mnk", 64, 1, 1),
    board_of("mnk", 8, 8, 8),
    board_of("mnk", 8, 8, 1),
    board_of("mnk", 2, 7, 5),
    board_of("connect_four", 1, 64, 64),
    board_of("connect_four", 32, 2, 32),
    board_of("connect_four", 8, 8, 8),
    board_of("connect_four", 8, 8, 1),
    board_of("connect_four", 2, 7, 5),
]


def with_edges(test):
    for number, edge in enumerate(EDGES):
        test = example(edge, number)(test)
    return test


def naive_play(about, rng):
    moves = []
    while legal := legal_after(about["kind"], about, moves):
        moves.append(rng.choice(sorted(legal)))
    return moves


def as_tokens(games, length):
    return np.array([moves + [PAD] * (length - len(moves)) for moves in games]).astype(np.int8)


# --- counts ---


@pytest.mark.parametrize("depth", range(1, 9))
def test_perft_7_by_6(depth):
    assert count_line_prefixes(6, 7, 4, depth, falls=True) == PERFT_7_BY_6[depth - 1]


def solve(game, moves):
    """The worth of a position as in END_EASY, by playing it out in all ways."""
    tokens = np.array([moves], np.int8)
    legal = np.flatnonzero(game.get_valid_next_token_mask(tokens)[0, -1])
    if len(legal):
        return max(-solve(game, [*moves, token]) for token in legal)
    board = game.get_board_states(tokens)[0, -1].reshape(6, 7)
    theirs = set(zip(*np.nonzero(board == 2), strict=True))
    return -(22 - (len(moves) + 1) // 2) if naive_has_line(theirs, 4) else 0


@pytest.mark.parametrize("columns", END_EASY)
def test_late_positions_have_their_published_worth(columns):
    moves = [int(column) - 1 for column in columns]
    assert solve(make_game("connect_four"), moves) == END_EASY[columns]


def test_tic_tac_toe_prefixes():
    counts = [count_line_prefixes(3, 3, 3, depth) for depth in range(11)]
    assert sum(counts) == 549_946
    assert counts[:5] + counts[9:] == [1, 9, 72, 504, 3024, 127_872, 0]


@cache
def all_games(about):
    """Tokens (prefixes, length), their probability under random play and whether they are over,
    for each length; `about` are the settings' items."""
    game = make_game(**dict(about))
    tokens = np.flatnonzero(game.opening_mask)[:, None]
    probability = np.full(len(tokens), 1 / len(tokens))
    found = []
    while len(tokens):
        legal = game.get_valid_next_token_mask(tokens)[:, -1]
        branching = legal.sum(axis=1)
        found.append((tokens, probability, branching == 0))
        parent, token = np.nonzero(legal)
        tokens = np.concatenate([tokens[parent], token[:, None]], axis=1)
        probability = probability[parent] / branching[parent]
    return found


def test_tic_tac_toe_positions():
    game = make_game(**TIC_TAC_TOE)
    positions, terminal, complete = 1, 0, 0  # the empty board
    for tokens, _, is_over in all_games(tuple(TIC_TAC_TOE.items())):
        boards = game.get_board_states(tokens)[:, -1]  # the side to move follows from the length
        positions += len(np.unique(boards, axis=0))
        terminal += len(np.unique(boards[is_over], axis=0))
        complete += is_over.sum()
    assert (positions, terminal, complete) == (5478, 958, 255_168)


@pytest.mark.parametrize("about", SMALL, ids=str)
def test_prefixes_by_the_twin(about):
    prefixes = [[]]
    for depth in range(about["rows"] * about["columns"] + 1):
        falls = about["kind"] == "connect_four"
        assert count_line_prefixes(*naive_board(about), depth, falls) == len(prefixes)
        prefixes = [
            [*moves, token]
            for moves in prefixes
            for token in legal_after(about["kind"], about, moves)
        ]


@pytest.mark.parametrize("about", SMALL, ids=str)
def test_complete_enumeration(about):
    game, found = make_game(**about), all_games(tuple(about.items()))
    np.testing.assert_allclose(sum(p[is_over].sum() for _, p, is_over in found), 1)
    for depth, (tokens, _, is_over) in enumerate(found, start=1):
        falls = about["kind"] == "connect_four"
        assert count_line_prefixes(*naive_board(about), depth, falls) == len(tokens)
        game.check(tokens[is_over])


# --- kernels against the twins ---


@settings(max_examples=60, deadline=None)
@given(
    about=boards(),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.one_of(st.none(), st.integers(0, 64)), min_size=1, max_size=3),
    spare=st.integers(0, 64),
    dtype=st.sampled_from([np.int8, np.int16, np.int64]),
)
def test_equal_to_the_twin(about, seed, cuts, spare, dtype):
    """Complete games, prefixes, and prefixes padded to one length."""
    compare_with_the_twin(about, seed, cuts, spare, dtype)


@pytest.mark.parametrize("about", EDGES, ids=str)
def test_equal_to_the_twin_at_the_edges(about):
    compare_with_the_twin(about, 0, [None, 1, None], 64, np.int8)


def compare_with_the_twin(about, seed, cuts, spare, dtype):
    rng = random.Random(seed)
    games = [naive_play(about, rng)[:cut] for cut in cuts]
    game = make_game(**about)
    V, num_squares = game.vocab_size, about["rows"] * about["columns"]
    length = min(max(map(len, games)) + spare, game.max_length)
    tokens = as_tokens(games, length).astype(dtype)
    mask, states = game.get_valid_next_token_mask(tokens), game.get_board_states(tokens)
    side = game.get_side_to_move(tokens)
    assert (mask.shape, mask.dtype) == ((len(games), length, V), bool)
    assert (states.shape, states.dtype) == ((len(games), length + 1, num_squares), np.int8)
    assert (side.shape, side.dtype) == ((len(games), length + 1), np.int8)
    np.testing.assert_array_equal(game.get_packed_valid_next_token_mask(tokens), pack_mask(mask))
    for n, moves in enumerate(games):
        stones = naive_stones(about["kind"], about["columns"], moves)
        for s in range(len(moves) + 1):
            legal = legal_after(about["kind"], about, moves[:s])
            if s:
                assert set(np.flatnonzero(mask[n, s - 1])) == legal
            assert side[n, s] == (s % 2 if legal else PAD)
            board = [0] * num_squares
            for t, (row, column) in enumerate(stones[:s]):
                board[row * about["columns"] + column] = 1 if t % 2 == s % 2 else 2
            assert states[n, s].tolist() == board
        assert not mask[n, len(moves) :].any()
        assert (side[n, len(moves) + 1 :] == PAD).all()
        assert (states[n, len(moves) :] == states[n, len(moves)]).all()


@settings(max_examples=200, deadline=None)
@with_edges
@given(about=boards(), seed=st.integers(0, 2**32))
def test_lines_of_any_stones(about, seed):
    """Also stones that no game has: sparse, dense, and all of them."""
    rng = random.Random(seed)
    rows, columns, k = naive_board(about)
    board = kernels.make_board(rows, columns, k, about["kind"] == "connect_four")
    for density in (0.3, 0.7, 0.95, 1):
        stones = [square for square in range(rows * columns) if rng.random() < density]
        word = np.uint64(sum(1 << square for square in stones))
        expected = naive_has_line([divmod(square, columns) for square in stones], k)
        assert kernels.has_line(word, board) == expected


@settings(max_examples=60, deadline=None)
@with_edges
@given(about=boards(), seed=st.integers(0, 2**32))
def test_check_agrees_with_the_twin_about_any_token(about, seed):
    """Put a random token or PAD at a random position of a complete game."""
    rng = random.Random(seed)
    games = [naive_play(about, rng) for _ in range(2)]
    game = make_game(**about)
    tokens = as_tokens(games, game.max_length)
    game.check(tokens)
    n, s = rng.randrange(2), rng.randrange(game.max_length)
    token = rng.randrange(PAD, game.vocab_size)
    legal = legal_after(about["kind"], about, games[n][:s])
    tokens[n, s] = token
    if token not in (legal or {PAD}):
        with pytest.raises(GameError, match=f"^game {n}, position {s}: "):
            game.check(tokens)


# --- conventions ---


def test_connect_four_by_default():
    game = make_game("connect_four")
    assert (game.rows, game.columns, game.in_a_row) == (6, 7, 4)
    assert (game.vocab_size, game.max_length) == (7, 42)
    assert game.opening_mask.tolist() == [True] * 7


def test_stones_fall():
    [states] = make_game("connect_four").get_board_states(np.array([[3, 3, 2]]))
    assert states[2, [3, 10]].tolist() == [1, 2]  # the first player is to move again
    assert states[3, [2, 3, 10]].tolist() == [2, 2, 1]
    assert np.count_nonzero(states[3]) == 3


@pytest.mark.parametrize(
    "moves",
    [
        [0, 0, 1, 1, 2, 2, 3],  # a row
        [5, 6, 5, 6, 5, 6, 5],  # a column
        [0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3],  # a diagonal up to the right
        [6, 5, 5, 4, 4, 3, 4, 3, 3, 0, 3],  # and one up to the left
    ],
)
def test_lines_end_the_game(moves):
    game = make_game("connect_four")
    tokens = as_tokens([moves], 42)
    game.check(tokens)
    assert game.get_valid_next_token_mask(tokens)[0, len(moves) - 2].all()
    assert not game.get_valid_next_token_mask(tokens)[0, len(moves) - 1 :].any()
    tokens[0, len(moves)] = 1
    with pytest.raises(GameError, match=r"token 1 is illegal: the game is over$"):
        game.check(tokens)


def test_rows_do_not_go_on_at_the_other_side():
    """5, 6 of the bottom row and 0, 1 of the next are neighbours as bits, not on the board."""
    moves = [5, 0, 6, 1, 0, 2, 1]
    assert make_game("connect_four").get_valid_next_token_mask(np.array([moves]))[0, -1].all()


def test_a_full_board_ends_the_game():
    moves = [0, 1] * 3 + [1, 0] * 3  # in two columns of six, stones are never four in a line
    tokens = np.array([moves])
    with pytest.raises(GameError, match="cut off"):
        make_game("connect_four").check(tokens)
    game = make_game("connect_four", columns=2)
    game.check(tokens)
    assert game.get_valid_next_token_mask(tokens).sum(axis=2)[0].tolist() == [2] * 10 + [1, 0]


@pytest.mark.parametrize(
    ("kind", "parameters", "key"),
    [
        ("connect_four", {"columns": 1}, "columns"),
        ("connect_four", {"columns": 0}, "columns"),
        ("connect_four", {"rows": 0}, "rows"),
        ("connect_four", {"rows": 10}, "rows"),
        ("connect_four", {"rows": 65}, "rows"),
        ("connect_four", {"in_a_row": 0}, "in_a_row"),
        ("connect_four", {"in_a_row": 8}, "in_a_row"),
        ("mnk", {"rows": 1, "columns": 1, "in_a_row": 1}, "rows"),
        ("mnk", {"rows": 1, "columns": 65, "in_a_row": 1}, "columns"),
    ],
)
def test_boards_that_make_no_sense(kind, parameters, key):
    with pytest.raises(ParameterError, match="allowed") as raised:
        make_game(kind, **parameters)
    assert raised.value.key == key


# --- random play ---


@pytest.mark.parametrize("about", SMALL, ids=str)
def test_random_play_has_the_exact_distribution(about):
    """Chi-square over all complete games, whose probabilities are products of 1/branching."""
    num_games, game = 200_000, make_game(**about)
    games = [
        (tokens[is_over], p[is_over]) for tokens, p, is_over in all_games(tuple(about.items()))
    ]
    code = (game.vocab_size + 1) ** np.arange(game.max_length)
    codes = np.concatenate([(tokens + 1) @ code[: tokens.shape[1]] for tokens, _ in games])
    expected = num_games * np.concatenate([p for _, p in games])
    order = np.argsort(codes)
    tokens = game.play(num_games, np.random.default_rng(7)).astype(int)
    values, found = np.unique((tokens + 1) @ code, return_counts=True)
    np.testing.assert_array_equal(values, codes[order])
    chi_square, freedom = ((found - expected[order]) ** 2 / expected[order]).sum(), len(codes) - 1
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


# --- errors ---


def assert_refused(tokens, message, kind="connect_four"):
    with pytest.raises(GameError, match=message):
        make_game(kind, rows=6, columns=7, in_a_row=4).check(np.array(tokens))


def test_check_says_why():
    full = [2] * 7
    assert_refused([full], r"^game 0, position 6: token 2 is illegal: column 2 is full$")
    assert_refused(
        [full], r"^game 0, position 1: .*: the square was taken at position 0$", kind="mnk"
    )
    assert_refused([[*full[:6], 7]], r"^game 0, position 6: token 7 is out of range")
    assert_refused([[3, PAD]], r"^game 0, position 1: PAD is illegal: the game is not over")
    assert_refused([[3, PAD, 3]], r"^game 0, position 1: PAD is illegal")
    assert_refused([[3, 2]], "^game 0 is cut off after 2 tokens: legal moves are left$")
    assert_refused(np.empty((2, 0), int), "^game 0 is cut off after 0 tokens")
    assert_refused([[0.5]], "tokens must be integers")
    assert_refused([1, 2], "shape")
    assert_refused([[PAD] * 43], "43 positions; at most 42")
    gap = as_tokens([[5, 6, 5, 6, 5, 6, 5]], 42)
    gap[0, 30] = 0
    assert_refused(gap, r"^game 0, position 30: token 0 .*the game is over \(a token after the pad")


def test_check_names_the_first_game_that_is_illegal():
    tokens = make_game("connect_four").play(9, np.random.default_rng(0))
    tokens[4, :7] = tokens[7, :7] = 5
    tokens[8, 0] = PAD
    assert_refused(tokens, "^game 4, position 6: token 5 is illegal: column 5 is full$")
