"""Stage: how often each square of a board is legal, ply by ply."""

import sys

import numpy as np
import pandas as pd

from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.storage.parquet import read_job
from gamecircuits.storage.tables import write_results


def measure_legality(job: str, settings: dict, games: list[str], output: str) -> None:
    """Count the games still running at each ply, and those of them in which a square is legal."""
    game = make_game(**settings["game"])
    num_legal = np.zeros((game.max_length, game.num_squares), dtype=np.int64)
    num_positions = np.zeros((game.max_length, 1), dtype=np.int64)
    for shard in games:
        for tokens in iter_games(shard, game):
            legal = game.get_legal_squares(tokens)[:, :-1]  # (n, max_length, squares)
            num_legal += legal.sum(axis=0)
            num_positions += legal.any(axis=2).sum(axis=0)[:, None]
    ply, square = np.indices(num_legal.shape).reshape(2, -1)
    table = pd.DataFrame(
        {
            "game": settings["name"],
            "ply": ply,
            "square": square,
            "num_positions": num_positions[ply, 0],
            "num_legal": num_legal.ravel(),
        }
    )
    write_results(job, table[table["num_positions"] > 0], output)


def main(argv=None) -> int:
    return run_stage(measure_legality, argv, inputs={"games": read_job})


if __name__ == "__main__":
    sys.exit(main())
