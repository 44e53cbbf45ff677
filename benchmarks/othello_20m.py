"""Where does the time of a million games of Othello go, and should their masks be stored?

    python benchmarks/othello_20m.py [NUM_GAMES] [--folder PATH]      (default 1 000 000)

One process and core, the functions that the pipeline calls, a first batch for compilation before
the clock starts. `config/othello_20m.yaml` is twenty times this. The raw write is of the same bytes
to the same folder, with fsync. Masks are packed, 8 bytes a position; reading the stored ones counts
decompression only.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from gamecircuits.games.datasets import (
    batch_size,
    iter_games,
    mask_to_table,
    play_batches,
    tokens_to_table,
)
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.splits import assign_splits
from gamecircuits.storage.parquet import iter_row_groups, write_parquet

JOB = "benchmarks/othello_20m.py"
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


class Clock:
    """Seconds spent in drawing from iterators, and in calls."""

    def __init__(self):
        self.seconds = {}

    def call(self, name, function, *arguments):
        start = time.perf_counter()
        result = function(*arguments)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        return result

    def each(self, name, iterable):
        items, end = iter(iterable), object()
        while (item := self.call(name, next, items, end)) is not end:
            yield item


def encode(game, tokens):
    return tokens_to_table(tokens, assign_splits(tokens, game.symmetries, SHARES))


def write_raw(path, content):
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_masks(path, game, games_path):
    tables = (
        mask_to_table(game.get_valid_next_token_mask(tokens), (tokens != PAD).sum(axis=1))
        for tokens in iter_games(games_path, game)
    )
    write_parquet(path, tables, JOB)


def exhaust(iterator):
    for _ in iterator:
        pass


def show(name, seconds, num_games, num_bytes=None):
    cells = [f"{seconds:.2f}", f"{num_games / seconds:,.0f}".replace(",", " ")]
    if num_bytes is not None:
        cells += [f"{num_bytes / seconds / 1e6:.0f}", f"{num_bytes / num_games:.1f}"]
    print(f"| {name} | " + " | ".join(cells + [""] * (4 - len(cells))) + " |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("num_games", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    arguments = parser.parse_args()
    game, num_games = make_game("othello"), arguments.num_games
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        games_path, masks_path, raw_path = (Path(folder) / name for name in ("games", "masks", "x"))
        first = game.play(1, np.random.default_rng(0))
        game.get_packed_valid_next_token_mask(first)
        encode(game, first)  # pyarrow imports pandas when it first sees an array

        batches = clock.each("play", play_batches(game, num_games, np.random.default_rng(0)))
        tables = (clock.call("encode", encode, game, tokens) for tokens in batches)
        clock.call("all", write_parquet, games_path, tables, JOB)
        content = games_path.read_bytes()
        clock.call("raw", write_raw, raw_path, content)
        seconds, size = clock.seconds, len(content)
        writing = seconds["all"] - seconds["play"] - seconds["encode"]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        print(f"\n{num_games:_} games, peak {memory:.0f} MiB\n".replace("_", " "))
        print("| | s | games/s | MB/s | bytes/game |\n|---|---|---|---|---|")
        show("play (`Game.play`)", seconds["play"], num_games)
        show("splits and encode (`assign_splits`, `tokens_to_table`)", seconds["encode"], num_games)
        show("compress and write (`write_parquet`)", writing, num_games, size)
        show("all three", seconds["all"], num_games, size)
        show("raw write of the same bytes, fsync", seconds["raw"], num_games, size)

        some = min(num_games, 8 * batch_size(game))  # the masks of some games are enough
        batches = play_batches(game, some, np.random.default_rng(1))
        write_parquet(games_path, (encode(game, tokens) for tokens in batches), JOB)
        write_masks(masks_path, game, games_path)
        clock.call("tokens", exhaust, iter_games(games_path, game))
        masks = map(game.get_packed_valid_next_token_mask, iter_games(games_path, game))
        clock.call("computed", exhaust, masks)
        clock.call("stored", exhaust, iter_row_groups(masks_path))
        on_disk = [path.stat().st_size for path in (games_path, masks_path)]

        print(f"\nMasks of {some:_} games\n".replace("_", " "))
        print("| | s | games/s | MB/s | bytes/game |\n|---|---|---|---|---|")
        show("read tokens", seconds["tokens"], some, on_disk[0])
        show("read tokens and compute masks", seconds["computed"], some, on_disk[0])
        show("read stored masks", seconds["stored"], some, on_disk[1])


if __name__ == "__main__":
    main()
