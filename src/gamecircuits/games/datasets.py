"""Games and masks as parquet shards: deterministic and streamed.

A shard holds a fixed number of games and is a pure function of (seed, name, shard): which other
shards exist, or how many jobs write them, does not change a byte. Rows are made, written and read
in batches, so memory does not grow with the shard.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gamecircuits.errors import ArtefactError, GameError, ParameterError
from gamecircuits.games.game import MAX_LENGTH, PAD, Game, make_game, token_dtype
from gamecircuits.games.masks import pack_mask, unpack_mask
from gamecircuits.games.splits import SPLITS
from gamecircuits.storage.files import REPAIR, check_recorded, record_path
from gamecircuits.storage.parquet import iter_row_groups, open_parquet, read_job

MAX_BATCH = 16384  # games
MAX_BATCH_MASK = 1 << 27  # bytes of unpacked mask
MAX_BUFFER = 1 << 25  # bytes of tokens that are shuffled together
FIELDS = {  # of batches: the game's method that computes them from tokens
    "mask": "get_valid_next_token_mask",
    "packed_mask": "get_packed_valid_next_token_mask",
    "board_states": "get_board_states",
    "side_to_move": "get_side_to_move",
}


def batch_size(game: Game) -> int:
    """Games per batch and row group: a function of the game alone, as the draws depend on it."""
    return max(1, min(MAX_BATCH, MAX_BATCH_MASK // (game.max_length * game.vocab_size)))


def play_batches(game: Game, num_games: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield tokens (<= batch_size, max_length) until `num_games` games have been played."""
    batch = batch_size(game)
    for start in range(0, num_games, batch):
        yield game.play(min(batch, num_games - start), rng)


def _length_column(lengths: np.ndarray) -> pa.Array:
    if lengths.max(initial=0) > MAX_LENGTH:
        raise GameError(f"a game has {lengths.max()} tokens; files hold at most {MAX_LENGTH}")
    return pa.array(lengths.astype(np.int16))


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)


def tokens_to_table(tokens: np.ndarray, split: np.ndarray) -> pa.Table:
    """Tokens (N, L) without padding and indices into SPLITS (N,) as a table.

    Columns `tokens: list<int8|int16>`, `length: int16`, `split: string`.
    """
    is_played = tokens != PAD
    lengths = is_played.sum(axis=1)
    column = pa.ListArray.from_arrays(_offsets(lengths), pa.array(tokens[is_played]))
    return pa.table(
        {
            "tokens": column,
            "length": _length_column(lengths),
            "split": pa.array(SPLITS).take(pa.array(split)),
        }
    )


def mask_to_table(mask: np.ndarray, lengths: np.ndarray) -> pa.Table:
    """Mask (N, L, V) as columns `legal: binary`, and `length: int16`.

    A game's bytes are its packed masks one after the other: length × ceil(V/8) bytes.
    """
    packed = pack_mask(mask[np.arange(mask.shape[1]) < lengths[:, None]])  # (tokens played, bytes)
    offsets = _offsets(lengths * packed.shape[1])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(packed))]
    column = pa.Array.from_buffers(pa.binary(), len(lengths), buffers)
    return pa.table({"legal": column, "length": _length_column(lengths)})


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


def check_shard(path: Path | str) -> None:
    """Raise ArtefactError unless a shard has the bytes that the run that made it recorded.

    A shard that was copied out of its results folder has no record, only checksums of its pages.
    """
    game = Path(path).absolute().parent
    stage = {"games": "generate_games", "masks": "compute_masks"}.get(game.parent.name)
    if stage and game.parents[1].joinpath("jobs", stage).is_dir():
        label = f"{game.name}-{Path(path).stem}"
        check_recorded(path, record_path(game.parents[1], stage, label))


def iter_games(path: Path | str, game: Game) -> Iterator[np.ndarray]:
    """Yield tokens (<= batch_size, max_length) of a shard."""
    check_shard(path)
    for table in iter_row_groups(path):
        yield table_to_tokens(table, game.max_length, game.vocab_size)


