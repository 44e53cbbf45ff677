"""What all games on bitboards have in common, whatever their rules."""

import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from twins import legal_on

from gamecircuits.errors import GameError
from gamecircuits.games import _line_kernels, _othello_kernels
from gamecircuits.games.game import PAD, make_game

GAMES = [
    {"kind": "connect_four"},
    {"kind": "mnk", "rows": 6, "columns": 7, "in_a_row": 4},
    {"kind": "othello"},
]


@pytest.fixture(params=GAMES, ids=lambda settings: settings["kind"])
def game(request):
    return make_game(**request.param)


@pytest.fixture
def tokens(game):
    return game.play(64, np.random.default_rng(2))


def test_tokens_in_any_layout(game, tokens):
    mask = game.get_valid_next_token_mask(tokens)
    frozen = tokens.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(tokens), frozen, tokens.tolist()):
        np.testing.assert_array_equal(game.get_valid_next_token_mask(same), mask)
    np.testing.assert_array_equal(game.get_valid_next_token_mask(tokens[::2, :9]), mask[::2, :9])


def test_nothing_to_follow(game):
    none, length, V = np.empty((3, 0), np.int8), game.max_length, game.vocab_size
    assert game.get_valid_next_token_mask(none[:0]).shape == (0, 0, V)
    assert game.get_valid_next_token_mask(none).shape == (3, 0, V)
    assert game.get_board_states(none).shape == (3, 1, game.num_squares)
    assert game.get_side_to_move(none).tolist() == [[0]] * 3
    game.check(np.empty((0, length), np.int8))


@pytest.mark.parametrize(
    "settings", [*GAMES, {"kind": "connect_four", "rows": 1, "columns": 64, "in_a_row": 64}]
)
def test_legal_tokens_occupy_one_empty_square_each(settings):
    game = make_game(**settings)
    tokens = game.play(64, np.random.default_rng(3))
    squares, boards = game.get_legal_squares(tokens), game.get_board_states(tokens)
    assert not boards[squares].any()
    num_legal = game.get_valid_next_token_mask(tokens).sum(axis=2)
    np.testing.assert_array_equal(squares[:, 1:].sum(axis=2), num_legal)
    is_new = (boards[:, 1:] != 0) & (boards[:, :-1] == 0)
    assert squares[:, :-1][is_new].all()


@pytest.mark.parametrize(
    "settings",
    [
        *GAMES,
        {"kind": "othello", "board_size": 4},
        {"kind": "connect_four", "rows": 4, "columns": 2, "in_a_row": 3},
        {"kind": "mnk", "rows": 2, "columns": 3, "in_a_row": 2},
    ],
    ids=str,
)
def test_legal_tokens_on_any_board(settings):
    """Boards of games have those of the mask; boards at random those of the rules as one says."""
    game, rng = make_game(**settings), np.random.default_rng(5)
    tokens = game.play(64, rng)
    goes_on = game.get_side_to_move(tokens)[:, 1:] != PAD
    on_boards = game.get_legal_tokens_on(game.get_board_states(tokens)[:, 1:][goes_on])
    mask = game.get_valid_next_token_mask(tokens)
    np.testing.assert_array_equal(on_boards, mask[goes_on])
    boards = rng.choice(3, p=(0.5, 0.3, 0.2), size=(100, game.num_squares)).astype(np.int8)
    legal = game.get_legal_tokens_on(boards)
    assert legal.shape == (100, game.vocab_size)
    for board, found in zip(boards.tolist(), legal, strict=True):
        assert set(np.flatnonzero(found)) == legal_on(settings, board, game.shape)
    assert legal.any()
    assert game.get_legal_tokens_on(boards[:0]).shape == (0, game.vocab_size)
    with pytest.raises(GameError, match=r"boards must have shape \(n, "):
        game.get_legal_tokens_on(boards[:, 1:])


def test_stones_belong_to_who_put_them_there(game, tokens):
    """Also where a player had to pass; under the padding the last board stays."""
    owners, side = game.get_owners(tokens), game.get_side_to_move(tokens)
    before, after = owners[:, :-1], owners[:, 1:]
    is_new, is_move = (before == PAD) & (after != PAD), tokens != PAD
    np.testing.assert_array_equal(is_new.sum(axis=2), is_move)
    np.testing.assert_array_equal(after[is_new], side[:, :-1][is_move])
    np.testing.assert_array_equal(after[~is_move], before[~is_move])


def test_games_do_not_depend_on_each_other_or_on_threads(game, tokens):
    np.testing.assert_array_equal(game.play(10, np.random.default_rng(2)), tokens[:10])
    seeds = np.random.default_rng(2).integers(1 << 64, size=64, dtype=np.uint64)

    def play(some):
        return game.kernels.play(some, game.max_length, game.board)

    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(play, np.split(seeds, 8)))
    np.testing.assert_array_equal(np.concatenate(parts), tokens)
    assert len(np.unique(tokens, axis=0)) == 64


