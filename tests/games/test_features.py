"""What positions consist of: against plain programs, and by what follows from it."""

import numpy as np
import pytest
from games.examples import EXAMPLES
from twins import naive_states

from gamecircuits.games.game import PAD, make_game

BOARDS = [e for e in EXAMPLES if e["kind"] in ("othello", "mnk", "connect_four")]


def named(settings):
    return "-".join(map(str, settings.values()))


@pytest.mark.parametrize("settings", EXAMPLES, ids=named)
def test_legal_tokens_follow_from_features(settings):
    """Two games that agree in all features, length and last token have the same legal tokens."""
    game = make_game(**settings)
    tokens = game.play(2000, np.random.default_rng(0))
    features = game.get_features(tokens)
    if not features:
        assert settings["kind"] in ("file", "windowed_complement")
        return
    mask = game.get_valid_next_token_mask(tokens)
    for feature in features.values():
        assert feature.labels.shape[:2] == tokens.shape
        assert feature.labels.dtype == np.int16
        assert ((feature.labels == PAD).all(axis=2) == ~mask.any(axis=2)).all()
        assert feature.labels.max() < len(feature.values)
    labels = np.concatenate([feature.labels for feature in features.values()], axis=2)
    for s in range(tokens.shape[1]):
        keys = np.column_stack([tokens[:, s], labels[:, s]])
        _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        np.testing.assert_array_equal(mask[:, s], mask[first[which.ravel()], s])


@pytest.mark.parametrize("board_size", [4, 6])
def test_othello_is_labelled_by_who_moves(board_size):
    """A player who cannot move is skipped, after which plies no longer tell who moves."""
    game = make_game("othello", board_size=board_size)
    tokens = game.play(60, np.random.default_rng(2))
    features, skipped = game.get_features(tokens), 0
    for n, moves in enumerate(tokens.tolist()):
        states = naive_states(board_size, [move for move in moves if move != PAD])
        for s, (board, mover, _) in enumerate(states[1:]):
            owner, colour = features["owner"].labels[n, s], features["colour"].labels[n, s]
            if mover is None:
                assert (owner == PAD).all()
                continue
            skipped += mover != (s + 1) % 2
            assert colour.tolist() == [0 if disc is None else 1 + disc for disc in board]
            assert owner.tolist() == [0 if d is None else 1 + (d != mover) for d in board]
    assert skipped > 5


@pytest.mark.parametrize("settings", BOARDS, ids=named)
def test_owners_are_those_of_the_board(settings):
    game = make_game(**settings)
    tokens = game.play(50, np.random.default_rng(3))
    colour = game.get_features(tokens)["colour"].labels
    goes_on = colour[..., 0] != PAD
    np.testing.assert_array_equal(colour[goes_on] - 1, game.get_owners(tokens)[:, 1:][goes_on])


def test_brackets_and_bits_and_states():
    dyck = make_game("dyck", num_brackets=2, max_depth=2, length=6).get_features(
        np.array([[0, 1, 3, 2, 1, 3]])  # ( [ ] ) [ ]
    )
    assert dyck["depth"].labels[0, :, 0].tolist() == [1, 2, 1, 0, 1, PAD]
    assert dyck["top"].labels[0, :, 0].tolist() == [1, 2, 1, 0, 2, PAD]
    flip = make_game("flip_flop", length=8).get_features(
        np.array([[0, 4, 1, 3, 2, 4, 2, 4]])  # w1 i0 r1 r1
    )
    assert [flip["bit"].values[b] for b in flip["bit"].labels[0, :-1, 0]] == ["none"] + 6 * ["1"]
    automaton = {"even": {"0": "even", "1": "odd"}, "odd": {"0": "odd", "1": "even"}}
    parity = make_game(
        "regular",
        alphabet=["0", "1"],
        transitions=automaton,
        start="even",
        accepting=["even"],
        length=4,
    ).get_features(np.array([[1, 0, 1, 0]]))
    assert [parity["state"].values[s] for s in parity["state"].labels[0, :3, 0]] == [
        "odd",
        "odd",
        "even",
    ]
