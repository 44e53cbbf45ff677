"""What activations hold of squares, and predictions with something added on the way."""

import numpy as np
import pytest
from edits_by_hand import GAME, SITES, WIDTH, V, make_board_gpt, make_board_probe
from gpts import make_gpt, naive_gpt_logits

from gamecircuits.audits.edit_cases import sample_cases
from gamecircuits.audits.edit_shifts import (
    AFTER,
    CONTROLS,
    FEWEST,
    find_shifts,
    find_values,
    make_controls,
    move,
    predict_edited,
    resize,
)
from gamecircuits.transformer.gpt import GPT, Design

EMPTY, MINE, THEIRS = range(3)


@pytest.fixture(scope="module")
def held():
    """Of one game by hand, and its tokens."""
    tokens = GAME.play(500, np.random.default_rng(0))
    return tokens, find_values(make_board_gpt(), GAME, tokens, SITES, 5)


def test_regression_holds_the_rest_fixed(held):
    """The board of the model is that of the game: one entry a square, whatever the others.

    What all squares share may go to the length, which tells how many stones each player has.
    """
    for site in SITES:
        shifts = find_shifts(held[1]["regression"][site])
        board = shifts[:, EMPTY, MINE, 2 * V : 3 * V]
        np.testing.assert_allclose(board - board.mean(axis=0), np.eye(V) - 1 / V, atol=1e-3)
        assert (np.diag(board) > 0.9).all()
        owner = shifts[:, MINE, THEIRS, 2 * V : 3 * V]
        np.testing.assert_allclose(owner - owner.mean(axis=0), 0, atol=1e-3)
        np.testing.assert_array_equal(shifts, -shifts.swapaxes(1, 2))


def test_class_means_are_means(held):
    tokens, found = held
    watched = {}
    make_board_gpt().logits(tokens[:, :5], hook=watched.setdefault)
    states, side = GAME.get_board_states(tokens)[:, 1:6], GAME.get_side_to_move(tokens)[:, 1:6]
    for square in (0, 4):
        for value in (EMPTY, MINE, THEIRS):
            rows = watched[SITES[0]][(states[..., square] == value) & (side >= 0)]
            np.testing.assert_allclose(
                found["class means"][SITES[0]][square, value], rows.mean(axis=0), atol=1e-12
            )


def test_rare_values_are_not_known():
    tokens = np.repeat(GAME.play(1, np.random.default_rng(0)), FEWEST - 1, axis=0)
    found = find_values(make_board_gpt(), GAME, tokens, SITES[:1], 1)
    assert all(np.isnan(of[SITES[0]]).all() for of in found.values())
    assert not find_shifts(found["regression"][SITES[0]]).any()


def test_a_probe_gives_the_direction_and_the_means_the_distance(held):
    means = held[1]["class means"][SITES[0]]
    shifts = find_shifts(means, make_board_probe().W)
    entries = shifts.copy()
    board = np.arange(V)
    distance = means[board, MINE, 2 * V + board] - means[board, EMPTY, 2 * V + board]
    np.testing.assert_allclose(shifts[board, EMPTY, MINE, 2 * V + board], distance)
    entries[board, :, :, 2 * V + board] = 0
    assert not entries.any()
    assert not shifts[:, MINE, THEIRS].any()  # the probe does not tell them apart


def test_resized_vectors_have_the_size():
    vectors = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(resize(vectors, np.array([2.0, 2.0])), [[1.2, 1.6], [0, 0]])


def test_controls_are_as_long_as_the_edit_and_elsewhere():
    rng = np.random.default_rng(0)
    tokens, known = GAME.play(50, rng), np.ones((V, 3), dtype=bool)
    cases = sample_cases(GAME, tokens, known, 5, 4, rng)
    sites = ["one", "two", "three"]
    of_edit = {site: rng.normal(size=(V, 3, 3, WIDTH)) for site in sites}
    labels = {site: rng.normal(size=(V, 3, 3, WIDTH)) for site in sites}
    shifts = move(of_edit, sites[1:], 3.0, cases)
    for n in range(len(cases.square)):
        whole = of_edit["two"][cases.square[n], cases.before[n], cases.after[n]]
        np.testing.assert_allclose(shifts["two"][n], 1.5 * whole)
    without = make_controls(shifts, cases, of_edit, sites, {}, rng)
    assert without.keys() == {*CONTROLS} - {AFTER, "random labels"}
    controls = make_controls(shifts, cases, of_edit, sites, labels, rng)
    assert controls.keys() == {*CONTROLS} - {AFTER}
    for name, control in controls.items():
        assert list(control) == sites[1:]
        for site, added in control.items():
            length = np.linalg.norm(shifts[site], axis=1)
            np.testing.assert_allclose(np.linalg.norm(added, axis=1), length)
            cosine = (added * shifts[site]).sum(axis=1) / length**2
            assert np.abs(cosine).max() < 0.9, name
    other = of_edit["two"][cases.other, cases.before, cases.after]
    cosine = (controls["other square"]["two"] * other).sum(axis=1)
    sizes = np.linalg.norm(other, axis=1) * np.linalg.norm(shifts["two"], axis=1)
    np.testing.assert_allclose(cosine, sizes)


def test_edited_predictions_are_those_of_plain_loops():
    """The rest of the model is a model by itself, whose embedding is the edited residual stream."""
    rng = np.random.default_rng(0)
    model = make_gpt(rng, num_layers=2)
    tokens, length = rng.integers(0, 5, (3, 6)), np.array([2, 5, 6])
    shift, site = rng.normal(size=(3, 6)), "blocks.0.resid_post"
    found = predict_edited(model, tokens, length, {site: shift})
    for n, s in enumerate(length):
        residual = {}
        model.logits(tokens[n, :s], hook=lambda at, x, to=residual: to.setdefault(at, x))
        rows = residual[site].copy()
        rows[-1] += shift[n]
        weights = model.parameters._replace(
            W_E=rows, W_pos=None, blocks=model.parameters.blocks[1:]
        )
        logits = naive_gpt_logits(GPT(weights, Design(2)), list(range(s)))
        powers = np.exp(logits - logits.max())
        np.testing.assert_allclose(found[n], powers / powers.sum(), rtol=1e-9)


def test_nothing_added_changes_nothing():
    rng = np.random.default_rng(0)
    model = make_gpt(rng).cast(np.float32)
    tokens, length = rng.integers(0, 5, (4, 6)), np.array([1, 2, 5, 6])
    shifts = {"blocks.0.resid_mid": np.zeros((4, 6))}
    for shift in ({}, shifts):
        found = predict_edited(model, tokens, length, shift)
        logits = model.logits(tokens)[np.arange(4), length - 1].astype(float)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        np.testing.assert_array_equal(found, powers / powers.sum(axis=1, keepdims=True))
