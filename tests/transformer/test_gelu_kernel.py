"""The kernel of GELU against scipy."""

import numpy as np
from scipy.stats import norm

from gamecircuits.transformer._gelu_kernel import fill_gelu


def test_kernel_is_gelu_to_single_precision():
    x = np.concatenate([np.linspace(-9, 9, 200_001), [1e-30, 1e30, -1e30]]).astype(np.float32)
    wanted = x.astype(float) * norm.cdf(x.astype(float))
    assert np.all(np.abs(fill_gelu(x) - wanted) <= 3e-7 * np.abs(x))


def test_what_is_not_finite_is_told():
    found = fill_gelu(np.array([np.nan, np.inf], np.float32))
    assert np.isnan(found[0])
    assert found[1] == np.inf
