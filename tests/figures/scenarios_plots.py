"""Figures of games, boards, searches and hypotheses that are hard to lay out."""

import importlib
from functools import partial

import numpy as np
import pandas as pd
from test_training_figures import SEARCHES, make_hypotheses, make_tables

from gamecircuits.figures.boards import board
from gamecircuits.figures.games import branching_factor
from gamecircuits.figures.hypotheses import forest
from gamecircuits.figures.layout import fit
from gamecircuits.figures.searches._search import draw_nothing, forget_theory
from gamecircuits.games.game import PAD, make_game

LONG = "a_name_of_sixty_characters_which_is_as_long_as_any_may_be_60"
WIDTHS = (7.0, 3.4)
HARD = {  # search: how its tables differ
    "one variant": SEARCHES["one variant"],
    "ten variants of long names": {"variants": tuple(f"{n}{LONG[1:]}" for n in range(10))},
    "as many legal tokens everywhere": SEARCHES["as many legal tokens everywhere"],
    "first variant lost": SEARCHES["first variant lost"],
}
GAMES = {
    "othello": {"kind": "othello", "board_size": 8},
    "tic-tac-toe": {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
    "connect four": {"kind": "connect_four"},
    "two squares": {"kind": "mnk", "rows": 1, "columns": 2, "in_a_row": 2},
    "a long line": {"kind": "mnk", "rows": 1, "columns": 64, "in_a_row": 5},
}


def draw_search(name, search, known, width):
    tables = make_tables(**search)
    module = importlib.import_module(f"gamecircuits.figures.searches.{name}")
    table = module.make_table(tables if known else forget_theory(tables), 2)
    return fitted(module.draw(table, LONG, 2), width)


def draw_board(settings, width):
    """A board of the first of 50 games, and the legality in all of them."""
    game = make_game(**settings)
    tokens = game.play(50, np.random.default_rng(0))
    legal = game.get_legal_squares(tokens)[:, :-1]
    is_running = legal.any(axis=2)
    ply, square = np.indices(legal.shape[1:]).reshape(2, -1)
    counts = {"ply": ply, "square": square, "num_legal": legal.sum(axis=0).ravel()}
    counts = pd.DataFrame(counts | {"num_positions": is_running.sum(axis=0)[ply]})
    counts = counts[counts["num_positions"] > 0]
    return fitted(board.draw(board.make_table(tokens[0], counts, game, LONG), game), width)


def draw_games(names, width):
    """Branching of these games, the last of which always has as many legal tokens."""
    kinds = ("othello", "tic-tac-toe", "connect four")
    parts = []
    for name, kind in zip(names, kinds, strict=False):
        game = make_game(**GAMES[kind])
        tokens = game.play(30, np.random.default_rng(0))
        num_legal = game.get_valid_next_token_mask(tokens).sum(axis=2)
        first = pd.DataFrame({"ply": 0, "num_legal": [game.opening_mask.sum()] * len(tokens)})
        _, ply = np.nonzero(tokens != PAD)
        rows = pd.DataFrame({"ply": ply + 1, "num_legal": num_legal[tokens != PAD]})
        counts = pd.concat([first, rows]).value_counts(sort=False).rename("num_games")
        parts.append(counts.reset_index().assign(game=name))
    return fitted(branching_factor.draw(branching_factor.make_table(pd.concat(parts))), width)


def fitted(figure, width):
    fit(figure, min(width, figure.get_figwidth()))
    return figure


SCENARIOS = {
    f"{name}, {search}, theory {known}, {width} in": partial(
        draw_search, name, HARD[search], known, width
    )
    for name in ("circuits", "curves", "effects", "mechanisms", "scatter")
    for search in HARD
    for known in (True, False)
    for width in WIDTHS
    if known or name in ("circuits", "mechanisms")
}
for width in WIDTHS:
    SCENARIOS |= {
        f"a board of {name}, {width} in": partial(draw_board, settings, width)
        for name, settings in GAMES.items()
    }
    SCENARIOS |= {
        f"{len(names)} games, {width} in": partial(draw_games, names, width)
        for names in (["b"], [LONG, "b"], ["a", "b", LONG])
    }
    SCENARIOS |= {
        f"no trials, {width} in": partial(
            lambda w: fitted(draw_nothing(LONG, 2, "all trials diverged"), w), width
        ),
    }
SCENARIOS["hypotheses"] = lambda: fitted(forest.draw(make_hypotheses()), 7.0)
