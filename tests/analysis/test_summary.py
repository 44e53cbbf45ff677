import math

import numpy as np
import pytest

from gamecircuits.analysis import summary
from gamecircuits.analysis.metrics import METRICS
from gamecircuits.analysis.summary import QUANTILES, Summary

STATISTICS = ["mean", "std", "min", *QUANTILES, "max"]


def test_quantiles_of_many_contexts_come_from_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr(summary, "MAX_QUANTILE_CONTEXTS", 100)
    found, values = Summary(950), np.arange(950.0)
    for chunk in np.split(values, [7, 300, 301, 620]):
        found.add(np.tile(chunk, (len(METRICS), 1)))
    row = found.rows()[0]
    assert row["quantile_count"] == 95
    assert (row["count"], row["mean"], row["min"], row["max"]) == (950, 474.5, 0, 949)
    assert row["std"] == pytest.approx(values.std())
    assert row["median"] == np.median(values[::10])


UNDEFINED = [
    [[np.nan, 2.0, 4.0], [np.nan], [9.0]],  # within a chunk, and all of one
    [[np.nan, np.nan], [3.0], [np.nan, 5.0, 5.0, np.nan]],
    [[7.0], [np.nan] * 3],
    [[np.nan], [np.nan]],
    [[], [1.0, 2.0], []],
]
INFINITE = [
    [[1.0, np.inf, 2.0], [3.0, 4.0]],
    [[1.0] * 9, [-np.inf, np.nan]],
    [[np.inf], [np.inf]],
    [[-np.inf, 0.0, 0.0], [0.0, np.inf]],
]


@pytest.mark.parametrize("chunks", UNDEFINED + INFINITE, ids=str)
def test_undefined_values_do_not_count_and_infinite_ones_do(chunks):
    """In one metric, beside others that are defined everywhere."""
    total = sum(map(len, chunks))
    found, others = Summary(total), np.random.default_rng(0).normal(size=total)
    start = 0
    for chunk in map(np.array, chunks):
        values = np.tile(others[start : start + len(chunk)], (len(METRICS), 1))
        values[2] = chunk
        found.add(values)
        start += len(chunk)
    rows = found.rows()
    values = [value for chunk in chunks for value in chunk if not np.isnan(value)]
    row = rows[2]
    assert (row["count"], row["quantile_count"]) == (len(values), len(values))
    if not values:
        assert all(np.isnan(row[name]) for name in STATISTICS)
        return
    assert (row["min"], row["max"]) == (min(values), max(values))
    np.testing.assert_equal(row["mean"], sum(values) / len(values))
    is_finite = np.isfinite(values).all()
    np.testing.assert_allclose(row["std"], np.std(values) if is_finite else np.nan, atol=1e-15)
    ordered = sorted(values)
    for name, level in QUANTILES.items():
        place = level * (len(values) - 1)
        low, high = ordered[int(place)], ordered[math.ceil(place)]
        between = low if low == high else low + (high - low) * (place % 1)
        if np.isinf(low) != np.isinf(high):
            between = low if np.isinf(low) else high
        np.testing.assert_allclose(row[name], between)
    for other in rows[:2] + rows[3:]:
        assert other["count"] == total
        np.testing.assert_allclose([other["mean"], other["std"]], [others.mean(), others.std()])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_spread_far_below_the_mean_keeps_its_digits(dtype):
    values = (1e4 + np.random.default_rng(0).normal(size=(len(METRICS), 1000))).astype(dtype)
    found = Summary(1000)
    for chunk in np.split(values, [3, 640, 641], axis=1):
        found.add(chunk)
    for row, wanted in zip(found.rows(), values.astype(float), strict=True):
        assert row["mean"] == pytest.approx(wanted.mean(), rel=1e-15)
        assert row["std"] == pytest.approx(wanted.std(), rel=1e-12)
        assert [row[name] for name in QUANTILES] == pytest.approx(
            np.quantile(wanted, [*QUANTILES.values()]), rel=1e-15
        )
