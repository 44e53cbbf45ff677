"""Splits: no leaks, against slow twins; and independent of what else a game is like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare
from twins import legal_after, naive_start

from gamecircuits.errors import GameError
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.splits import SPLITS, assign_splits, canonicalise, hash_games

SHARES = {"train": 0.7, "validation": 0.2, "test": 0.1}
BOARDS = [
    {"kind": "othello", "board_size": 4},
    {"kind": "othello"},
    {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
    {"kind": "mnk", "rows": 2, "columns": 4, "in_a_row": 3},
    {"kind": "mnk", "rows": 1, "columns": 5, "in_a_row": 2},
    {"kind": "connect_four"},
]
OTHERS = [{"kind": "set_complement", "vocab_size": 5}, {"kind": "flip_flop", "length": 8}]


def images(game, tokens):
    """All images of every game: (G, N, L)."""
    maps = [dict(enumerate(p)) | {PAD: PAD} for p in game.symmetries.tolist()]
    return np.array([[[to[t] for t in row] for row in tokens.tolist()] for to in maps])


@pytest.mark.parametrize("kind", BOARDS + OTHERS, ids=str)
def test_symmetries_are_a_group_that_keeps_the_rules(kind):
    game = make_game(**kind)
    permutations = {tuple(p) for p in game.symmetries.tolist()}
    assert tuple(game.symmetries[0]) == tuple(range(game.vocab_size))
    for p in permutations:
        assert sorted(p) == list(range(game.vocab_size))
        assert {tuple(p[t] for t in q) for q in permutations} == permutations
    tokens = game.play(30, np.random.default_rng(0))
    for image in images(game, tokens):
        game.check(image)


RENAMED = [  # games that are split one by one, and a renaming of tokens that keeps their rules
    ({"kind": "set_complement", "vocab_size": 5}, [1, 2, 3, 4, 0]),
    ({"kind": "windowed_complement", "vocab_size": 5, "window": 2}, [1, 0, 2, 4, 3]),
    ({"kind": "dyck", "num_brackets": 3, "max_depth": 3, "length": 12}, [1, 2, 0, 4, 5, 3]),
    ({"kind": "flip_flop", "length": 12}, [0, 1, 2, 4, 3]),
]


@pytest.mark.parametrize(("kind", "renaming"), RENAMED, ids=str)
def test_games_without_a_board_are_split_one_by_one(kind, renaming):
    """As docs/games.md says: a game's image is a game, but may be on another side."""
    game = make_game(**kind)
    assert len(game.symmetries) == 1
    tokens = game.play(300, np.random.default_rng(0))
    image = np.array(renaming, tokens.dtype)[tokens]
    game.check(image)
    sides = [assign_splits(t, game.symmetries, SHARES) for t in (tokens, image)]
    assert 0.2 < (sides[0] != sides[1]).mean() < 0.8, "as for unrelated games"


def test_a_broken_bracket_is_no_renaming():
    game = make_game("dyck", num_brackets=3, max_depth=3, length=12)
    with pytest.raises(GameError, match="was opened last"):
        game.check(np.array([1, 2, 0, 3, 4, 5], np.int8)[game.play(50, np.random.default_rng(0))])


