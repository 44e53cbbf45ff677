"""The figure of the bridge shows the table it is given."""

import numpy as np
from scenarios_first_layer import make_bridge

from gamecircuits.figures.audits import first_layer
from gamecircuits.figures.style import GREY
from gamecircuits.games.game import make_game

GAME = make_game("mnk", rows=3, columns=3, in_a_row=3)


def test_what_is_drawn_is_in_the_tables():
    given = make_bridge(9, 8, 5, 2)
    figure = first_layer.draw(first_layer.make_table(given._asdict(), 5), "m", GAME, 5)
    displaced, layers, circuit, *_, mass = figure.axes[:6]
    wanted = given.circuit["logit"].to_numpy().reshape(9, 9)
    np.testing.assert_allclose(circuit.images[0].get_array(), wanted)
    assert [label.get_text() for label in circuit.get_xticklabels()][:4] == ["a1", "b1", "c1", "a2"]
    law, spread, form, measured = displaced.lines
    assert law.get_color() == GREY
    np.testing.assert_allclose(measured.get_ydata(), given.lengths["measured"])
    np.testing.assert_allclose(spread.get_ydata(), given.lengths["level_spread"])
    np.testing.assert_allclose(form.get_ydata(), given.lengths["by_form"])
    assert len(layers.lines) == 5
    assert len(mass.lines) == 2 * 4 + 1
