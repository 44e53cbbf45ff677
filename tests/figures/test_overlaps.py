"""Nothing is drawn over anything, at the width of a page and of a column.

SCENARIOS of every module scenarios_*.py beside this one are drawn: functions by name that return a
figure as it is drawn, of tables that make it hard. To add some, write such a module.
"""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from overlaps import find_faults

from gamecircuits.figures.layout import fit
from gamecircuits.figures.style import COLUMN, FULL, new_figure

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("scenarios_*.py"))
SCENARIOS: dict[str, Callable[[], Figure]] = {
    f"{module.removeprefix('scenarios_')}: {name}": draw
    for module in MODULES
    for name, draw in importlib.import_module(module).SCENARIOS.items()
}


@pytest.mark.parametrize("width", [FULL, pytest.param(COLUMN, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_drawn_over_anything(name, width):
    figure = SCENARIOS[name]()
    fit(figure, width)
    assert find_faults(figure) == []
    assert figure.get_figwidth() == width


def sound():
    """A figure without faults, and its panels."""
    figure, grid = new_figure(1, 2, 7, 2.4)
    for axes in grid.flat:
        axes.plot([1, 2, 3], [1, 3, 2], marker="o")
        axes.set(title="a title", xlabel="length", ylabel="rate")
    return figure, *grid.flat


def test_a_sound_figure_has_no_faults():
    figure, *_ = sound()
    assert find_faults(figure) == []


def break_titles(figure, left, right):
    left.set_title("a title that is longer than its panel is wide " * 2)
    return "overlaps"


def break_headline(figure, left, right):
    figure.suptitle("a headline " * 30)
    return "sticks out"


def break_label(figure, left, right):
    left.annotate("a label", (1, 1), xytext=(2, 2))
    left.annotate("another", (1, 1), xytext=(2, 2))
    return "'a label' overlaps 'another'"


def break_legend(figure, left, right):
    left.plot([1, 2, 3], [2, 2, 2], label="flat")
    left.legend(loc="center")
    left.plot(np.linspace(1, 3, 99), np.full(99, 2), "s")
    return "legend of 'flat' hides"


def break_legend_over_a_line(figure, left, right):
    right.legend([right.axhline(2, label="a line", color="red")], ["a line"], loc="center")
    return "legend of 'a line' hides a line"


def break_note(figure, left, right):
    left.text(1.9, 3, "of something else", va="center")
    return "text 'of something else' hides 1 symbols"


def break_ticks(figure, left, right):
    right.set_xticks(np.linspace(1, 3, 12), [f"{n}00" for n in range(12)])
    return "touches"


def break_panel(figure, left, right):
    right.lines[0].set_data([2], [2])
    right.lines[0].set_marker("")
    return "is empty"


BREAKS = [
    break_titles,
    break_headline,
    break_label,
    break_legend,
    break_legend_over_a_line,
    break_note,
    break_ticks,
    break_panel,
]


@pytest.mark.parametrize("spoil", BREAKS)
def test_what_is_broken_on_purpose_is_found(spoil):
    figure, *panels = sound()
    expected = spoil(figure, *panels)
    assert any(expected in fault for fault in find_faults(figure)), find_faults(figure)


def test_a_text_may_stand_on_its_own_symbol():
    figure, left, _ = sound()
    left.text(2, 3, "4", ha="center", va="center")
    left.annotate("7", (3, 2), xytext=(0, 0), textcoords="offset points", va="center")
    assert find_faults(figure) == []


def test_panels_that_are_not_seen_may_be_empty():
    figure, _, right = sound()
    right.lines[0].remove()
    right.set_visible(False)
    assert find_faults(figure) == []
