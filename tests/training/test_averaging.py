"""Averages: against sums written out, optax, and the published formulas of ema-pytorch and BEMA."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gamecircuits.errors import ParameterError
from gamecircuits.training.averaging import (
    AVERAGES,
    DEFAULT_AVERAGES,
    Bema,
    Earlier,
    Ema,
    Last,
    PowerEma,
    make_average,
)

STEPS = 40
ITERATES = np.random.default_rng(0).standard_normal((STEPS + 1, 3)).cumsum(axis=0)  # θ_0, ..., θ_T


def shown(average):
    """What a run shows at its end: the running average and its correction."""
    found = ITERATES[0]
    for theta, weight in zip(ITERATES[1:], average.get_weights(STEPS), strict=True):
        found = found + weight * (theta - found)
    start = ITERATES[average.get_anchor(STEPS)]
    return found + average.get_correction(STEPS) * (ITERATES[-1] - start)


@pytest.mark.parametrize(
    "average", [Last(), Ema(0.9), Ema(1.0), PowerEma(0.75, 3.0), PowerEma(0.0)], ids=str
)
def test_a_running_average_is_the_sum_written_out(average):
    weights = [1.0, *average.get_weights(STEPS)]  # the average starts as θ_0
    shares = [w * np.prod([1 - v for v in weights[t + 1 :]]) for t, w in enumerate(weights)]
    assert sum(shares) == pytest.approx(1)
    assert average.get_age(STEPS) == pytest.approx(np.arange(STEPS, -1, -1) @ shares, abs=1e-9)
    np.testing.assert_allclose(shown(average), shares @ ITERATES, rtol=1e-12)
    if average in (Last(), PowerEma(0.0)):
        np.testing.assert_allclose(shown(average), ITERATES[-1], rtol=1e-12)


def test_no_default_average_has_a_share_of_the_random_start():
    """A run from a known start: θ_0 = 1, and all that training finds is 0."""
    for settings in DEFAULT_AVERAGES.values():
        left = np.prod(1 - make_average(**settings).get_weights(2000))
        assert left < 1e-8


def test_ema_is_that_of_optax():
    transform = optax.ema(0.9, debias=True)
    state = transform.init(jnp.asarray(ITERATES[0]))
    for theta in ITERATES[1:]:
        found, state = transform.update(jnp.asarray(theta), state)
    np.testing.assert_allclose(shown(Ema(0.9)), found, rtol=1e-5)
    shares = 0.9 ** np.arange(STEPS - 1, -1, -1)
    np.testing.assert_allclose(shown(Ema(0.9)), shares @ ITERATES[1:] / shares.sum(), rtol=1e-12)
    np.testing.assert_allclose(shown(Ema(0.0)), ITERATES[-1], rtol=1e-12)
    np.testing.assert_allclose(shown(Ema(1.0)), ITERATES[1:].mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize(("decay", "age"), [(0.0, 0), (0.5, 1), (0.9, 8), (1.0, 20)])
def test_earlier_is_the_iterate_as_old_as_the_average(decay, age):
    """Of 0.9: 9 steps over an endless run, Σ k·0.9^k / Σ 0.9^k = 8.4 over 40; of 1: 19.5."""
    np.testing.assert_allclose(shown(Earlier(decay)), ITERATES[STEPS - age], rtol=1e-12)
    assert abs(Earlier(decay).get_age(STEPS) - Ema(decay).get_age(STEPS)) <= 0.5


def test_power_ema_has_the_decay_of_ema_pytorch():
    """`get_current_decay`: 1 − (1 + epoch/inv_gamma)^−power, between 0 and beta."""
    power, inv_gamma, beta = 0.75, 2.0, 0.85
    decay = [min(max(1 - (1 + t / inv_gamma) ** -power, 0), beta) for t in range(1, STEPS + 1)]
    assert decay[0] < decay[-1] == beta
    weights = PowerEma(power, inv_gamma, max_decay=beta).get_weights(STEPS)
    np.testing.assert_allclose(1 - weights, decay, rtol=1e-12)


@pytest.mark.parametrize("burn_in", [0.0, 0.3])
@pytest.mark.parametrize("every", [1, 3, 7])  # 40 is a multiple of none but the first
def test_bema_is_as_published(every, burn_in):
    """As TRL's callback: steps count from the start of the run, updates from the burn-in's end."""
    kappa, eta, rho, gamma = 0.5, 0.3, 4.0, 2.0
    start = round(burn_in * STEPS)
    ema = wanted = ITERATES[start]
    for t in range(start + every, STEPS + 1, every):
        alpha, beta = (rho + gamma * t) ** -eta, (rho + gamma * t) ** -kappa
        ema = (1 - beta) * ema + beta * ITERATES[t]
        wanted = ema + alpha * (ITERATES[-1] - ITERATES[start])
    found = shown(Bema(kappa, eta, rho, gamma, every, burn_in))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_the_ends_of_bema():
    assert (Bema(kappa=0.0, every=4).get_weights(8) == [0, 0, 0, 1, 0, 0, 0, 1]).all()
    assert Bema(eta=0.0).get_correction(STEPS) == 1
    assert Bema(eta=0.0, every=4).get_correction(3) == 0  # nothing was updated yet
    assert Bema(eta=1e6).get_correction(STEPS) == 0
    np.testing.assert_array_equal(shown(Bema(burn_in=1.0)), ITERATES[-1])


@pytest.mark.parametrize(("kind", "key", "value"), [
    ("ema", "decay", 1.01), ("ema", "decay", float("nan")), ("power_ema", "power", -0.1),
    ("power_ema", "inv_gamma", 0.0), ("power_ema", "max_decay", 2), ("bema", "kappa", -1),
    ("bema", "eta", -0.1), ("bema", "gamma", -1), ("bema", "rho", 0.5), ("bema", "every", 0),
    ("ema", "decay", "x"), ("ema", "decay", True), ("bema", "every", 2.0), ("bema", "every", True),
    ("bema", "kappa", float("inf")), ("power_ema", "inv_gamma", float("nan")),
])  # fmt: skip
def test_mistakes_are_named(kind, key, value):
    with pytest.raises(ParameterError, match=rf"^{key} = {value!r} is not possible; allowed: "):
        AVERAGES[kind](**{"decay": 0.5} if key != "decay" and kind == "ema" else {}, **{key: value})
