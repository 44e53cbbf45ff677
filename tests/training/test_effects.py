"""Paired differences, against differences taken by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gamecircuits.randomness import get_rng
from gamecircuits.training.effects import (
    METRICS,
    RESAMPLES,
    find_parts,
    get_effects,
    get_moderators,
)
from gamecircuits.training.trial import HYPERPARAMETERS, Trial

PLAIN = [0.5, 0.4, 0.7, 0.6]  # trial by trial, at the longest length
NORMED = [0.3, 0.3, None, 0.1]  # one trial diverged


def make_metrics(values: dict, seen: dict | None = None) -> pd.DataFrame:
    """Every metric is the value at length 3, half of it at 1 and 2; seen: on validation games."""
    rows = [
        {"variant": v, "average": a, "number": n, "length": s, "metric": metric}
        | {"mean": value * (1 if s == 3 else 0.5), "validation": (seen or values)[v, a][n]}
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
    variants = {"plain": {}, "normed": {"norm": "attention"}, "lost": {"learning_rate": 1e9}}
    return get_effects(make_metrics(last | ema), 1, variants, ["last", "ema"], 4)


def pick(effects, variant, average, eval_length="longest"):
    found = effects[(effects["variant"] == variant) & (effects["average"] == average)]
    return found[
        (found["eval_length"] == eval_length) & (found["metric"] == "total_variation")
    ].iloc[0]


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


# --- interactions ---

VARIANTS = {
    "plain": {},
    "normed": {"norm": "attention", "gain": 2.0},
    "dropping": {"attention_dropout": 0.1},
    "other": {"attention_dropout": 0.2},
    "both": {"attention_dropout": 0.1, "norm": "attention", "gain": 2.0},
}
AVERAGES = ["last", "ema", "bema"]


def draw_values(trials: int, lost=()) -> dict:
    """Random values by (variant, average); trials of `lost`, (variant, number), diverged."""
    rng = np.random.default_rng(0)
    return {
        (v, a): [None if (v, n) in lost else value for n, value in enumerate(rng.random(trials))]
        for v in VARIANTS
        for a in AVERAGES
    }


def test_interaction_with_an_average_is_a_difference_of_differences():
    values = draw_values(5, lost=[("normed", 2)])
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 5)
    row = pick(effects, "normed", "ema")
    wanted = [
        (values["normed", "ema"][n] - values["normed", "last"][n])
        - (values["plain", "ema"][n] - values["plain", "last"][n])
        for n in (0, 1, 3, 4)
    ]
    assert row["pairs_with_average"] == 4
    assert row["difference_with_average"] == pytest.approx(np.mean(wanted))
    interval = stats.ttest_1samp(wanted, 0).confidence_interval(0.95)
    assert (row["low_with_average"], row["high_with_average"]) == pytest.approx(tuple(interval))
    assert row["share_better_with_average"] == np.mean([value < 0 for value in wanted])
    for cell in [("normed", "last"), ("plain", "ema")]:  # nothing interacts with the baseline
        assert np.isnan(pick(effects, *cell)["pairs_with_average"])


def test_effects_that_add_up_do_not_interact():
    base = np.array([0.5, 0.4, 0.7, 0.6])
    shift = {"plain": 0, "normed": -0.2, "dropping": 0.1, "other": 0.3, "both": -0.1}
    values = {(v, a): list(base + shift[v] - 0.05 * n) for v in shift
              for n, a in enumerate(AVERAGES)}  # fmt: skip
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 4)
    for name in ("with_average", "beyond_parts"):
        found = effects[f"difference_{name}"].dropna()
        assert len(found)
        np.testing.assert_allclose(found, 0, atol=1e-12)
    whole = [value + 0.25 for value in values["both", "ema"]]
    values |= {("both", "ema"): whole}
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 4)
    row = pick(effects, "both", "ema")
    assert (row["parts"], row["pairs_beyond_parts"]) == ("normed + dropping", 4)
    assert row["difference_beyond_parts"] == pytest.approx(0.25)
    assert pick(effects, "both", "last")["difference_beyond_parts"] == pytest.approx(0)


def test_parts_are_overrides_that_make_up_the_whole():
    assert find_parts(VARIANTS) == {"both": ("normed", "dropping")}
    assert find_parts(VARIANTS | {"plain": {"tied": True}}) == {}
    assert find_parts({"plain": {}, "a": {"gain": 1.0}, "b": {"gain": 1.0}}) == {}
    assert find_parts({"plain": {}, "whole": {"gain": 2.0, "tied": True}, "a": {"gain": 2.0}}) == {}


def test_moderators_are_the_effects_of_a_part_of_the_draws():
    values = draw_values(6, lost=[("normed", 4)])
    schedules = ["cosine", "constant", "cosine", "constant", "cosine", "constant"]
    drawn = [
        {key: getattr(Trial(), key) for key in HYPERPARAMETERS}
        | {"variant": v, "number": n, "schedule": schedule, "learning_rate": 0.001 * (n + 1)}
        for v in VARIANTS for n, schedule in enumerate(schedules)
    ]  # fmt: skip
    table = get_moderators(make_metrics(values), pd.DataFrame(drawn), 1, list(VARIANTS), AVERAGES)
    assert table["hyperparameter"].unique().tolist() == ["schedule"]  # six learning rates: too many
    rows = table.set_index(["value", "variant", "average", "eval_length", "versus"])
    for value, numbers in {"cosine": [0, 2], "constant": [1, 3, 5]}.items():  # 4 diverged
        row = rows.loc[(value, "normed", "ema", "longest", "variant")]
        wanted = [values["normed", "ema"][n] - values["plain", "ema"][n] for n in numbers]
        assert row["pairs"] == len(numbers)
        assert row["difference"] == pytest.approx(np.mean(wanted))
        row = rows.loc[(value, "normed", "ema", "longest", "average")]
        wanted = [values["normed", "ema"][n] - values["normed", "last"][n] for n in numbers]
        assert row["difference"] == pytest.approx(np.mean(wanted))
    assert ("cosine", "plain", "last", "longest", "average") not in rows.index


# --- the best of each ---


def best_mean_by_sorting(seen, values, numbers):
    """Of trial numbers, some of them several times; None is a trial that diverged."""
    kept = sorted((seen[n], values[n]) for n in numbers if values[n] is not None)
    quarter = kept[: math.ceil(len(numbers) / 4)]  # of all that were drawn
    return sum(value for _, value in quarter) / len(quarter) if quarter else np.nan


@pytest.mark.parametrize("lost", [[], [("normed", 1), ("normed", 2), ("normed", 3)]], ids=str)
def test_the_best_are_compared_as_one_would_by_sorting(lost):
    """The resamples are drawn as effects draws them; what is done with them is not."""
    size = 9 if not lost else 4
    seen, at_longest = draw_values(size, lost), draw_values(size, lost)
    rng = np.random.default_rng(1)
    at_longest = {key: [None if v is None else rng.random() for v in values]
                  for key, values in at_longest.items()}  # fmt: skip
    effects = get_effects(make_metrics(at_longest, seen), 1, VARIANTS, AVERAGES, size)
    counts = get_rng(0, "resampled trials").multinomial(size, [1 / size] * size, size=RESAMPLES)
    draws = [np.repeat(np.arange(size), count).tolist() for count in counts]
    for cell, base, name in [
        (("normed", "last"), ("plain", "last"), "variant"),
        (("normed", "ema"), ("normed", "last"), "average"),
    ]:
        means = {
            key: [best_mean_by_sorting(seen[key], at_longest[key], numbers)
                  for numbers in [range(size), *draws]]
            for key in (cell, base)
        }  # fmt: skip
        row = pick(effects, *cell)
        assert row["best_mean"] == pytest.approx(means[cell][0])
        differences = np.array(means[cell]) - means[base]
        assert row[f"best_difference_vs_{name}"] == pytest.approx(differences[0])
        assert np.isnan(differences).any() == bool(lost)
        wanted = np.nanpercentile(differences[1:], [2.5, 97.5])
        found = row[[f"best_low_vs_{name}", f"best_high_vs_{name}"]].astype(float)
        np.testing.assert_allclose(found, wanted)
