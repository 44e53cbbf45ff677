"""Dropout: the law of what is dropped, and that no two entries, places or steps have it in common.

All keys are fixed, and bounds are those that a right law passes with probability above 0.9999.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gamecircuits.training.noise import Noise, drop_entries
from gamecircuits.training.trial import SITES

SIZE = 1 << 16
WORDS = [(0, 0), (1, 0), (0, 1), (123456789, 987654321), (2**32 - 1, 2**32 - 1)]


def is_kept(rate, words, size=SIZE):
    return np.asarray(drop_entries(jnp.ones(size), rate, jnp.array(words, jnp.uint32))) > 0


def is_apart(one, other):
    """Whether two rows of bits have no more correlation than chance gives."""
    return abs(np.corrcoef(one, other)[0, 1]) < 4.5 / len(one) ** 0.5


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_each_entry_is_dropped_with_its_probability(rate, words):
    """Kept ones among 16 neighbours have a binomial law; at a distance there is no correlation."""
    kept = is_kept(rate, words)
    share = round((1 - rate) * 2**16) / 2**16
    assert abs(kept.mean() - share) < 4.5 * (share * rate / SIZE) ** 0.5
    counts = np.bincount(kept.reshape(-1, 16).sum(axis=1), minlength=17)
    wanted = stats.binom.pmf(np.arange(17), 16, share) * SIZE / 16
    usual = wanted > 5
    observed = [*counts[usual], counts[~usual].sum()]
    expected = [*wanted[usual], wanted[~usual].sum()]
    assert stats.chisquare(observed, expected).pvalue > 1e-4
    for lag in (1, 2, 64, 4096, SIZE // 2):  # the last have the two halves of a word
        assert is_apart(kept[:-lag], kept[lag:]), lag


def test_places_and_steps_drop_different_entries():
    rates = dict.fromkeys(SITES, 0.5)
    steps = [Noise(key, rates) for key in jax.random.split(jax.random.key(0), 2)]
    kept = [
        np.asarray(noise.drop(site, jnp.ones(SIZE), place)) > 0
        for noise in steps
        for place in range(3)
        for site in SITES
    ]
    kept += [is_kept(0.5, words) for words in WORDS]
    for n, one in enumerate(kept):
        assert all(is_apart(one, other) for other in kept[:n])
    again = Noise(jax.random.split(jax.random.key(0), 2)[1], rates)
    np.testing.assert_array_equal(again.drop(SITES[2], jnp.ones(SIZE), 2) > 0, kept[17])


def test_what_is_kept_is_scaled_so_that_the_mean_stays():
    values = np.random.default_rng(0).standard_normal((50, 7)).astype("float32")
    words = jax.random.bits(jax.random.key(0), (4000, 2))
    found = np.asarray(jax.vmap(lambda w: drop_entries(jnp.asarray(values), 0.25, w))(words))
    assert found.shape == (4000, 50, 7)
    kept = found != 0
    np.testing.assert_allclose(found[kept], np.broadcast_to(values / 0.75, found.shape)[kept], 1e-6)
    deviations = (found.mean(axis=0) - values) / np.abs(values) / (0.25 / 0.75 / 4000) ** 0.5
    assert np.abs(deviations).max() < 4.5


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_ends_of_the_rates(size):
    """Nothing is dropped at 0; near 1, where no pattern would be left, one of 2^16 is kept."""
    values, words = jnp.arange(1.0, size + 1), jnp.zeros(2, jnp.uint32)
    np.testing.assert_array_equal(drop_entries(values, 0.0, words), values)
    many = np.asarray(drop_entries(jnp.ones(1 << 20), 1 - 1e-9, words))
    assert set(np.unique(many)) == {0.0, 2.0**16}
    assert 1 <= (many > 0).sum() < 45  # 16 are expected


def test_no_rate_drops_nothing_and_gradients_pass_where_values_do():
    noise = Noise(jax.random.key(0), {**dict.fromkeys(SITES), "attention": 0.5})
    values = jnp.ones((3, 50))
    assert noise.drop("residual", values) is values
    assert noise.is_dropping
    assert not Noise(jax.random.key(0), dict.fromkeys(SITES)).is_dropping
    slope = jax.grad(lambda x: noise.drop("attention", x).sum())(values)
    np.testing.assert_array_equal(slope, noise.drop("attention", values))


def test_integers_are_uniform():
    drawn = Noise(jax.random.key(3), dict.fromkeys(SITES)).draw_integers((7000,), 7)
    assert stats.chisquare(np.bincount(drawn)).pvalue > 1e-4
    assert set(np.unique(drawn)) == set(range(7))
