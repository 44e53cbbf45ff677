"""The figure of edits: what is drawn where."""

import numpy as np
import pytest
from scenarios_edits import draw_edits, make_edits

from gamecircuits.figures.audits.edits import BY_LENGTH, EFFECTS, MASSES

CASE = "connect four", 14


@pytest.fixture(scope="module")
def drawn():
    return draw_edits("mine", *CASE), make_edits(*CASE)[1]


def find_points(axes):
    """Places of all symbols, as a set of (x, line of the axis)."""
    lines = [line for line in axes.lines if line.get_marker() in ("o", "^", "v")]
    return {(round(x, 9), round(y)) for line in lines for x, y in line.get_xydata()}


def test_every_effect_stands_in_its_line(drawn):
    figure, table = drawn
    panels = {axes.get_title("left"): axes for axes in figure.axes}
    rows = table[(table["part"] == EFFECTS) & (table["intervention"] != "no edit")]
    for title, is_shown in (
        ("errors", rows["measure"] == "errors"),
        ("probability", rows["measure"].isin(MASSES) & (rows["group"] == "trained")),
    ):
        axes = panels[f"erase: {title}"]
        heights = {text.get_text(): text.get_position()[1] for text in axes.get_yticklabels()}
        wanted = rows[is_shown & (rows["edit"] == "erase")]
        places = zip(wanted["effect"], wanted["intervention"], strict=True)
        assert find_points(axes) == {(round(x, 9), heights[name]) for x, name in places}


def test_errors_by_length_are_means(drawn):
    figure, table = drawn
    axes = next(a for a in figure.axes if a.get_title("left") == "erase: errors by length")
    rows = table[(table["part"] == BY_LENGTH) & (table["edit"] == "erase")]
    curves = [line.get_xydata() for line in axes.lines if line.get_marker() == "o"]
    assert len(curves) == 2
    for name, curve in zip(("no edit", "the edit"), curves, strict=True):
        wanted = rows[rows["intervention"] == name].sort_values("length")[["length", "mean"]]
        np.testing.assert_allclose(curve, wanted.to_numpy(float))
