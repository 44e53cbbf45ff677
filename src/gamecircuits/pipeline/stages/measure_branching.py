"""Stage: how many tokens are legal, ply by ply."""

import sys

import numpy as np
import pandas as pd

from gamecircuits.games.datasets import iter_games_and_masks
from gamecircuits.games.game import PAD, make_game
from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.storage.parquet import read_job
from gamecircuits.storage.tables import write_results


def measure_branching(
    job: str, settings: dict, games: list[str], masks: list[str], output: str
) -> None:
    """Count the games that have so many legal tokens at each ply; 0 means that the game is over."""
    game = make_game(**settings["game"])
    shape = game.max_length + 1, game.vocab_size + 1  # ply, num_legal
    counts = np.zeros(shape, dtype=np.int64)
    counts[0, game.opening_mask.sum()] = settings["num_games"]
    plies = np.arange(1, game.max_length + 1)
    for shards in zip(games, masks, strict=True):
        for tokens, mask in iter_games_and_masks(*shards, game):
            cell = plies * shape[1] + mask.sum(axis=2)
            is_played = tokens != PAD
            counts += np.bincount(cell[is_played], minlength=counts.size).reshape(shape)
    ply, num_legal = np.nonzero(counts)
    table = pd.DataFrame(
        {
            "game": settings["name"],
            "ply": ply,
            "num_legal": num_legal,
            "num_games": counts[ply, num_legal],
        }
    )
    write_results(job, table, output)


def main(argv=None) -> int:
    return run_stage(measure_branching, argv, inputs={"games": read_job, "masks": read_job})


if __name__ == "__main__":
    sys.exit(main())
