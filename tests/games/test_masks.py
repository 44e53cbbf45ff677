import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import legal_after

from gamecircuits.errors import GameError
from gamecircuits.games.game import make_game
from gamecircuits.games.masks import (
    get_packed_valid_next_token_mask,
    get_valid_next_token_mask,
    pack_mask,
    unpack_mask,
)


@st.composite
def padded_games(draw):
    vocab_size = draw(st.sampled_from([2, 3, 7, 8, 9, 16, 31, 32, 33, 63, 64, 65, 130, 200]))
    games = draw(st.lists(st.permutations(range(vocab_size)), min_size=1, max_size=4))
    longest = draw(st.integers(1, vocab_size))
    lengths = [draw(st.integers(0, longest)) for _ in games]
    tokens = [[*game[:n], *[-1] * (longest - n)] for game, n in zip(games, lengths, strict=True)]
    return np.array(tokens), vocab_size


@settings(deadline=None)  # the first call compiles
@given(padded_games(), st.sampled_from(["int16", "int32", "int64"]))
def test_mask_equals_set_logic(case, dtype):
    tokens, V = case
    mask = get_valid_next_token_mask(tokens.astype(dtype), V)
    assert mask.shape == (*tokens.shape, V)
    assert mask.dtype == bool
    for row, game in zip(mask, tokens.tolist(), strict=True):
        for s, token in enumerate(game):
            seen = [t for t in game[: s + 1] if t >= 0]
            legal = legal_after("set_complement", {"vocab_size": V}, seen) if token >= 0 else set()
            assert set(np.flatnonzero(row[s])) == legal
    packed = get_packed_valid_next_token_mask(tokens, V)
    np.testing.assert_array_equal(packed, pack_mask(mask))
    np.testing.assert_array_equal(unpack_mask(packed, V), mask)


@pytest.mark.parametrize("V", [2, 7, 64, 65, 130])
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_windowed_mask_equals_last_positions(V, share):
    """compute_mask finds them by a running maximum over positions."""
    game = make_game("windowed_complement", vocab_size=V, window=int(share * (V - 1)))
    tokens = game.play(20, np.random.default_rng(V))
    assert not game.get_valid_next_token_mask(tokens)[:, -1].any()
    for length in (0, 1, game.max_length // 2, game.max_length):
        prefixes = tokens[:, :length].copy()
        prefixes[:7, length // 2 :] = -1
        mask = game.get_valid_next_token_mask(prefixes)
        np.testing.assert_array_equal(mask, game.compute_mask(prefixes))
        packed = game.get_packed_valid_next_token_mask(prefixes)
        np.testing.assert_array_equal(packed, pack_mask(mask))


def test_windowed_mask_names_an_illegal_token():
    game = make_game("windowed_complement", vocab_size=5, window=2)
    for bad, place in (
        ([0, 1, 0, 2], "position 2: token 0"),
        ([0, -1, 1, 2], "position 2: token 1"),
    ):
        with pytest.raises(GameError, match=f"game 1, {place} is illegal"):
            game.get_valid_next_token_mask(np.array([[0, 1, 2, 0], bad]))


def test_packed_bit_order_is_little_endian():
    assert pack_mask(np.array([True] + [False] * 8 + [True])).tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(5,), (2, 3, 5), (0, 5), (3, 0)])
def test_any_leading_axes(shape):
    tokens = np.broadcast_to(np.arange(shape[-1], dtype=np.int8), shape)
    assert get_valid_next_token_mask(tokens, 6).shape == (*shape, 6)


def test_large_vocabulary():
    V = 4096
    tokens = np.random.default_rng(0).permuted(np.arange(V, dtype=np.int16))[None, :50]
    mask = get_valid_next_token_mask(tokens, V)
    assert mask[0].sum(axis=1).tolist() == list(range(V - 1, V - 51, -1))
    assert not mask[0, -1, tokens[0]].any()


def test_input_is_not_changed():
    tokens = np.array([[0, 1, -1]], dtype=np.int8)
    get_valid_next_token_mask(tokens, 3)
    assert tokens.tolist() == [[0, 1, -1]]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[0, 1, 2], [3, 0, 3]], r"game 1, position 2: token 3 is repeated.*position 0"),
        ([[0, 1], [2, 4]], r"game 1, position 1: token 4 is out of range; allowed: 0 to 3"),
        ([[0, -2]], r"game 0, position 1: token -2 is out of range"),
        ([[0, -1, 1]], r"game 0, position 2: token 1 is illegal: it comes after the padding"),
        ([[0.0, 1.0]], r"tokens must be integers, not float64"),
        (3, r"shape"),
    ],
)
def test_bad_tokens_are_named(tokens, message):
    with pytest.raises(GameError, match=message):
        get_valid_next_token_mask(np.array(tokens), 4)


def test_unpack_rejects_the_wrong_width():
    with pytest.raises(ValueError, match="9 tokens has 2 bytes, not 1"):
        unpack_mask(np.zeros((3, 1), np.uint8), 9)


@pytest.mark.parametrize("vocab_size", [3, 9, 15, 17])
def test_unpack_ignores_bits_beyond_the_vocabulary(vocab_size):
    packed = np.full((2, -(-vocab_size // 8)), 255, np.uint8)
    assert unpack_mask(packed, vocab_size).tolist() == [[True] * vocab_size] * 2