@pytest.mark.parametrize("size", [4, 6, 8])
def test_othello_has_all_symmetries_that_keep_its_start(size):
    """Of the eight of the square, by coordinates; the others put black where white was."""
    board, _, _ = naive_start(size)
    last = size - 1
    motions = [
        lambda r, c: (r, c), lambda r, c: (c, r), lambda r, c: (last - c, last - r),
        lambda r, c: (last - r, last - c), lambda r, c: (last - r, c), lambda r, c: (r, last - c),
        lambda r, c: (c, last - r), lambda r, c: (last - c, r),
    ]  # fmt: skip
    squares = [(s // size, s % size) for s in range(size**2)]
    moved = [[r * size + c for r, c in (motion(*at) for at in squares)] for motion in motions]
    wanted = [p for p in moved if all(board[p[s]] == board[s] for s in range(size**2))]
    assert len(wanted) == 4
    game = make_game("othello", board_size=size)
    assert sorted(game.symmetries.tolist()) == sorted(wanted)


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(BOARDS + OTHERS), seed=st.integers(0, 2**32), cut=st.integers(1, 60))
def test_canonical_form_is_the_least_image(kind, seed, cut):
    game = make_game(**kind)
    tokens = game.play(20, np.random.default_rng(seed))[:, :cut]
    least = canonicalise(tokens, game.symmetries)
    assert least.dtype == tokens.dtype
    all_images = images(game, tokens)
    for n in range(len(tokens)):
        assert least[n].tolist() == min(all_images[:, n].tolist())
    for image in all_images:
        np.testing.assert_array_equal(canonicalise(image, game.symmetries), least)
        splits = [assign_splits(t, game.symmetries, SHARES) for t in (tokens, image)]
        np.testing.assert_array_equal(*splits)


def complete_games(kind, arguments):
    """All games, by the twin."""
    open_games = [()]
    while open_games:
        prefix = open_games.pop()
        legal = legal_after(kind, arguments, list(prefix))
        if not legal:
            yield prefix
        open_games.extend((*prefix, token) for token in legal)


def test_no_leak_in_all_games_of_a_small_board():
    """Every game on 2 × 3 and every image of it: one side; and the sides have their shares."""
    arguments = {"rows": 2, "columns": 3, "in_a_row": 3}
    game = make_game("mnk", **arguments)
    games = list(complete_games("mnk", arguments))
    tokens = np.array([[*moves, *[PAD] * (6 - len(moves))] for moves in games], np.int8)
    side = dict(zip(games, assign_splits(tokens, game.symmetries, SHARES), strict=True))
    assert len(side) == 720  # as many as orders of six squares: those cut at five lose nothing
    orbits = {}
    for moves in games:
        orbit = frozenset(tuple(p[t] for t in moves) for p in game.symmetries.tolist())
        assert len({side[image] for image in orbit}) == 1
        orbits[orbit] = side[moves]
    found = np.bincount(list(orbits.values()))
    assert chisquare(found, np.array(list(SHARES.values())) * len(orbits)).pvalue > 1e-3


@pytest.mark.parametrize("kind", [BOARDS[1], BOARDS[5], {"kind": "dyck", "num_brackets": 2,
                                  "max_depth": 4, "length": 20}], ids=str)  # fmt: skip
def test_splits_have_their_shares_whatever_the_length_and_the_opening(kind):
    game = make_game(**kind)
    tokens = np.unique(game.play(40000, np.random.default_rng(3)), axis=0)
    distinct = np.unique(canonicalise(tokens, game.symmetries), axis=0)
    split = assign_splits(distinct, game.symmetries, SHARES)
    counts = np.bincount(split, minlength=3)
    assert chisquare(counts, np.array(list(SHARES.values())) * len(distinct)).pvalue > 1e-3
    length = (distinct != PAD).sum(axis=1)
    opening = (distinct[:, :3].astype(int) * game.vocab_size ** np.arange(3)).sum(axis=1)
    for feature in (length, opening):
        table = np.array([np.bincount(feature[split == s], minlength=feature.max() + 1)
                          for s in range(3)])  # fmt: skip
        table = table[:, table.sum(axis=0) > 100]
        if table.shape[1] > 1:
            assert chi2_contingency(table).pvalue > 1e-3


def test_hashes_are_stable_and_ignore_padding():
    tokens = make_game("connect_four").play(1000, np.random.default_rng(0))
    hashes = hash_games(tokens, 7)
    wider = np.pad(tokens, [(0, 0), (0, 9)], constant_values=PAD)
    np.testing.assert_array_equal(hash_games(wider, 7), hashes)
    distinct = len(np.unique(tokens, axis=0))
    assert len(np.unique(hashes)) == distinct
    found = hash_games(np.array([[0, 1, 2], [2, 1, PAD]], np.int8), 3).tolist()
    assert found == [16927074844001248777, 3261796560617048377]


def rank_of_parities(words):
    """Rank over GF(2) of one-hot words (N, L, V) and a constant, by elimination."""
    rows = np.hstack([words.reshape(len(words), -1), np.ones((len(words), 1), bool)])
    rank = 0
    for column in range(rows.shape[1]):
        pivots = rank + np.flatnonzero(rows[rank:, column])
        if len(pivots):
            rows[[rank, pivots[0]]] = rows[[pivots[0], rank]]
            others = np.flatnonzero(rows[:, column])
            others = others[others != rank]
            rows[others] ^= rows[rank]
            rank += 1
    return rank


def test_no_split_is_a_parity_of_the_moves():
    """All binary words: a side obeys no linear equation that the others do not."""
    words = (np.arange(1 << 12)[:, None] >> np.arange(12) & 1).astype(np.int8)
    split = assign_splits(
        words, np.arange(2)[None], {"train": 0.5, "validation": 0.25, "test": 0.25}
    )
    for side in range(3):
        assert rank_of_parities(words[split == side][..., None] == np.arange(2)) == 13


def test_a_larger_share_only_adds_games():
    game = make_game("othello")
    tokens = game.play(2000, np.random.default_rng(0))
    more = {"train": 0.8, "validation": 0.1, "test": 0.1}
    before, after = (assign_splits(tokens, game.symmetries, shares) for shares in (SHARES, more))
    assert (after[before == SPLITS.index("train")] == SPLITS.index("train")).all()
    for all_in, name in enumerate(SPLITS):
        whole = assign_splits(tokens, game.symmetries, {**dict.fromkeys(SPLITS, 0.0), name: 1.0})
        assert (whole == all_in).all()
