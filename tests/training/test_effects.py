"""Paired differences, against differences taken by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gamecircuits.training.architectures.one_layer import OneLayerTrial
from gamecircuits.training.averaging import DEFAULT_AVERAGES
from gamecircuits.training.choices import COMPARED
from gamecircuits.training.effects import (
    adjust,
    describe,
    describe_mean,
    find_earlier,
    find_parts,
    get_effects,
    get_moderators,
    join_strengths,
)
from gamecircuits.training.trial import get_hyperparameters

PLAIN = [0.5, 0.4, 0.7, 0.6]  # trial by trial, at the longest length
NORMED = [0.3, 0.3, None, 0.1]  # one trial diverged


def make_metrics(
    values: dict, seen: dict | None = None, strength: str = "as_trained"
) -> pd.DataFrame:
    """Every metric is the value at length 3, half of it at 1 and 2; seen: on validation games."""
    rows = [
        {"variant": v, "average": a, "number": n, "length": s, "metric": metric}
        | {
            "strength": strength,
            "mean": value * (1 if s == 3 else 0.5),
            "validation": (seen or values)[v, a][n],
        }
        for (v, a), of_trials in values.items()
        for n, value in enumerate(of_trials)
        if value is not None
        for s in (1, 2, 3)
        for metric in COMPARED
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def effects():
    last = {("plain", "last"): PLAIN, ("normed", "last"): NORMED}
    ema = {("plain", "ema"): [value - 0.1 for value in PLAIN]}
    variants = {"plain": {}, "normed": {"norm": "attention"}, "lost": {"learning_rate": 1e9}}
    return get_effects(make_metrics(last | ema), 1, variants, ["last", "ema"], 4, {})


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
    assert len(effects) == 3 * 2 * 3 * len(COMPARED)
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
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 5, {})
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
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 4, {})
    for name in ("with_average", "beyond_parts"):
        found = effects[f"difference_{name}"].dropna()
        assert len(found)
        np.testing.assert_allclose(found, 0, atol=1e-12)
    whole = [value + 0.25 for value in values["both", "ema"]]
    values |= {("both", "ema"): whole}
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 4, {})
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
        {key: getattr(OneLayerTrial(), key) for key in get_hyperparameters("one_layer")}
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


# --- other strengths, and the iterate of the same age ---


def test_strengths_are_compared_among_themselves():
    trained = draw_values(5)
    plain = {cell: values for cell, values in trained.items() if cell[0] != "dropping"}
    rescaled = {("dropping", a): [v + 0.5 for v in trained["dropping", a]] for a in AVERAGES}
    metrics = [make_metrics(trained), make_metrics(plain | rescaled, strength="rescaled")]
    effects = get_effects(pd.concat(metrics), 1, VARIANTS, AVERAGES, 5, {"bema": "ema"})
    of = dict(iter(effects.groupby("strength")))
    assert list(of) == ["as_trained", "rescaled"]  # nothing is matched
    for average in AVERAGES:
        cell = ("dropping", average)
        one, other = (pick(rows, *cell)["difference_vs_variant"] for rows in of.values())
        assert other - one == pytest.approx(0.5)
    assert (of["as_trained"]["num_diverged"] == 0).all()
    assert of["rescaled"]["num_diverged"].isna().all()


def test_only_cells_with_values_have_other_strengths():
    some = {("plain", "last"): PLAIN}
    metrics = [make_metrics(draw_values(4)), make_metrics(some, strength="matched")]
    effects = get_effects(pd.concat(metrics), 1, VARIANTS, AVERAGES, 4, {})
    matched = effects[effects["strength"] == "matched"]
    assert set(zip(matched["variant"], matched["average"], strict=True)) == set(some)
    assert len(effects) == len(VARIANTS) * len(AVERAGES) * 3 * len(COMPARED) + len(matched)


def test_an_average_is_compared_with_the_iterate_of_its_age():
    values = draw_values(5, lost=[("normed", 1)])
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 5, {"bema": "ema"})
    row = pick(effects, "normed", "bema")
    wanted = [values["normed", "bema"][n] - values["normed", "ema"][n] for n in (0, 2, 3, 4)]
    assert (row["pairs_vs_earlier"], row["difference_vs_earlier"]) == (
        4,
        pytest.approx(np.mean(wanted)),
    )
    assert np.isnan(pick(effects, "normed", "ema")["pairs_vs_earlier"])


# --- the best of each ---


def test_the_best_are_those_that_validation_chose():
    """A quarter of all draws, rounded up: of nine the first three of those that finished."""
    values, seen = draw_values(9, lost=[("plain", 0)]), draw_values(9, lost=[("plain", 0)])
    seen["plain", "last"] = [None, *range(7, -1, -1)]
    row = pick(
        get_effects(make_metrics(values, seen), 1, VARIANTS, AVERAGES, 9, {}), "plain", "last"
    )
    best = values["plain", "last"][-3:]
    assert (row["best_mean"], row["best_std"]) == pytest.approx(
        (np.mean(best), np.std(best, ddof=1))
    )


# --- intervals ---


def test_adjusted_intervals_are_those_of_all_comparisons_of_a_kind():
    values = draw_values(6, lost=[("normed", 0)])
    effects = get_effects(make_metrics(values), 1, VARIANTS, AVERAGES, 6, {})
    rows = [pick(effects, "normed", "ema"), pick(effects, "other", "last", "trained")]
    for row, count in zip(rows, (5, 6), strict=True):
        comparisons = 4 * 3  # all variants but the first, with every average, at one length
        level = 1 - 0.05 / comparisons
        found = {name: row[f"{name}_vs_variant"] for name in ("difference", "low", "high")}
        error = (found["high"] - found["low"]) / 2 / stats.t.ppf(0.975, count - 1)
        wanted = stats.t.interval(level, count - 1, found["difference"], error)
        ends = (row["adjusted_low_vs_variant"], row["adjusted_high_vs_variant"])
        assert ends == pytest.approx(wanted)
        assert row["pairs_vs_variant"] == count


def test_too_few_values_have_no_interval():
    assert np.isnan(describe_mean(np.array([]))).all()
    mean, low, high = describe_mean(np.array([2.0]))
    assert (mean, np.isnan(low), np.isnan(high)) == (2, True, True)
    assert describe_mean(np.array([2.0, 2.0])) == (2, 2, 2)
    wanted = stats.ttest_1samp([1.0, 2.0, 4.0], 0).confidence_interval(1 - 0.05 / 7)
    assert describe_mean(np.array([1.0, 2.0, 4.0]), 7)[1:] == pytest.approx(tuple(wanted))


@pytest.mark.parametrize("draws", [6, 8, 16])
@pytest.mark.parametrize("shared", [0, 0.8])  # how far the two of a pair are alike
@pytest.mark.parametrize("law", [lambda z: z, np.exp], ids=["normal", "lognormal"])
def test_intervals_cover(draws, shared, law):
    """Of pairs whose two values have one law; ten comparisons hold together when adjusted."""
    rng, repetitions, comparisons = np.random.default_rng(0), 2000, 10
    parts = rng.normal(size=(3, draws, repetitions * comparisons))
    one, other = (law(shared**0.5 * parts[0] + (1 - shared) ** 0.5 * part) for part in parts[1:])
    table = describe(pd.DataFrame(one - other + 0.3))
    family = np.repeat(np.arange(repetitions), comparisons)
    table = adjust(table.assign(family=family), ["family"])
    covers = (table["low"] <= 0.3) & (table["high"] >= 0.3)
    assert covers.mean() > 0.94
    together = (table["adjusted_low"] <= 0.3) & (table["adjusted_high"] >= 0.3)
    assert together.groupby(family).all().mean() > 0.93


@pytest.mark.parametrize("draws", [6, 8, 16])
def test_intervals_of_skewed_differences_cover_less(draws):
    """The limit that docs/formats.md tells of: a remedy halves errors that are lognormal."""
    z = np.random.default_rng(0).normal(size=(draws, 20_000))
    table = describe(pd.DataFrame(-np.exp(z) / 2))
    true = -np.exp(0.5) / 2
    assert 0.8 < ((table["low"] <= true) & (table["high"] >= true)).mean() < 0.9


def test_an_ema_is_compared_with_the_iterate_of_its_age():
    assert find_earlier(DEFAULT_AVERAGES) == {
        "ema_0.99": "earlier_0.99",
        "ema_0.999": "earlier_0.999",
    }
    alone = {"one": {"kind": "earlier", "decay": 0.9}, "other": {"kind": "ema", "decay": 0.8}}
    assert find_earlier(alone) == {}


def test_metrics_of_all_strengths_are_one_table():
    metrics, scaled = pd.DataFrame({"mean": [1.0]}), pd.DataFrame({"mean": [2.0], "strength": "x"})
    joined = join_strengths(metrics, scaled)
    assert joined.to_dict("list") == {"mean": [1.0, 2.0], "strength": ["as_trained", "x"]}
    assert len(join_strengths(metrics, pd.DataFrame())) == 1
    assert join_strengths(pd.DataFrame(), pd.DataFrame()).empty
