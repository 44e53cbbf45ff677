"""Linear probes: against other optimisers, in cases whose answer is known, and on disk."""

import numpy as np
import pytest
import scipy

from gamecircuits.audits import probes
from gamecircuits.audits.probes import (
    EXCESS,
    Probe,
    fit_probe,
    name_probe,
    read_probes,
    take_gradient,
    write_probes,
)
from gamecircuits.errors import ArtefactError, GamecircuitsError


def make_case(rng, n=150, d=3, places=2, num_values=3):
    """Activations of correlated directions, and labels that depend on them in part."""
    rows = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 1
    scores = (rows @ rng.normal(size=(d, places * num_values))).reshape(n, places, num_values)
    return rows, (scores + rng.gumbel(size=scores.shape)).argmax(axis=2)


def plain_loss(rows, labels, W, b):
    """Mean over rows of the sum over places, by scipy's log-softmax."""
    logs = scipy.special.log_softmax(np.einsum("nd,dpv->npv", rows, W) + b, axis=2)
    return -np.take_along_axis(logs, labels[..., None], 2).sum() / len(rows)


def newton(inputs, labels, num_values, ridge):
    """The best probe of one place by Newton's method, with the whole Hessian: (d, values)."""
    n, d = inputs.shape
    weights = np.zeros((d, num_values))
    for _ in range(30):
        p = scipy.special.softmax(inputs @ weights, axis=1)
        gradient = inputs.T @ (p - np.eye(num_values)[labels]) / n + ridge * weights
        of_scores = p[:, :, None] * (np.eye(num_values) - p[:, None, :])
        hessian = np.einsum("ni,nj,nkl->ikjl", inputs, inputs, of_scores) / n
        size = d * num_values
        step = np.linalg.solve(hessian.reshape(size, size) + ridge * np.eye(size), gradient.ravel())
        weights -= step.reshape(d, num_values)
    return weights


def test_loss_is_that_of_newton():
    rows, labels = make_case(np.random.default_rng(0))
    probe = fit_probe(rows, labels, 3)
    assert probe.loss == pytest.approx(plain_loss(rows, labels, probe.W, probe.b), rel=1e-9)
    centred = rows - rows.mean(axis=0)
    covariance = np.cov(rows.T, bias=True)
    inputs = np.column_stack(
        [centred @ np.linalg.inv(scipy.linalg.sqrtm(covariance)), np.ones(150)]
    )
    best = 0.0
    for place in range(2):
        weights = newton(inputs, labels[:, place], 3, probes.RIDGE)
        logs = scipy.special.log_softmax(inputs @ weights, axis=1)
        best -= logs[np.arange(150), labels[:, place]].mean()
        best += probes.RIDGE / 2 * (weights**2).sum()
    scores = probe.score(rows).reshape(150, -1)
    whitened = np.linalg.lstsq(inputs, scores, rcond=None)[0]
    reached = probe.loss + probes.RIDGE / 2 * (whitened**2).sum()
    assert -1e-12 < (reached - best) / 2 <= probe.excess <= EXCESS


def test_gradient_is_that_of_differences():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(2, 2, 3)), rng.integers(0, 3, (2, 2))
    found = scores.copy()
    total = take_gradient(found, labels)
    assert total == pytest.approx(2 * plain_loss(np.eye(2), labels, scores, np.zeros((2, 3))))
    for place in np.ndindex(scores.shape):
        moved = scores.copy()
        moved[place] += 1e-6
        assert (take_gradient(moved, labels) - total) / 1e-6 == pytest.approx(
            found[place], abs=1e-5
        )


def test_a_change_of_basis_changes_nothing():
    rng = np.random.default_rng(0)
    rows, labels = make_case(rng)
    change = rng.normal(size=(3, 3)) * [[1e2], [1], [1e-2]]
    one, other = fit_probe(rows, labels, 3), fit_probe(rows @ change - 7, labels, 3)
    assert one.loss == pytest.approx(other.loss, abs=2 * EXCESS)
    np.testing.assert_allclose(one.score(rows), other.score(rows @ change - 7), atol=0.02)


@pytest.mark.parametrize("num_values", [2, 3])
def test_separable_labels_are_read_without_errors(num_values):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 4))
    labels = np.digitize(rows[:, :2], [0.3, 1][: num_values - 1])
    rows[:, :2] += labels  # a gap between the values
    probe = fit_probe(np.column_stack([rows, np.ones(200), rows[:, 0]]), labels, num_values)
    assert probe.excess <= EXCESS
    found = probe.score(np.column_stack([rows, np.ones(200), rows[:, 0]])).argmax(axis=2)
    np.testing.assert_array_equal(found, labels)


def test_constant_activations_give_base_rates():
    labels = np.array([[0], [0], [0], [1]])
    probe = fit_probe(np.full((4, 2), 7.0), labels, 2)
    assert probe.loss == pytest.approx(-(3 * np.log(3 / 4) + np.log(1 / 4)) / 4, abs=EXCESS)


def test_bad_activations_are_refused():
    labels = np.zeros((2, 1), int)
    with pytest.raises(GamecircuitsError, match="not finite"):
        fit_probe(np.array([[1.0], [np.nan]]), labels, 2)
    with pytest.raises(GamecircuitsError, match="no positions"):
        fit_probe(np.zeros((0, 3)), labels[:0], 2)


def test_probes_come_back_from_their_file(tmp_path):
    rng = np.random.default_rng(0)
    made = {
        name_probe("blocks.0.resid_post", "owner", labels): Probe(
            rng.normal(size=(4, 2, 3)), rng.normal(size=(2, 3)), 0.1, 1 / 3, 1e-5, 7
        )
        for labels in ("true", "random")
    }
    path = tmp_path / "p.safetensors"
    write_probes(path, made, {"owner": ("empty", "mine", "theirs")}, "job")
    first = path.read_bytes()
    found = read_probes(path)
    assert set(found) == {"blocks.0.resid_post.owner", "blocks.0.resid_post.owner.random"}
    for name, probe in found.items():
        np.testing.assert_array_equal(probe.W, made[name].W)
        np.testing.assert_array_equal(probe.b, made[name].b)
        assert (probe.gradient, probe.loss, probe.iterations) == (0.1, 1 / 3, 7)
    write_probes(path, made, {"owner": ("empty", "mine", "theirs")}, "job")
    assert path.read_bytes() == first


def test_names_of_probes():
    assert name_probe("embed", "top") == "embed.top"
    assert name_probe("embed", "top", fitted_on="trained lengths") == "embed.top.trained"


def test_files_without_probes_are_refused(tmp_path):
    with pytest.raises(ArtefactError, match="does not exist"):
        read_probes(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"nothing")
    with pytest.raises(ArtefactError, match="holds no probes"):
        read_probes(tmp_path / "bad")
