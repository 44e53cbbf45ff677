"""Games and masks as parquet shards: deterministic and streamed.

A shard holds a fixed number of games and is a pure function of (seed, name, shard): which other
shards exist, or how many jobs write them, does not change a byte. Rows are made, written and read
in batches, so memory does not grow with the shard.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from gamecircuits.games.game import PAD, Game, token_dtype
from gamecircuits.masks import pack_mask, unpack_mask
from gamecircuits.parquet import iter_row_groups

MAX_BATCH = 16384  # games
MAX_BATCH_MASK = 1 << 27  # bytes of unpacked mask


def batch_size(game: Game) -> int:
    """Games per batch and row group: a function of the game alone, as the draws depend on it."""
    return max(1, min(MAX_BATCH, MAX_BATCH_MASK // (game.max_length * game.vocab_size)))


def play_batches(game: Game, num_games: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield tokens (<= batch_size, max_length) until `num_games` games have been played."""
    batch = batch_size(game)
    for start in range(0, num_games, batch):
        yield game.play(min(batch, num_games - start), rng)


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)


def tokens_to_table(tokens: np.ndarray) -> pa.Table:
    """Tokens (N, L) as columns `tokens: list<int8|int16>` without padding, and `length: int16`."""
    is_played = tokens != PAD
    lengths = is_played.sum(axis=1)
    column = pa.ListArray.from_arrays(_offsets(lengths), pa.array(tokens[is_played]))
    return pa.table({"tokens": column, "length": pa.array(lengths.astype(np.int16))})


def mask_to_table(mask: np.ndarray, lengths: np.ndarray) -> pa.Table:
    """Mask (N, L, V) as columns `legal: binary`, and `length: int16`.

    A game's bytes are its packed masks one after the other: length × ceil(V/8) bytes.
    """
    packed = pack_mask(mask[np.arange(mask.shape[1]) < lengths[:, None]])  # (tokens played, bytes)
    offsets = _offsets(lengths * packed.shape[1])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(packed))]
    column = pa.Array.from_buffers(pa.binary(), len(lengths), buffers)
    return pa.table({"legal": column, "length": pa.array(lengths.astype(np.int16))})


def table_to_tokens(table: pa.Table, max_length: int, vocab_size: int) -> np.ndarray:
    """Inverse of `tokens_to_table`: tokens (N, max_length), PAD after the end."""
    tokens = np.full((table.num_rows, max_length), PAD, dtype=token_dtype(vocab_size))
    lengths = table["length"].to_numpy()
    played = table["tokens"].combine_chunks().flatten().to_numpy()
    tokens[np.arange(max_length) < lengths[:, None]] = played
    return tokens


def table_to_mask(table: pa.Table, max_length: int, vocab_size: int) -> np.ndarray:
    """Inverse of `mask_to_table`: mask (N, max_length, V), all False at padding."""
    column = table["legal"].combine_chunks()
    _, offsets, content = column.buffers()
    first, last = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]]
    packed = np.frombuffer(content, np.uint8)[first:last].reshape(-1, -(-vocab_size // 8))
    mask = np.zeros((table.num_rows, max_length, vocab_size), dtype=bool)
    lengths = table["length"].to_numpy()
    mask[np.arange(max_length) < lengths[:, None]] = unpack_mask(packed, vocab_size)
    return mask


def iter_games(path: Path | str, game: Game) -> Iterator[np.ndarray]:
    """Yield tokens (<= batch_size, max_length) of a shard."""
    for table in iter_row_groups(path):
        yield table_to_tokens(table, game.max_length, game.vocab_size)


def iter_games_and_masks(
    games_path: Path | str, masks_path: Path | str, game: Game
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield tokens (n, max_length) and their masks (n, max_length, V), row for row."""
    tokens = iter_row_groups(games_path)
    masks = iter_row_groups(masks_path)
    size = game.max_length, game.vocab_size
    for tokens_table, masks_table in zip(tokens, masks, strict=True):
        yield table_to_tokens(tokens_table, *size), table_to_mask(masks_table, *size)


def with_progress(
    batches: Iterable[pa.Table], total: int, say: Callable[[str], None]
) -> Iterator[pa.Table]:
    """Pass batches through, saying how many of `total` rows are done."""
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        say(f"{done:,} of {total:,} games")
