"""What is random in a step of training, beside the games: dropout, and what a model draws."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gamecircuits.training.trial import SITES


def drop_entries(values: jax.Array, rate: jax.Array, words: jax.Array) -> jax.Array:
    """Dropout: each entry is 0 with probability `rate`, and else divided by the probability that
    it is not; both are rounded to multiples of 2^−16.

    The random bits are those of a counter, mixed with `words`, uint32 (2,), which must be random:
    first ones that are close, with equal second ones, give shifts of the same bits. A word has bits
    for two entries. The mixer is Wellons's (2018, "lowbias32" of hash-prospector), applied twice;
    jax.random's would take as long as all else in training.
    """
    half = -(-values.size // 2)
    mixed = _mix(jnp.arange(half, dtype=jnp.uint32) + words[0])
    mixed = _mix(mixed ^ words[1])
    bits = jnp.concatenate([mixed >> 16, mixed & 0xFFFF])[: values.size].reshape(values.shape)
    num_kept = jnp.maximum(jnp.round((1 - rate) * 2**16), 1)  # of 2^16 patterns
    return jnp.where(bits < num_kept.astype(jnp.uint32), values * (2**16 / num_kept), 0.0)


def _mix(words: jax.Array) -> jax.Array:
    """A permutation of uint32 in which each bit in changes about half of the bits out."""
    words = (words ^ (words >> 16)) * jnp.uint32(0x7FEB352D)
    words = (words ^ (words >> 15)) * jnp.uint32(0x846CA68B)
    return words ^ (words >> 16)


class Noise:
    """The noise of one step of one trial.

    Attributes:
        rates: share that is dropped at each of SITES; None where no trial of the group drops any.
    """

    def __init__(self, key: jax.Array, rates: Mapping[str, Any]):
        self.rates = rates
        self._key = key
        self._keys = dict(zip(SITES, jax.random.split(key, len(SITES)), strict=True))

    @property
    def is_dropping(self) -> bool:
        return any(rate is not None for rate in self.rates.values())

    def drop(self, site: str, values: jax.Array, place: int = 0) -> jax.Array:
        """Dropout at a site; by different random bits at each of the places that a model has."""
        rate = self.rates[site]
        if rate is None:
            return values
        words = jax.random.bits(jax.random.fold_in(self._keys[site], place), (2,))
        return drop_entries(values, rate, words)

    def draw_integers(self, shape: tuple[int, ...], below: int) -> jax.Array:
        """Uniform integers in 0..below−1; a model draws once a step."""
        return jax.random.randint(jax.random.fold_in(self._key, len(SITES)), shape, 0, below)
