"""Stage: play one shard of random games."""

from gamecircuits.games.datasets import play_batches, tokens_to_table
from gamecircuits.games.game import make_game
from gamecircuits.games.splits import assign_splits
from gamecircuits.pipeline.run.progress import with_progress
from gamecircuits.randomness import get_rng
from gamecircuits.storage.parquet import write_parquet


def generate_games(
    games: str,
    *,
    job: str,
    name: str,
    seed: int,
    shard: int,
    num_games: int,
    games_per_shard: int,
    splits: dict,
    game: dict,
) -> None:
    """Play random games; write their tokens, and which split each belongs to.

    `games_per_shard` belongs to the job alone: all shards of a dataset must agree on it.
    """
    rules, rng = make_game(**game), get_rng(seed, name, shard)
    tables = (
        tokens_to_table(tokens, assign_splits(tokens, rules.symmetries, splits))
        for tokens in play_batches(rules, num_games, rng)
    )
    write_parquet(games, with_progress(tables, num_games), job)
