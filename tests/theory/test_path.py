"""The path of training against brute force over contexts and masks of dropout."""

import itertools

import numpy as np
import pytest

from gamecircuits.theory import path
from gamecircuits.theory.basics import TheoryError, centering
from gamecircuits.theory.curvature import apply_form, get_noise, get_variance, split_tables
from gamecircuits.theory.strength import x_min

DESCENT = path.Descent(rate=2.0)


def visit(V, trained, rate):
    """Share, seen tokens, last one, and mask of every context and every mask of its attention."""
    for s in range(1, trained + 1):
        contexts = list(itertools.permutations(range(V), s))
        for order in contexts:
            for mask in itertools.product((0, 1), repeat=s) if rate else [(1,) * s]:
                chance = rate ** (s - sum(mask)) * (1 - rate) ** sum(mask)
                yield chance / len(contexts) / trained, list(order), order[-1], np.array(mask)


@pytest.mark.parametrize(
    ("V", "trained", "rate", "is_sampled"),
    [(2, 1, 0.0, True), (3, 2, 0.2, False), (4, 3, 0.4, True), (5, 4, 0.0, False)],
)
def test_loss_curvature_and_noise_over_all_contexts_and_masks(V, trained, rate, is_sampled):
    rng = np.random.default_rng(V)
    x, beta, alpha = strengths = np.array([2.0, 0.5, 0.3]) + rng.standard_normal(3)
    tables, P = rng.standard_normal((2, V, V)), centering(V)
    shift = tables - (tables * P).sum(axis=(1, 2))[:, None, None] * P / (V - 1)
    wanted = np.zeros(3)
    for share, seen, last, mask in visit(V, trained, rate):
        weights = np.zeros(V)
        weights[seen] = np.where(np.array(seen) == last, np.exp(alpha), 1.0)
        weights /= weights.sum()
        weights[seen] *= mask / (1 - rate)
        target = np.ones(V)
        target[seen] = 0
        target /= target.sum()
        logits = -x * weights @ P - beta * P[last]
        p = np.exp(logits) / np.exp(logits).sum()
        moved = weights @ shift[0] + shift[1][last]
        moved -= moved.mean()
        variance = p @ moved**2 - (p @ moved) ** 2
        noise = ((p - target) @ moved) ** 2
        noise += is_sampled * (target @ moved**2 - (target @ moved) ** 2)
        wanted += share * np.array([-(target @ np.log(p)), variance, noise])
    cases, parts = path.get_cases(strengths, V, trained, rate), split_tables(*tables)
    noise, _ = get_noise(V, cases, is_sampled, 0 * cases.share)
    found = [
        path.path_loss(strengths, V, trained, rate),
        cases.share @ apply_form(get_variance(V, cases, cases.p), parts),
        cases.share @ apply_form(noise, parts),
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-11)
    steps = 1e-6 * np.eye(3)
    slopes = [
        path.path_loss(strengths + h, V, trained, rate)
        - path.path_loss(strengths - h, V, trained, rate)
        for h in steps
    ]
    found = path.path_gradient(strengths, V, trained, rate)
    np.testing.assert_allclose(found, np.array(slopes) / 2e-6, atol=1e-8)


@pytest.mark.parametrize("V", [2, 3, 4])
def test_forms_are_positive_where_parts_do_not_exist(V):
    cases = path.get_cases(np.array([9.0, 1.0, -0.3]), V, V - 1)
    forms = (get_variance(V, cases, cases.p), *get_noise(V, cases, True, np.ones(V - 1)))
    lowest = [np.linalg.eigvalsh(block).min() for form in forms for block in form]
    assert min(lowest) > -1e-12


def test_tables_without_parts_are_of_the_family():
    V = 6
    c, c_direct, r = np.random.default_rng(0).standard_normal((3, V))
    ov, direct = -3 * np.eye(V) + c[:, None] + r, -np.eye(V) + c_direct[:, None] - r
    cases = path.get_cases(np.array([3.0, 1.0, 0.4]), V, 4)
    form = apply_form(get_variance(V, cases, cases.p), split_tables(ov, direct))
    np.testing.assert_allclose(form, 0, atol=1e-12)


def test_x_only_grows_and_uniform_attention_stays():
    tables = path.descend_tables(np.zeros(3), 7, 4, DESCENT, 200)
    assert (np.diff(tables[:, 0]) > 0).all()
    uniform = path.descend_tables(np.zeros(3), 7, 4, DESCENT._replace(is_uniform=True), 200)
    np.testing.assert_array_equal(uniform[:, 2], 0)
    assert tables[-1, 2] < 0, "β > 0 displaces the last token more, so attention leaves it"


def test_late_rates_fall_as_a_power_of_the_steps():
    """Halving the illegal rate at length m takes 2^(m/n) times the steps."""
    V, trained = 9, 4
    for longest in (4, 6, 8):
        for rate in (1e-3, 1e-6):
            steps = path.steps_needed(V, trained, longest, rate, 0.5)
            x = path.late_strength(V, trained, 0.5, steps)
            assert x == pytest.approx(x_min(V, rate, np.inf, longest))
        halved = path.steps_needed(V, trained, longest, rate / 2, 0.5)
        assert halved / steps == pytest.approx(2 ** (longest / trained), rel=1e-4)
    dropped = path.late_strength(V, trained, 0.5, 1e200, 0.25)
    assert dropped / path.late_strength(V, trained, 0.5, 1e200) == pytest.approx(0.75, abs=0.01)


def test_the_plateau_is_where_descent_ends():
    descent = path.Descent(rate=3.0, weight_decay=3e-3, is_uniform=True, dropout=0.1)
    end = path.descend_tables(np.zeros(3), 6, 3, descent, 5000)[-1]
    np.testing.assert_allclose(path.plateau(6, 3, 3e-3, 0.1), end, atol=1e-9)


def test_longest_length():
    strengths = np.array([[0.0, 0.0, 0.0], [30.0, 1.0, 0.0], [1e4, 1.0, 0.0]])
    np.testing.assert_array_equal(path.longest_length(8, strengths, 0.01), [0, 5, 7])
    rates = path.get_illegal_rate(8, np.arange(1, 8), strengths[1])
    assert rates[4] < 0.01 < rates[5]
    assert path.longest_length(2, np.array([9.0, 0.0, 0.0]), 0.01) == 1
    lost = np.array([30.0, -40.0, 0.0])  # the last token is not displaced, even at length 1
    assert path.longest_length(8, lost, 0.01) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: path.longest_length(5, np.zeros(3), 0.0),
        lambda: path.longest_length(5, np.zeros(3), 1.0),
        lambda: path.get_cases(np.zeros(3), 5, 5),
        lambda: path.late_strength(5, 1, 1.0, 100),
        lambda: path.late_strength(5, 2, 1.0, 100, 1.0),
        lambda: path.steps_needed(5, 2, 5, 0.1, 1.0),
        lambda: path.plateau(5, 2, 0.0),
    ],
)
def test_outside_the_hypotheses(call):
    with pytest.raises(TheoryError):
        call()
