"""Games to train and to measure on: endless batches of one split, played anew or of a dataset."""

from collections.abc import Iterable, Iterator

import numpy as np

from gamecircuits.errors import GameError
from gamecircuits.games.datasets import GameDataset
from gamecircuits.games.game import Game
from gamecircuits.games.splits import SPLITS, assign_splits

GAMES_AT_ONCE = 4096
MAX_TRIES = 100


def iter_split(
    game: Game, split: str, batch_size: int, fractions: dict[str, float], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Random games of one split, tokens (batch_size, max_length)."""

    def play() -> Iterator[np.ndarray]:
        tries = 0
        while True:
            tokens = game.play(max(GAMES_AT_ONCE, batch_size), rng)
            belongs = assign_splits(tokens, game.symmetries, fractions) == SPLITS.index(split)
            tries = 0 if belongs.any() else tries + 1
            if tries == MAX_TRIES:
                raise GameError(f"none of {tries * len(tokens):,} random games is of split {split}")
            yield tokens[belongs]

    return _cut(play(), batch_size)


def iter_dataset(
    dataset: GameDataset, split: str, batch_size: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Games of one split of a dataset, epoch after epoch, each in a new order."""

    def read() -> Iterator[np.ndarray]:
        while True:
            empty = True
            for batch in dataset.batches(batch_size, split=split, rng=rng):
                empty &= len(batch["tokens"]) == 0
                yield batch["tokens"]
            if empty:
                raise GameError(f"none of {dataset.num_games:,} games is of split {split}")

    return _cut(read(), batch_size)


def _cut(lots: Iterable[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
    """Batches of one size from lots of any."""
    held: list[np.ndarray] = []
    for lot in lots:
        held.append(lot)
        if sum(map(len, held)) < batch_size:
            continue
        games = np.concatenate(held)
        whole = len(games) // batch_size * batch_size
        yield from games[:whole].reshape(-1, batch_size, games.shape[1])
        held = [games[whole:]]