@pytest.mark.parametrize("num_games", [0, 1, 63, 64, 65, 130])
def test_games_side_by_side_are_as_alone(game, num_games):
    """Kernels follow 64 games at once; here each game is followed alone, and its draws repeated."""
    seeds = np.random.default_rng(3).integers(1 << 64, size=num_games, dtype=np.uint64)
    tokens = game.kernels.play(seeds, game.max_length, game.board)
    assert tokens.shape == (num_games, game.max_length)
    mask, states = game.get_valid_next_token_mask(tokens), game.get_board_states(tokens)
    side = game.get_side_to_move(tokens)
    for n in range(num_games):
        state, alone = seeds[n], tokens[n : n + 1]
        np.testing.assert_array_equal(game.get_valid_next_token_mask(alone)[0], mask[n])
        np.testing.assert_array_equal(game.get_board_states(alone)[0], states[n])
        np.testing.assert_array_equal(game.get_side_to_move(alone)[0], side[n])
        legal = game.opening_mask
        for s in range(np.count_nonzero(tokens[n] != PAD)):
            [nth], [state] = draw([legal.sum()], [state])
            assert tokens[n, s] == np.flatnonzero(legal)[nth]
            legal = mask[n, s]
        assert not legal.any()


@pytest.mark.parametrize("wrong", [[(0, 9)], [(63, 9), (64, 8)], [(64, 9), (65, 2)], [(129, 9)]])
def test_the_first_illegal_game_is_named_wherever_it_is(game, wrong):
    tokens = game.play(130, np.random.default_rng(4))
    for n, s in [*wrong, (129, 9)]:
        tokens[n, s] = PAD
    with pytest.raises(GameError, match=f"^game {wrong[0][0]}, position 9: PAD is illegal"):
        game.check(tokens)
    for n, s in [*wrong, (129, 9)]:
        tokens[n, s + 1 :] = 0
    with pytest.raises(GameError, match=f"^game {wrong[0][0]}, position 10: .*after the padding"):
        game.get_valid_next_token_mask(tokens)


def test_illegal_tokens_have_no_mask_and_no_board(game, tokens):
    legal = game.get_valid_next_token_mask(tokens[:1])[0]
    position = int(np.flatnonzero(~legal.all(axis=1))[0])  # the first with an illegal token
    illegal = int(np.flatnonzero(~legal[position])[0])
    wrong = [*tokens[0, : position + 1].tolist(), illegal]
    late = [tokens[0, 0], PAD, tokens[0, 1]]
    for method in (
        game.get_valid_next_token_mask,
        game.get_packed_valid_next_token_mask,
        game.get_board_states,
        game.get_side_to_move,
    ):
        message = rf"^game 0, position {position + 1}: token {illegal} is illegal: "
        with pytest.raises(GameError, match=message):
            method(np.array([wrong]))
        with pytest.raises(GameError, match=r"^game 0, position 2: .*a token after the padding"):
            method(np.array([late]))


def draw(bounds, states):
    """`draw_below` as a function: what was drawn and the states after it, uint64 (n,)."""
    bounds, states = np.array(bounds, np.uint64), np.array(states, np.uint64)
    drawn = np.empty_like(bounds)
    _line_kernels.draw_below(bounds, states, drawn)
    return drawn, states


def splitmix(state):
    """The next state and word of SplitMix64, in Python's integers."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    word = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return state, word ^ word >> 31


def test_draws_are_those_of_the_published_methods():
    state, words = 1234567, []
    for _ in range(3):
        state, word = splitmix(state)
        words.append(word)
    assert words == [6457827717110365317, 3203168211198807973, 9817491932198370423]  # published
    bounds = [0, 1, 2, 3, 60, 3 << 30, 2**31 + 1, 2**32 - 1] * 40
    states = np.random.default_rng(0).integers(1 << 64, size=len(bounds), dtype=np.uint64)
    drawn, after = draw(bounds, states)
    rejected = 0
    for n, bound in enumerate(bounds):
        state, word = splitmix(int(states[n]))
        while bound and (word >> 32) * bound % 2**32 < 2**32 % bound:
            state, word = splitmix(state)
            rejected += 1
        assert (drawn[n], after[n]) == ((word >> 32) * bound >> 32, state)
    assert rejected > 10


def test_draws_are_uniform_to_the_last_bit():
    """Without rejection, multiples of 3 would come up half the time for this bound."""
    values, _ = draw([3 << 30] * 30_000, np.random.default_rng(1).integers(1 << 63, size=30_000))
    for classes in (values % np.uint64(3), values >> np.uint64(30)):
        found = np.bincount(classes.astype(int), minlength=3)
        assert found.shape == (3,)
        assert ((found - 10_000) ** 2 / 10_000).sum() < 20


@pytest.mark.parametrize("name", ["count_bits", "_scale_word", "draw_below", "draw_tokens"])
def test_copies_of_kernels_stay_the_same(name):
    """They are in two files because numba's cache does not see changes of callees in another."""
    one, other = getattr(_line_kernels, name), getattr(_othello_kernels, name)
    assert inspect.getsource(one.py_func) == inspect.getsource(other.py_func)
