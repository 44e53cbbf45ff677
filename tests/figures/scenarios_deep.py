"""Figures of deeper models, and of searches of such, that are hard to lay out."""

import importlib
from functools import partial

import numpy as np
from deep_tables import make_deep
from scenarios_plots import HARD, LONG
from test_training_figures import make_tables
from twins import random_gpt

from gamecircuits.figures.models import attention

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


def draw_attention(V, heads, shape=None, length=4):
    rng = np.random.default_rng(0)
    model = random_gpt(V, 12, rng, heads=heads, width=2 * heads)
    return attention.draw(
        attention.make_table(rng.integers(0, V, (80, 12)), model, length), LONG, shape, length
    )


SCENARIOS |= {
    "attention of a head": partial(draw_attention, 2, 1, length=None),
    "attention over a board": partial(draw_attention, 36, 3, (6, 6)),
    "attention over a line": partial(draw_attention, 9, 2, (1, 9)),
    "attention of many heads": partial(draw_attention, 64, 12, (8, 8)),
}
