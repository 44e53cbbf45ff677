"""Paired differences, against differences taken by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gamecircuits.training.effects import METRICS, get_effects, name_lengths

PLAIN = [0.5, 0.4, 0.7, 0.6]  # trial by trial, at the longest length
NORMED = [0.3, 0.3, None, 0.1]  # one trial diverged


def make_metrics(values: dict) -> pd.DataFrame:
    """Every metric is the value at length 3, half of it at 1 and 2."""
    rows = [
        {"variant": v, "average": a, "number": n, "length": s, "metric": metric}
        | {"mean": value * (1 if s == 3 else 0.5)}
        for (v, a), of_trials in values.items()
        for n, value in enumerate(of_trials)
        if value is not None
        for s in (1, 2, 3)
        for metric in METRICS
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def effects():
    last = {("plain", "last"): PLAIN, ("normed", "last"): NORMED}
    ema = {("plain", "ema"): [value - 0.1 for value in PLAIN]}
    return get_effects(make_metrics(last | ema), 1, ["plain", "normed", "lost"], ["last", "ema"])


def pick(effects, variant, average, reach="longest"):
    found = effects[(effects["variant"] == variant) & (effects["average"] == average)]
    return found[(found["reach"] == reach) & (found["metric"] == "total_variation")].iloc[0]


def test_variants_are_compared_in_pairs(effects):
    row = pick(effects, "normed", "last")
    differences = [-0.2, -0.1, -0.5]  # the third pair is not complete
    assert (row["num_trials"], row["pairs_vs_variant"], row["share_better_vs_variant"]) == (3, 3, 1)
    assert row["difference_vs_variant"] == pytest.approx(np.mean(differences))
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (row["low_vs_variant"], row["high_vs_variant"]) == pytest.approx(tuple(interval))
    assert pick(effects, "normed", "last", "twice")["difference_vs_variant"] == pytest.approx(
        np.mean(differences) / 2
    )


def test_averages_are_compared_along_the_same_trajectory(effects):
    row = pick(effects, "plain", "ema")
    assert (row["pairs_vs_average"], row["difference_vs_average"]) == (4, pytest.approx(-0.1))
    assert row["high_vs_average"] == pytest.approx(-0.1)  # the same in all pairs
    assert np.isnan(row["pairs_vs_variant"])  # nothing is compared with itself
    assert row["best_mean"] == pytest.approx(0.3)  # of the best of four at the trained length


def test_what_diverged_is_counted_as_nothing(effects):
    assert len(effects) == 3 * 2 * 3 * len(METRICS)
    row = pick(effects, "lost", "last")
    assert (row["num_trials"], row["pairs_vs_variant"]) == (0, 0)
    assert np.isnan(row["difference_vs_variant"])


def test_no_length_is_beyond_the_longest():
    assert name_lengths(5, 11) == {"trained": 5, "twice": 10, "longest": 11}
    assert name_lengths(8, 11) == {"trained": 8, "twice": 11, "longest": 11}
    assert name_lengths(8, 6) == {"trained": 6, "twice": 6, "longest": 6}
