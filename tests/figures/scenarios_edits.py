"""Edits that are hard to draw: one sort of edit, few controls, long names, large boards."""

from functools import cache, partial

import numpy as np
from gpts import make_gpt

from gamecircuits.audits.edit_effects import summarise_edits
from gamecircuits.audits.edits import edit_model
from gamecircuits.audits.probes import Probe
from gamecircuits.figures.audits.edits import draw, make_table
from gamecircuits.games.game import make_game
from gamecircuits.games.splits import split_games

LONG = "a_name_of_sixty_characters_which_is_as_long_as_names_may_be0"
GAMES = {
    "othello": {"kind": "othello", "board_size": 8},
    "connect four": {"kind": "connect_four", "rows": 4, "columns": 4, "in_a_row": 4},
    "tic-tac-toe": {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
}


@cache  # for several widths
def make_edits(kind, trained_length=None, count=120):
    """Game and table of edits of a random model."""
    game, rng = make_game(**GAMES[kind]), np.random.default_rng(0)
    model = make_gpt(rng, V=game.vocab_size, d=8, num_positions=game.max_length)
    sites = ["blocks.0.resid_mid", "blocks.0.resid_post", "blocks.1.resid_mid"]
    shape = game.num_squares, 3
    probes = {site: Probe(rng.normal(size=(8, *shape)), np.zeros(shape), 0, 0) for site in sites}
    sides = {"train": 0.5, "validation": 0.25, "test": 0.25}
    games = split_games(game.play(count, rng), game.symmetries, sides)
    edits = edit_model(
        model, game, games, probes, rng=rng, random_probes=probes if trained_length else None,
        trained_length=trained_length, per_length=10, strengths=(1.0,),
    )  # fmt: skip
    tables = {"effects": summarise_edits(edits.cases), "example": edits.example}
    return game, make_table(tables, trained_length)


def draw_edits(name, *arguments):
    game, table = make_edits(*arguments)
    return draw(table, name, game, arguments[1] if len(arguments) > 1 else None)


SCENARIOS = {
    "on a large board": partial(draw_edits, LONG, "othello", 20),
    "in columns, some beyond": partial(draw_edits, "mine", "connect four", 14),
    "all of lengths in training": partial(draw_edits, "mine", "tic-tac-toe"),
}
