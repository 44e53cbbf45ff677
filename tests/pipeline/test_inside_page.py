"""The page on what models know of the board: its tables and numbers."""

from pathlib import Path

import pandas as pd
import pytest

from gamecircuits.pipeline import inside_page
from gamecircuits.pipeline.inside_page import Inside, percent, round_all
from gamecircuits.pipeline.page import Estimate, read_table

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def small():
    """The first audit that docs/ shows."""
    tables = {path.stem: read_table(path) for path in (DOCS / inside_page.FOLDER).glob("*.csv")}
    return Inside({name: rows[rows["audit"] == "small"] for name, rows in tables.items()})


def test_lengths_are_named_by_the_trained_one():
    rows = [("a", 1, 1), ("a", 2, 2), ("a", 1, 2), ("a", 3, 3), ("a", 4, 4), ("a", 3, 4)]
    table = pd.DataFrame(rows, columns=["model", "first_length", "last_length"])
    table["value"] = range(len(rows))
    found = inside_page._name_sides(table, ["model"], 2)
    assert found[["value", "lengths"]].to_numpy().tolist() == [[2, "trained"], [5, "beyond"]]
    whole = pd.DataFrame([("a", 1, 4)], columns=["model", "first_length", "last_length"])
    assert inside_page._name_sides(whole, ["model"], None)["lengths"].tolist() == ["trained"]


def test_numbers_are_those_of_the_tables(small):
    probes = small.tables["probes"]
    keys = {"model": "small", "lengths": "beyond", "weights": "shuffled", "layer": 1.0}
    keys |= {"fitted_on": "all lengths", "prefixes": "all", "probe": "linear", "labels": "true"}
    [row] = probes[(probes[list(keys)] == pd.Series(keys)).all(axis=1)].to_dict("records")
    found = small.probe("small", 1.0, "beyond", "shuffled")
    assert found.value == row["accuracy"]
    assert found.high - found.low == pytest.approx(2 * 1.96 * row["accuracy_error"])
    trained = [small.probe("small", n, "trained", "linear", "trained").value for n in small.layers]
    assert trained[small.layers.index(small.best_layer("small"))] == max(trained)
    assert percent(small.probe("small", 0.5, "trained", "mlp")) == "–"
    edits = small.tables["edits"]
    rows = edits[(edits["model"] == "small") & (edits["edit"] == "flip")]
    rows = rows[(rows["group"] == "trained") & (rows["measure"] == "errors")].set_index(
        "intervention"
    )
    names = ("small", "flip", "trained", "the edit")
    assert small.effect(names, "errors").value == rows.loc["the edit", "effect"]
    gain = rows.loc["the edit", "mean"] - rows.loc["no edit", "mean"]
    assert small.effect(names, "errors").value == pytest.approx(gain, abs=1e-4)


@pytest.mark.parametrize(("early", "late", "shown"), [
    ((-0.6, -0.4), (-0.3, -0.1), True), ((-0.6, -0.3), (-0.3, -0.1), False),
    ((-0.3, -0.1), (-0.6, -0.4), False), ((-0.6, -0.1), (-0.5, -0.2), False),
])  # fmt: skip
def test_use_is_shown_by_fewer_errors_than_after_the_last_layer(early, late, shown):
    """At other lengths, and for other measures, it is the other way round."""
    rows = []
    for group, measure, is_this in [("trained", "errors", True), ("beyond", "errors", False),
                                    ("trained", "newly_legal", False)]:  # fmt: skip
        ends = {"the edit": early, "after the last layer": late}
        if not is_this:
            ends = {"the edit": (0, 1) if shown else (-9, -8), "after the last layer": (0, 1)}
        rows += [
            {"model": "a", "edit": "flip", "group": group, "intervention": name,
             "measure": measure, "effect": sum(end) / 2, "effect_low": end[0],
             "effect_high": end[1]}
            for name, end in ends.items()
        ]  # fmt: skip
    inside = Inside({"edits": pd.DataFrame(rows)})
    assert inside.shows_use("a", "flip", "trained") == shown
    assert inside.shows_use("a", "flip", "beyond") != shown


def test_numbers_in_words():
    assert percent(Estimate(0.975, 0.973, 0.977)) == "97.5 ± 0.2"
    assert round_all([-1.256, float("nan")]) == ["−1.26", "–"]
