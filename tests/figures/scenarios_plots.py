"""Figures of games, boards, searches and hypotheses that are hard to lay out."""

import importlib
from functools import cache, partial

import numpy as np
import pandas as pd
from test_training_figures import SEARCHES, make_tables

from gamecircuits.experiments.experiment import make_experiment
from gamecircuits.figures.boards import board
from gamecircuits.figures.games import branching_factor
from gamecircuits.figures.searches._search import draw_nothing, forget_theory
from gamecircuits.games.game import PAD, make_game

LONG = "a_name_of_sixty_characters_which_is_as_long_as_any_may_be_60"
HARD = {  # search: how its tables differ
    "ten variants of long names": {"variants": tuple(f"{n}{LONG[1:]}" for n in range(10))},
    "one variant, legal tokens constant": SEARCHES["one variant"] | {"legal": (3.0, 3.0, 3.0)},
    "first variant lost": SEARCHES["first variant lost"],
}
GAMES = {
    "othello": {"kind": "othello", "board_size": 8},
    "tic-tac-toe": {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
    "connect four": {"kind": "connect_four"},
    "two squares": {"kind": "mnk", "rows": 1, "columns": 2, "in_a_row": 2},
    "a long line": {"kind": "mnk", "rows": 1, "columns": 64, "in_a_row": 5},
}

EXPERIMENTS = {  # kind: parameters
    "averaging": {},
    "certificate": {"vocab_size": 5, "noises": [0.0, 0.02], "draws": 1},
    "critical_length": {"vocab_size": 7, "critical_lengths": [3.5], "random_vocab_size": 5},
    "dimensions": {"vocab_size": 4, "restarts": 1, "iterations": 60, "doublings": 3},
    "parallel_resistors": {"vocab_size": 5, "num_models": 1},
    "precision": {"largest_vocab_size": 64, "num_contexts": 20},
    "remedies": {"vocab_size": 5},
    "superposition": {"vocab_size": 6, "num_seeds": 2},
}


@cache
def run(kind):
    return make_experiment(kind, **EXPERIMENTS[kind]).run(np.random.default_rng(0))


def draw_experiment(kind):
    module = importlib.import_module(f"gamecircuits.figures.experiments.{kind}")
    return module.draw(run(kind))


def draw_search(name, search, known=True):
    tables = make_tables(**search)
    module = importlib.import_module(f"gamecircuits.figures.searches.{name}")
    table = module.make_table(tables if known else forget_theory(tables), 2)
    return module.draw(table, LONG, 2)


def draw_board(settings):
    """A board of the first of 50 games, and the legality in all of them."""
    game = make_game(**settings)
    tokens = game.play(50, np.random.default_rng(0))
    legal = game.get_legal_squares(tokens)[:, :-1]
    is_running = legal.any(axis=2)
    ply, square = np.indices(legal.shape[1:]).reshape(2, -1)
    counts = {"ply": ply, "square": square, "num_legal": legal.sum(axis=0).ravel()}
    counts = pd.DataFrame(counts | {"num_positions": is_running.sum(axis=0)[ply]})
    counts = counts[counts["num_positions"] > 0]
    return board.draw(board.make_table(tokens[0], counts, game, LONG), game)


def draw_games(names):
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
    return branching_factor.draw(branching_factor.make_table(pd.concat(parts)))


SCENARIOS = {
    f"{name}, {search}": partial(draw_search, name, HARD[search])
    for name in ("circuits", "curves", "effects", "mechanisms", "scatter")
    for search in HARD
}
SCENARIOS |= {
    f"{name} of another game": partial(draw_search, name, {}, known=False)
    for name in ("circuits", "mechanisms")
}
SCENARIOS |= {f"a board of {name}": partial(draw_board, GAMES[name]) for name in GAMES}
SCENARIOS |= {
    f"{len(names)} games": partial(draw_games, names)
    for names in (["b"], [LONG, "b"], ["a", "b", LONG])
}
SCENARIOS |= {kind: partial(draw_experiment, kind) for kind in EXPERIMENTS}
SCENARIOS["no trials"] = partial(draw_nothing, LONG, 2, "all trials diverged")
