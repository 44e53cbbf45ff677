"""Stage: the legal next tokens after every prefix of a shard of games."""

from gamecircuits.games.datasets import iter_games, mask_to_table
from gamecircuits.games.game import PAD, make_game
from gamecircuits.pipeline.run.progress import with_progress
from gamecircuits.storage.parquet import write_parquet


def compute_masks(games: str, masks: str, *, job: str, game: dict, num_games: int) -> None:
    """Write the packed masks of a shard, aligned with it row for row."""
    rules = make_game(**game)
    tables = (
        mask_to_table(rules.get_valid_next_token_mask(tokens), (tokens != PAD).sum(axis=1))
        for tokens in iter_games(games, rules)
    )
    write_parquet(masks, with_progress(tables, num_games), job)
