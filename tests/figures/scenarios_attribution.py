"""Attributions that are hard to lay out: many heads, few, none, and games without squares."""

from functools import cache, partial

import numpy as np
from gpts import make_gpt
from matplotlib.figure import Figure
from scenarios_metrics import LONG

from gamecircuits.audits.attribution import Attribution, attribute_model
from gamecircuits.figures.audits.attribution import draw, make_table
from gamecircuits.games.game import make_game

OTHELLO = {"kind": "othello", "board_size": 4}
CASES = {  # game, longest prefix in training, and the model
    "a board": (OTHELLO, 6, {"d": 8}),
    "many heads": (OTHELLO, 6, {"num_layers": 5, "num_heads": 4, "d_mlp": None}),
    "no layers": (OTHELLO, None, {"num_layers": 0}),
    "one head and many tokens": (
        {"kind": "set_complement", "vocab_size": 48}, 9,
        {"num_layers": 1, "num_heads": 1, "d_mlp": None},
    ),
    "two tokens": ({"kind": "set_complement", "vocab_size": 2}, 1, {"final_norm": False}),
}  # fmt: skip


@cache  # for several widths
def attribute(name: str) -> Attribution:
    settings, trained_length, design = CASES[name]
    game = make_game(**settings)
    rng = np.random.default_rng(0)
    model = make_gpt(rng, V=game.vocab_size, num_positions=game.max_length, **design)
    tokens = game.play(6, rng)
    return attribute_model(model, game, tokens, trained_length=trained_length, rng=rng)


def draw_case(name: str) -> Figure:
    settings, trained_length, _ = CASES[name]
    table = make_table(attribute(name)._asdict(), trained_length)
    return draw(table, LONG, make_game(**settings), trained_length)


SCENARIOS = {name: partial(draw_case, name) for name in CASES}
