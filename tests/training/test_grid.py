"""Grids: variants by hand, and what levels do against loops over trials."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from gamecircuits.training.choices import COMPARED
from gamecircuits.training.effects import describe_mean
from gamecircuits.training.grid import expand_grid, find_variants, get_factors

GRID = {
    "size": {"small": {}, "large": {"d_model": 8}},
    "rate": {"slow": {"learning_rate": 0.1}, "mid": {}, "fast": {"learning_rate": 1.0}},
}
LEVELS = {factor: list(levels) for factor, levels in GRID.items()}
AVERAGES, DRAWS, TRAINED, LONGEST = ["last", "ema"], 3, 2, 5


def test_every_combination_is_a_variant():
    assert expand_grid({}) == {}
    found = expand_grid(GRID)
    assert list(found) == [f"{s}.{r}" for s in GRID["size"] for r in GRID["rate"]]
    assert found["large.fast"] == {"d_model": 8, "learning_rate": 1.0}
    assert found["small.mid"] == {}


def test_a_level_stands_for_all_variants_with_it():
    assert find_variants("mid", LEVELS) == ["small.mid", "large.mid"]
    assert find_variants("large.fast", LEVELS) == ["large.fast"]
    assert find_variants("plain", {}) == ["plain"]


def make_metrics(rng: np.random.Generator, lost: set[tuple[str, int]]) -> pd.DataFrame:
    cells = product(expand_grid(GRID), range(DRAWS), AVERAGES, (2, 3, 4, 5), COMPARED)
    names = ["variant", "number", "average", "length", "metric"]
    table = pd.DataFrame([c for c in cells if c[:2] not in lost], columns=names)
    return table.assign(mean=rng.random(len(table)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "lost",
    [
        set(),
        {("large.mid", 1), ("small.slow", 0)},
        {(f"{size}.mid", n) for size in GRID["size"] for n in range(DRAWS)},
    ],
)
def test_levels_are_compared_in_settings_that_are_otherwise_the_same(lost):
    metrics = make_metrics(np.random.default_rng(len(lost)), lost)
    values = metrics.set_index(["variant", "number", "average", "length", "metric"])["mean"]
    table = get_factors(metrics, TRAINED, LEVELS, AVERAGES, DRAWS)
    assert not table.duplicated(
        ["factor", "level", "given", "average", "eval_length", "metric"]
    ).any()
    assert len(table) == (2 * (1 + 3) + 3 * (1 + 2)) * 2 * 4 * len(COMPARED)
    for row in table.to_dict("records"):
        is_size = row["factor"] == "size"
        others = LEVELS["rate" if is_size else "size"]
        others = [level for level in others if row["given"] in ("all", level)]

        def name(level, other, is_size=is_size):
            return f"{level}.{other}" if is_size else f"{other}.{level}"

        def get(variant, number, average, row=row):
            place = (variant, number, average, row["length"], row["metric"])
            return values.get(place, np.nan)

        own = [get(name(row["level"], o), n, row["average"]) for o in others for n in range(DRAWS)]
        there = [value for value in own if np.isfinite(value)]
        wanted = np.mean(there) if there else np.nan
        assert row["mean"] == pytest.approx(wanted, nan_ok=True)
        assert row["num_trials"] == len(there)
        first = LEVELS[row["factor"]][0]
        kinds = {"vs_level": (first, row["average"]), "vs_average": (row["level"], "last")}
        for kind, (level, average) in kinds.items():
            if (level, average) == (row["level"], row["average"]):
                assert np.isnan(row[f"difference_{kind}"])
                continue
            means = []
            for n in range(DRAWS):
                apart = [
                    get(name(row["level"], o), n, row["average"]) - get(name(level, o), n, average)
                    for o in others
                ]
                if np.isfinite(apart).any():
                    means.append(np.nanmean(apart))
            wanted = describe_mean(np.array(means))
            found = [row[f"{part}_{kind}"] for part in ("difference", "low", "high")]
            np.testing.assert_allclose(found, wanted)
            assert not row[f"adjusted_low_{kind}"] > row[f"low_{kind}"]


def test_without_factors_or_trials_there_is_nothing():
    metrics = make_metrics(np.random.default_rng(0), set())
    assert get_factors(metrics, TRAINED, {}, AVERAGES, DRAWS).empty
    assert get_factors(metrics[:0], TRAINED, LEVELS, AVERAGES, DRAWS).empty
