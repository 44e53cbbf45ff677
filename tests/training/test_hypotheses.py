"""Verdicts, against intervals and differences taken by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gamecircuits.training.choices import COMPARED
from gamecircuits.training.hypotheses import judge, judge_hypotheses
from gamecircuits.training.mechanisms import QUANTITIES

CELL = {"variant": "plain", "average": "last", "strength": "as_trained"}
STATED = {
    "name": "h",
    "claim": "It is so.",
    "search": "s",
    "measure": "total_variation",
    "length": "longest",
    "numbers": [0, 1, 2, 3],
    "where": {},
    "between": [0.0, 1.0],
    "cell": CELL,
    "versus": None,
}
SEARCHES = {"s": {"length": 1, "averages": ["last", "ema"]}}
DRAWS = 4


@pytest.fixture(scope="module")
def tables():
    """Two variants, two averages, two strengths; trial 3 of `normed` diverged."""
    rng = np.random.default_rng(0)
    keys = [{"variant": v, "number": n} for v in ("plain", "normed") for n in range(DRAWS)]
    keys = [key for key in keys if key != {"variant": "normed", "number": 3}]
    metrics = pd.DataFrame(
        key | {"average": a, "strength": x, "metric": m, "length": s, "mean": rng.random()}
        | {"standard_form": np.nan}
        for key in keys for a in ("last", "ema") for x in ("as_trained", "matched")
        for m in (*COMPARED, "displacement") for s in (1, 2, 3)
    )  # fmt: skip
    dynamics = pd.DataFrame(
        key | {"step": 5, "x_mean": 1.0 + n, "x_min": 0.5, "x_max": 2.0}
        for n, key in enumerate(keys)
    )
    return {"s": {"metrics": metrics, "dynamics": dynamics, "noise": pd.DataFrame()}}


def check(tables, *stated: dict) -> pd.DataFrame:
    return judge_hypotheses([STATED | changes for changes in stated], tables, SEARCHES)


def read(tables, length=3, metric="total_variation", **cell) -> np.ndarray:
    """Values of a cell by number, found by a loop."""
    wanted = {**CELL, **cell, "metric": metric, "length": length}
    rows = tables["s"]["metrics"].to_dict("records")
    found = {r["number"]: r["mean"] for r in rows if all(r[k] == v for k, v in wanted.items())}
    return np.array([found.get(n, np.nan) for n in range(DRAWS)])


def test_the_interval_is_students_for_all_hypotheses_together(tables):
    table = check(tables, {}, {"length": "twice"}, {"length": "trained"})
    for row, length in zip(table.itertuples(), (3, 2, 1), strict=True):
        values = read(tables, length)
        low, high = stats.ttest_1samp(values, 0).confidence_interval(1 - 0.05 / 3)
        assert (row.mean, row.std) == pytest.approx((values.mean(), values.std(ddof=1)))
        assert row.skewness == pytest.approx(stats.skew(values, bias=False))
        assert (row.low, row.high) == pytest.approx((low, high))
        assert (row.num_trials, row.num_missing, row.unit) == (DRAWS, 0, "probability")


def test_differences_are_in_pairs_and_what_is_missing_is_counted(tables):
    cell = {"variant": "normed", "average": "ema", "strength": "matched"}
    versus = CELL | {"average": "ema"}
    [row] = check(tables, {"cell": cell, "versus": versus, "numbers": [1, 2, 3]}).itertuples()
    wanted = (read(tables, **cell) - read(tables, **versus))[[1, 2]]
    assert row.mean == pytest.approx(wanted.mean())
    assert (row.num_trials, row.num_missing) == (2, 1)
    assert row.compared == ("normed, matched minus plain, as_trained; ema; at the longest length")


def test_levels_are_compared_in_settings_that_are_otherwise_the_same():
    """Levels of two factors have a variant in common, and no settings to go by."""
    values = {"a.x": 1.0, "a.y": 2.0, "b.y": 7.0, "b.x": np.nan}
    metrics = pd.DataFrame(
        CELL | {"variant": variant, "number": n, "metric": "total_variation", "length": 3}
        | {"mean": value + n}
        for variant, value in values.items() for n in range(DRAWS) if np.isfinite(value)
    )  # fmt: skip
    searches = {"s": SEARCHES["s"] | {"levels": [["ab", ["a", "b"]], ["xy", ["x", "y"]]]}}

    def compare(variant, versus):
        cells = {"cell": CELL | {"variant": variant}, "versus": CELL | {"variant": versus}}
        found = judge_hypotheses([STATED | cells], {"s": {"metrics": metrics}}, searches)
        return found["mean"][0]

    assert compare("b", "a") == pytest.approx(7 - 2)
    assert compare("x", "y") == pytest.approx(1 - 2)
    assert compare("a", "y") == pytest.approx((1 + 2) / 2 - (2 + 7) / 2)
    assert compare("a", "b.y") == pytest.approx((1 + 2) / 2 - 7)


def test_quantities_are_those_of_the_mechanism(tables):
    stated = {"measure": "x_mean", "length": None, "cell": CELL | {"variant": "normed"}}
    versus = {"versus": CELL, "where": {"schedule": "constant"}}
    one, other = check(tables, stated, stated | versus).itertuples()
    assert (one.mean, one.num_missing) == (pytest.approx(np.mean([5, 6, 7])), 1)
    assert (one.unit, one.compared) == (QUANTITIES["x_mean"][0], "normed")
    assert (other.mean, other.std) == (pytest.approx(4), pytest.approx(0))
    assert (other.low, other.high) == pytest.approx((4, 4))
    assert other.compared == "normed minus plain; schedule: constant"


def test_what_diverged_as_a_whole_is_undecided(tables):
    nothing = {"s": dict.fromkeys(("metrics", "dynamics", "noise"), pd.DataFrame())}
    stated = [{}, {"measure": "x_mean", "length": None}]
    for some in (nothing, tables | {"s": tables["s"] | {"metrics": tables["s"]["metrics"][:0]}}):
        table = check(some, *stated)
        assert table["verdict"].tolist() == ["undecided"] * 2
        assert table["num_missing"].tolist() == [DRAWS] * 2
    [row] = check(tables, {"numbers": [2]}).itertuples()
    assert (row.verdict, row.num_trials) == ("undecided", 1)  # one value has no interval


@pytest.mark.parametrize(
    ("interval", "region", "verdict"),
    [
        ((0.1, 0.2), (0.1, 0.2), "supported"),
        ((0.1, 0.2), (0.11, 0.3), "undecided"),
        ((0.1, 0.2), (0.2, 0.3), "undecided"),  # they touch
        ((0.1, 0.2), (0.21, 0.3), "contradicted"),
        ((0.1, 0.2), (-0.3, 0.09), "contradicted"),
        ((-1.0, 1.0), (-0.1, 0.1), "undecided"),  # wider than the region
        ((0.1, 0.2), (np.nan, 0.3), "supported"),
        ((0.1, 0.2), (np.nan, 0.0), "contradicted"),
        ((0.1, 0.2), (0.15, np.nan), "undecided"),
        ((np.nan, np.nan), (np.nan, 0.3), "undecided"),
    ],
)
def test_a_verdict_is_of_the_whole_interval(interval, region, verdict):
    assert judge(*interval, *region) == verdict
    mirrored = [-end for end in (*reversed(interval), *reversed(region))]
    assert judge(*mirrored) == verdict


def test_few_verdicts_are_wrong():
    """Of twenty true hypotheses whose regions end at the mean, all are spared in 95 % of runs."""
    rng, runs, together, draws = np.random.default_rng(0), 100, 20, 6
    wrong = 0
    for _ in range(runs):
        values = rng.normal(size=(together, draws))
        metrics = pd.DataFrame(
            CELL | {"variant": f"v{h}", "number": n, "metric": "total_variation", "length": 3}
            | {"mean": values[h, n]}
            for h in range(together) for n in range(draws)
        )  # fmt: skip
        stated = [
            {"cell": CELL | {"variant": f"v{h}"}, "between": [0.0, None], "numbers": range(draws)}
            for h in range(together)
        ]
        verdicts = check({"s": {"metrics": metrics}}, *stated)["verdict"]
        wrong += (verdicts != "undecided").any()
    assert wrong <= 12  # 5 are expected at most; more than 12 have a chance of 0.001
