"""Stage: the legal next tokens after every prefix of a shard of games."""

import sys

from gamecircuits.games.datasets import iter_games, mask_to_table, with_progress
from gamecircuits.games.game import PAD, make_game
from gamecircuits.pipeline.run.command import run_stage, say
from gamecircuits.storage.parquet import read_job, write_parquet


def compute_masks(job: str, settings: dict, games: list[str], output: str) -> None:
    """Write the packed masks of a shard, aligned with it row for row."""
    game = make_game(**settings["game"])
    tables = (
        mask_to_table(game.get_valid_next_token_mask(tokens), (tokens != PAD).sum(axis=1))
        for path in games
        for tokens in iter_games(path, game)
    )
    write_parquet(output, with_progress(tables, settings["num_games"], say), job)


def main(argv=None) -> int:
    return run_stage(compute_masks, argv, inputs={"games": read_job})


if __name__ == "__main__":
    sys.exit(main())
