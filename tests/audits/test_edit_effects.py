"""Means of edits with intervals over games: against Student's, and pairs against plain loops."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gamecircuits.audits.edit_cases import MEASURES
from gamecircuits.audits.edit_effects import summarise_edits
from gamecircuits.audits.edits import EDIT, NO_EDIT

ODD = "random direction"


def make_cases(copies=1, games=12):
    """A case of each game, and copies of it."""
    rng = np.random.default_rng(0)
    rows = []
    for game in range(games):
        values = {name: rng.random() for name in MEASURES}
        steps = {NO_EDIT: 0.0, EDIT: -0.5 + rng.normal(0, 0.1), ODD: rng.normal(0, 0.01)}
        for copy in range(copies):
            about = {"case": copies * game + copy, "game": game, "edit": "flip", "moves": "change"}
            about |= {"length": 1 + game % 3, "lengths": "trained", "reachable": "reachable"}
            for name, step in steps.items():
                changed = {of: value + step for of, value in values.items()}
                rows.append(about | {"intervention": name} | changed)
    return pd.DataFrame(rows)


def find(table, intervention, measure="errors", by="all"):
    of = (table["intervention"] == intervention) & (table["measure"] == measure)
    return table[of & (table["by"] == by)].iloc[0]


def test_intervals_are_students_over_games():
    cases = make_cases()
    table = summarise_edits(cases)
    wide = cases.pivot(index="case", columns="intervention", values="errors")
    for name in (NO_EDIT, EDIT, ODD):
        row = find(table, name)
        change = wide[name] - wide[NO_EDIT]
        for columns, values in ((("mean", "low", "high"), wide[name]),
                                (("effect", "effect_low", "effect_high"), change)):  # fmt: skip
            test = stats.ttest_1samp(values, 0)
            low, high = test.confidence_interval(0.95) if values.any() else (0, 0)
            assert row[list(columns)].tolist() == pytest.approx([values.mean(), low, high])
    assert find(table, EDIT)["verdict"] == "outside the margin"
    assert find(table, ODD)["verdict"] == "within the margin"
    assert find(table, ODD, "illegal")["margin"] == 0.02


def test_copies_of_cases_say_nothing_new():
    one, many = (find(summarise_edits(make_cases(copies)), EDIT) for copies in (1, 5))
    assert many["count"] == 5 * one["count"]
    same = ["games", "mean", "low", "high", "effect_low", "effect_high"]
    assert many[same].tolist() == pytest.approx(one[same].tolist())


def test_a_single_game_has_no_interval_and_no_verdict():
    row = find(summarise_edits(make_cases(3, games=1)), EDIT)
    assert np.isnan(row["low"])
    assert row["verdict"] == "undecided"


def test_what_cases_have_not_is_left_out():
    cases = make_cases()
    cases.loc[cases["game"] < 4, "newly_legal"] = np.nan
    table = summarise_edits(cases)
    assert find(table, EDIT, "newly_legal")["count"] == 8
    assert find(table, EDIT)["count"] == 12
    assert find(table, EDIT, by="length")["count"] == 4
    assert set(table.loc[table["by"] == "length", "group"]) == {"1", "2", "3"}
