"""Stage: how many tokens are legal, ply by ply."""

import sys
from collections import Counter

import numpy as np
import pandas as pd

from gamecircuits.datasets import iter_games_and_masks
from gamecircuits.games.game import PAD, make_game
from gamecircuits.parquet import read_job
from gamecircuits.results import write_results
from gamecircuits.stages.command import run_stage


def measure_branching(
    job: str, settings: dict, games: list[str], masks: list[str], output: str
) -> None:
    """Count the games that have so many legal tokens at each ply; 0 means that the game is over."""
    game = make_game(**settings["game"])
    width = game.vocab_size + 1
    counts = Counter({(0, int(game.opening_mask.sum())): settings["num_games"]})
    for games_shard, masks_shard in zip(games, masks, strict=True):
        pairs = iter_games_and_masks(games_shard, masks_shard, game)
        for tokens, mask in pairs:
            num_legal = mask.sum(axis=2)
            for ply in range(1, game.max_length):
                is_played = tokens[:, ply - 1] != PAD
                found = np.bincount(num_legal[is_played, ply - 1], minlength=width)
                counts.update({(ply, k): int(n) for k, n in enumerate(found) if n})
    rows = [
        {"game": settings["name"], "ply": ply, "num_legal": k, "num_games": n}
        for (ply, k), n in sorted(counts.items())
    ]
    write_results(job, pd.DataFrame(rows), output)


def main(argv=None) -> int:
    return run_stage(measure_branching, argv, inputs={"games": read_job, "masks": read_job})


if __name__ == "__main__":
    sys.exit(main())
