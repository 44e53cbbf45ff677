"""Figures of deeper models, and of searches of such, that are hard to lay out."""

import importlib
from functools import partial

import numpy as np
from deep_tables import make_deep, make_gridded
from gpts import make_gpt
from scenarios_plots import HARD, LONG
from test_training_figures import make_tables

from gamecircuits.figures.grids import extrapolation
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
    model = make_gpt(rng, V=V, num_heads=heads, d_k=2, num_positions=12, scale=0.5)
    return attention.draw(
        attention.make_table(rng.integers(0, V, (80, 12)), model, length), LONG, shape, length
    )


def draw_grid(searches, factors, levels):
    """Searches of long names, with factors of so many levels."""
    names = [[f"factor_{n}", [f"level_{n}_{k}" for k in range(levels)]] for n in range(factors)]
    about = {"game": LONG, "length": 100, "levels": names}
    metrics, baselines = make_gridded(dict(names), trained=100)
    named = [(f"{LONG}_{n}", about) for n in range(searches)]
    of_searches = ({name: table for name, _ in named} for table in (metrics, baselines))
    return extrapolation.draw(extrapolation.make_table(*of_searches, named))


SCENARIOS |= {
    f"{searches} grids of {factors} by {levels}": partial(draw_grid, searches, factors, levels)
    for searches, factors, levels in [(1, 1, 2), (1, 2, 5), (2, 3, 2), (7, 2, 5)]
}
SCENARIOS |= {
    "attention of a head": partial(draw_attention, 2, 1, length=None),
    "attention over a board": partial(draw_attention, 36, 3, (6, 6)),
    "attention over a line": partial(draw_attention, 9, 2, (1, 9)),
    "attention of many heads": partial(draw_attention, 64, 12, (8, 8)),
}
