"""Games as probes read them that are hard to draw: large boards, signs, few lengths, long names."""

from functools import partial

import numpy as np
import pandas as pd
from scenarios_metrics import LONG

from gamecircuits.figures.audits import beliefs
from gamecircuits.games.game import make_game

VALUES = np.array(["empty", "mine", "theirs"])


def make_beliefs(settings: dict, longest: int) -> pd.DataFrame:
    """What is read of a random game, some of it wrong."""
    game, rng = make_game(**settings), np.random.default_rng(0)
    tokens = game.play(1, rng)[:, :longest]
    labels = game.get_features(tokens)["owner"].labels[0]
    goes_on = np.flatnonzero(labels[:, 0] >= 0)
    labels = labels[goes_on]
    read = np.where(rng.random(labels.shape) < 0.2, rng.integers(3, size=labels.shape), labels)
    length, place = np.indices(labels.shape)
    return pd.DataFrame(
        {
            "feature": "owner",
            "layer": 1.5,
            "length": goes_on[length].ravel() + 1,
            "token": tokens[0, goes_on[length].ravel()],
            "place": place.ravel(),
            "value": VALUES[labels].ravel(),
            "read": VALUES[read].ravel(),
            "probability": rng.uniform(1 / 3, 1, labels.size),
        }
    )


def draw_beliefs(settings: dict, longest: int, trained_length: int | None):
    table = beliefs.make_table({"beliefs": make_beliefs(settings, longest)}, trained_length)
    return beliefs.draw(table, LONG, make_game(**settings), trained_length)


SCENARIOS = {
    "a large board": partial(draw_beliefs, {"kind": "othello", "board_size": 8}, 60, 30),
    "columns": partial(draw_beliefs, {"kind": "connect_four"}, 20, None),
    "crosses and rings": partial(
        draw_beliefs, {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3}, 2, 2
    ),
}
