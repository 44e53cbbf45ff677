"""Lines that texts are broken into."""

from gamecircuits.figures.layout import wrap
from gamecircuits.figures.style import new_figure


def test_a_number_stays_with_what_it_counts():
    figure, _ = new_figure(1, 1, 3, 2)
    text = figure.text(0, 0, "no norm; x = 144, β = −17; 23 % outside; displacement = logit gap")
    wrap(text, 50 / 72 * figure.dpi)
    assert text.get_text().split("\n")[1:4] == ["x = 144,", "β = −17;", "23 %"]