def iter_games_and_masks(
    games_path: Path | str, masks_path: Path | str, game: Game
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield tokens (n, max_length) and their masks (n, max_length, V), row for row."""
    check_shard(games_path)
    check_shard(masks_path)
    tokens = iter_row_groups(games_path)
    masks = iter_row_groups(masks_path)
    size = game.max_length, game.vocab_size
    for tokens_table, masks_table in zip(tokens, masks, strict=True):
        yield table_to_tokens(tokens_table, *size), table_to_mask(masks_table, *size)


class GameDataset:
    """A folder of shards, read in batches of numpy arrays.

        dataset = GameDataset("results/games/othello")
        for batch in dataset.batches(1024, ["tokens", "mask"], split="train", rng=rng):
            batch["tokens"], batch["mask"]  # int8 (1024, 60), bool (1024, 60, 64)

    What is not in the shards is computed from the tokens when it is asked for: that takes no space,
    and masks about the time that reading them would. Memory does not grow with the dataset.

    Attributes:
        game: whose games these are, as the shards themselves say.
        num_games: in all shards.
    """

    def __init__(self, shards: Path | str | list[Path] | list[str], num_games: int | None = None):
        """Open all shards of a game.

        Args:
            shards: a folder of results/games, of which every shard is read, or the shards.
            num_games: how many there must be. Shards that are missing at the end cannot be noticed
                without it, gaps are.

        Raises:
            ArtefactError: shards that are missing, damaged or not of one dataset.
        """
        if isinstance(shards, list):
            self.paths = list(map(Path, shards))
        else:
            found = sorted(Path(shards).glob("shard-*.parquet"))
            self.paths = [path for path in found if re.fullmatch(r"shard-\d{5}", path.stem)]
        if not self.paths:
            raise ArtefactError(f"{shards} has no shards; run the pipeline with their config")
        for path in self.paths:
            check_shard(path)
        folder = self.paths[0].parent
        origins = [_get_origin(path) for path in self.paths]
        # Numbers alone: a process may have a thousand open files, and there may be more shards.
        metadata = (open_parquet(path).metadata for path in self.paths)
        counts = [(found.num_rows, found.num_row_groups) for found in metadata]
        sizes = [num_rows for num_rows, _ in counts]
        for number, (path, origin) in enumerate(zip(self.paths, origins, strict=True)):
            if path.stem != f"shard-{number:05d}":
                missing = path.with_stem(f"shard-{number:05d}")
                raise ArtefactError(f"{missing} is missing; run the pipeline with its config again")
            if (shard := origin.pop("shard")) != number:
                raise ArtefactError(f"{path} was made as shard {shard}; {REPAIR}")
            is_last = number == len(sizes) - 1
            if origin != origins[0] or not (is_last or sizes[number] == origin["games_per_shard"]):
                raise ArtefactError(
                    f"{path} was made by another config or other code than {self.paths[0]}; "
                    f"{REPAIR}"
                )
        self.game = make_game(**origins[0]["game"])
        self.num_games = sum(sizes)
        if num_games not in (None, self.num_games):
            raise ArtefactError(
                f"{folder} has {self.num_games:,} games, not {num_games:,}; "
                "run the pipeline with their config"
            )
        self._groups = [
            (path, group)
            for path, (_, num_groups) in zip(self.paths, counts, strict=True)
            for group in range(num_groups)
        ]

    def batches(
        self,
        batch_size: int,
        fields: Iterable[str] = ("tokens",),
        *,
        split: str | None = None,
        rng: np.random.Generator | None = None,
        buffer_size: int | None = None,
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield all games once, `batch_size` at a time; the last batch may be smaller.

        Args:
            fields: of the batches' dictionaries. tokens (n, max_length) and what `FIELDS` names:
                the game's method of these tokens; see there for shapes.
            split: one of SPLITS; None takes all games.
            rng: shuffles; without one the order is that of the files. Row groups of all shards are
                taken in random order and then shuffled in blocks of `buffer_size` games, so a batch
                mixes games of many places. The same rng gives the same batches.
            buffer_size: games in a block; by default as many as fill 32 MiB. Memory is about three
                times that of a block's tokens.
        """
        fields = [fields] if isinstance(fields, str) else list(fields)
        if buffer_size is None:
            game = self.game
            buffer_size = MAX_BUFFER // (game.max_length * token_dtype(game.vocab_size).itemsize)
        allowed = ["tokens", *(name for name in FIELDS if hasattr(self.game, FIELDS[name]))]
        if unknown := set(fields) - set(allowed):
            raise ParameterError("fields", sorted(unknown), ", ".join(allowed))
        if split not in (None, *SPLITS):
            raise ParameterError("split", split, f"None, {', '.join(SPLITS)}")
        for key, value in {"batch_size": batch_size, "buffer_size": buffer_size}.items():
            if not isinstance(value, int) or value < 1:
                raise ParameterError(key, value, "an integer from 1")
        if not isinstance(rng, np.random.Generator | None):
            raise ParameterError("rng", rng, "None or a numpy.random.Generator")
        return self._iter_batches(batch_size, fields, split, rng, max(buffer_size, batch_size))

    def _iter_batches(self, batch_size, fields, split, rng, buffer_size):
        groups = self._groups
        if rng is not None:
            groups = [groups[n] for n in rng.permutation(len(groups))]
        held, num_held = [], 0
        for number, (path, group) in enumerate(groups, start=1):
            (table,) = iter_row_groups(path, [group])
            if split is not None:
                table = table.filter(pc.field("split") == split)
            held.append(table_to_tokens(table, self.game.max_length, self.game.vocab_size))
            num_held += table.num_rows
            is_last = number == len(groups)
            if num_held < (batch_size if rng is None else buffer_size) and not is_last:
                continue
            tokens = np.concatenate(held)
            if rng is not None:
                tokens = tokens[rng.permutation(num_held)]
            end = num_held if is_last else num_held // batch_size * batch_size
            for start in range(0, end, batch_size):
                yield self._make_batch(tokens[start : min(start + batch_size, end)], fields)
            held, num_held = [tokens[end:]], num_held - end

    def _make_batch(self, tokens: np.ndarray, fields: list[str]) -> dict[str, np.ndarray]:
        return {
            name: tokens if name == "tokens" else getattr(self.game, FIELDS[name])(tokens)
            for name in fields
        }


def _get_origin(path: Path) -> dict:
    """What a shard's job says that all shards of a dataset share, and the shard's number."""
    text = read_job(path) or "{}"
    try:
        job = json.loads(text)
        settings = job["settings"]
        shared = ("name", "seed", "game", "splits", "games_per_shard", "shard")
        origin = {key: settings[key] for key in shared}
        return {**origin, "stage": job["stage"], "code": job["code"]}
    except (ValueError, KeyError, TypeError):
        message = f"{path} is no shard of games that gamecircuits made; {REPAIR}"
        raise ArtefactError(message) from None
