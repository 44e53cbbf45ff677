"""Figures of searches of deeper models that are hard to lay out."""

import importlib
from functools import partial

from deep_tables import make_deep
from scenarios_plots import HARD, LONG
from test_training_figures import make_tables

HARD = HARD | {"sixteen variants": {"variants": tuple(f"variant_{n}" for n in range(16))}}


def draw(name, search, **given):
    module = importlib.import_module(f"gamecircuits.figures.searches.{name}")
    return module.draw(module.make_table(make_deep(make_tables(**search), **given), 2), LONG, 2)


SCENARIOS = {
    f"{name}, {search}": partial(draw, name, HARD[search])
    for name in ("curves", "effects", "dispersion", "matched", "progress")
    for search in HARD
}
SCENARIOS |= {
    "dispersion, all illegal tokens were played": partial(draw, "dispersion", {}, sorts=()),
    "matched, nothing to match": partial(draw, "matched", {}, settled=True),
}
