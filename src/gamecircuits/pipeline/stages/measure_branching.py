"""Stage: how many tokens are legal, ply by ply."""

import numpy as np
import pandas as pd

from gamecircuits.games.datasets import iter_games_and_masks
from gamecircuits.games.game import PAD, make_game
from gamecircuits.storage.tables import write_frame


def measure_branching(
    games: list[str],
    masks: list[str],
    branching: str,
    *,
    job: str,
    name: str,
    game: dict,
    num_games: int,
) -> None:
    """Count the games that have so many legal tokens at each ply; 0 means that the game is over."""
    rules = make_game(**game)
    shape = rules.max_length + 1, rules.vocab_size + 1  # ply, num_legal
    counts = np.zeros(shape, dtype=np.int64)
    counts[0, rules.opening_mask.sum()] = num_games
    plies = np.arange(1, rules.max_length + 1)
    for shards in zip(games, masks, strict=True):
        for tokens, mask in iter_games_and_masks(*shards, rules):
            cell = plies * shape[1] + mask.sum(axis=2)
            is_played = tokens != PAD
            counts += np.bincount(cell[is_played], minlength=counts.size).reshape(shape)
    ply, num_legal = np.nonzero(counts)
    table = {"game": name, "ply": ply, "num_legal": num_legal, "num_games": counts[ply, num_legal]}
    write_frame(pd.DataFrame(table), job, branching)
