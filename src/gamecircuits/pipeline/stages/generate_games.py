"""Stage: play one shard of random games."""

import sys

from gamecircuits.games.datasets import play_batches, tokens_to_table, with_progress
from gamecircuits.games.game import make_game
from gamecircuits.games.splits import assign_splits
from gamecircuits.pipeline.run.command import run_stage, say
from gamecircuits.randomness import get_rng
from gamecircuits.storage.parquet import write_parquet


def generate_games(job: str, settings: dict, output: str) -> None:
    """Play random games; write their tokens, and which split each belongs to."""
    game = make_game(**settings["game"])
    num_games = settings["num_games"]
    rng = get_rng(settings["seed"], settings["name"], settings["shard"])
    tables = (
        tokens_to_table(tokens, assign_splits(tokens, game.symmetries, settings["splits"]))
        for tokens in play_batches(game, num_games, rng)
    )
    write_parquet(output, with_progress(tables, num_games, say), job)


def main(argv=None) -> int:
    return run_stage(generate_games, argv)


if __name__ == "__main__":
    sys.exit(main())
