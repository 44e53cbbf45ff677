"""The figure of an attribution: every number of its table is in its place."""

import numpy as np
import pytest
from scenarios_attribution import OTHELLO, attribute

from gamecircuits.figures.audits.attribution import draw, make_table
from gamecircuits.games.game import make_game


@pytest.fixture(scope="module")
def case():
    """What was found, its table, and the panels drawn."""
    found = attribute("a board")
    table = make_table(found._asdict(), 6)
    return found, table, draw(table, "m", make_game(**OTHELLO), 6)


def test_the_table_has_lengths_in_training_and_beyond(case):
    found, table, _ = case
    for part, whole, column in (
        ("sum", found.attributed, "displacement"),
        ("ablated", found.ablated.query("metric == 'illegal_token_rate'"), "change"),
        ("paths", found.paths, "change"),
    ):
        for is_trained, first, last in ((True, 1, 6), (False, 7, 12)):
            rows = table[(table["part"] == part) & (table["is_trained"] == is_trained)]
            wanted = whole[(whole["first_length"] == first) & (whole["last_length"] == last)]
            assert rows["value"].tolist() == wanted[column].tolist()
    assert set(table.loc[table["part"] == "squares", "state"]) == {"seen", "unseen"}


def test_squares_and_components_stand_where_they_are(case):
    _, table, figure = case
    for axes, state in zip(figure.axes[:2], ["seen", "unseen"], strict=True):
        rows = table[table["is_trained"] & (table["part"] == "squares")]
        rows = rows[rows["state"] == state]
        components = rows["component"].unique()
        assert len(components) == 9
        assert [text.get_text().split("\n")[0] for text in axes.texts] == [*components]
        for component, image in zip(components, axes.images, strict=True):
            own = rows[rows["component"] == component].set_index("token")["value"]
            values = image.get_array().filled(np.nan).ravel()
            np.testing.assert_array_equal(values, own.reindex(range(16)))


def test_blue_is_below_zero(case):
    image = case[2].axes[0].images[0]
    low, high = image.cmap(image.norm([-1.0, 1.0]))
    assert low[2] > low[0]
    assert high[0] > high[2]


def test_paths_lead_forward_only(case):
    _, table, figure = case
    axes = figure.axes[3]
    senders = [label.get_text() for label in axes.get_yticklabels()]
    receivers = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert receivers[-1] == "logits"
    shown = axes.images[0].get_array()
    rows = table.query("part == 'paths' and is_trained").set_index(["component", "receiver"])
    for y, x in np.ndindex(shown.shape):
        pair = senders[y], receivers[x]
        assert shown.mask[y, x] == (pair not in rows.index)
        assert shown.mask[y, x] or shown[y, x] == rows.loc[pair, "value"]


def test_few_of_many_components_are_drawn_and_it_says_so():
    found = attribute("many heads")
    figure = draw(make_table(found._asdict(), 6), "m", make_game(**OTHELLO), 6)
    assert "the 15 largest of 23 components are drawn" in figure.get_suptitle()
    assert len(figure.axes[0].images) == 15
