"""Figures of searches of deeper models: their tables against the numbers that they come from."""

import importlib

import numpy as np
import pytest
from deep_tables import HEADS, make_deep
from test_training_figures import make_tables

from gamecircuits.figures.searches import curves, dispersion, effects, matched, progress
from gamecircuits.figures.searches._made_for import MADE_FOR
from gamecircuits.kinds import list_modules
from gamecircuits.training.trial import ARCHITECTURES

TRIAL = "variant == 'plain' and number == 0"
SIXTEEN = tuple(f"variant_{n}" for n in range(16))


def seen(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_what_is_made_for_some_architectures_is_there():
    assert set(MADE_FOR) <= set(list_modules("gamecircuits.figures.searches"))
    assert {a for made in MADE_FOR.values() for a in made} <= set(ARCHITECTURES.kinds())


def test_curves_stand_beside_baselines_and_the_number_of_legal_tokens():
    table = curves.make_table(make_deep(make_tables()), 2)
    assert set(table["uniform"]) == set(table["untrained"]) == {0.9}
    by_length = table.drop_duplicates("length").set_index("length")["num_legal"]
    assert by_length.to_dict() == {s: 4 - s / 2 for s in range(1, 5)}
    figure = curves.draw(table, "g", 2)
    upper, foot = figure.axes[0], figure.axes[-1]
    flat = [line for line in upper.lines if set(line.get_ydata()) == {0.9}]
    assert len(flat) == 2
    [line] = foot.lines
    np.testing.assert_allclose(line.get_ydata(), [3.5, 3, 2.5, 2])


def test_of_many_variants_there_is_one_metric_and_one_average():
    tables = make_deep(make_tables(variants=SIXTEEN))
    figure = curves.draw(curves.make_table(tables, 2), "g", 2)
    assert len(seen(figure)) == 16 + 4  # and the feet of four columns
    shown = effects.make_table(tables, 2)
    drawn = effects.draw(shown, "g", 2)
    first = [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert first == [name.replace("_", " ") for name in SIXTEEN[1:]]
    texts = [text.get_text() for text in drawn.axes[0].texts]
    assert texts == ["minus variant 0", "last, same draw"]
    differences = shown.query("versus == 'variant' and average == 'last' and length == 2")
    points = [line.get_xdata() for line in drawn.axes[0].lines if line.get_marker() in ("o", "s")]
    assert {float(x[0]) for x in points} == set(differences["difference"])


def test_entropy_is_the_mean_of_the_heads_of_a_layer():
    tables = make_deep(make_tables())
    table = dispersion.make_table(tables, 2)
    rows = tables["attention"].query(f"{TRIAL} and average == 'ema' and layer == 1 and length == 3")
    assert len(rows) == HEADS
    found = table.query(
        f"{TRIAL} and average == 'ema' and quantity == 'entropy_share' and part == 'layer 2'"
        " and length == 3"
    )
    assert found["value"].to_list() == [pytest.approx(rows["share_of_uniform"].mean())]


def test_displacements_of_illegal_tokens_are_apart_where_there_are_both_sorts():
    tables = make_deep(make_tables())
    wanted = tables["illegal"].query(f"{TRIAL} and average == 'last' and length == 4")
    at = f"{TRIAL} and average == 'last' and length == 4 and quantity == 'displacement'"
    found = dispersion.make_table(tables, 2).query(at)
    assert dict(zip(found["part"], found["value"], strict=True)) == dict(
        zip(wanted["part"], wanted["displacement"], strict=True)
    )
    tables = make_deep(make_tables(), sorts=())
    [row] = dispersion.make_table(tables, 2).query(at).itertuples()
    [mean] = tables["metrics"].query(
        f"{TRIAL} and average == 'last' and length == 4 and metric == 'displacement'"
    )["mean"]
    assert (row.part, row.value) == ("illegal", mean)


def test_the_floor_is_the_mean_over_all_prefixes_in_training():
    """9 of one token, 8 of two; the fixture has floors of 0.2 and 0.1."""
    table = progress.make_table(make_deep(make_tables()), 2)
    floor = (9 * 0.2 + 8 * 0.1) / 17
    np.testing.assert_allclose(table["floor"], floor)
    np.testing.assert_allclose(table["excess"], table["loss"] - floor)
    np.testing.assert_allclose(table["uniform"], 0.9)


def test_matched_differences_are_from_the_lengths_in_training():
    table = matched.make_table(make_deep(make_tables()), 2)
    before = (9 * 0.1 + 8 * 0.2) / 17  # counts times means of the fixture
    for row in table.itertuples():
        assert row.difference == pytest.approx(0.1 * row.length - before)
        assert row.matched_difference == pytest.approx(0.08 * row.length - 0.1)
    axes = matched.draw(table, "g", 2).axes[0]
    bold = [line for line in axes.lines if line.get_linewidth() == matched.MATCHED["linewidth"]]
    assert [list(line.get_xdata()) for line in bold] == [[1, 2]]  # an overlap of 0.8 and 0.6


@pytest.mark.parametrize("name", ["curves", "dispersion", "matched", "progress"])
def test_all_trials_have_a_row_though_they_diverged(name):
    module = importlib.import_module(f"gamecircuits.figures.searches.{name}")
    tables = make_deep(make_tables(lost=[("plain", 1)]))
    table = module.make_table(tables, 2)
    assert table.loc[table["diverged"], ["variant", "number"]].to_numpy().tolist() == [["plain", 1]]
