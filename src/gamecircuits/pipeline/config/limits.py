"""Whether a search can be run: games in every split, and sizes that fit in memory."""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from gamecircuits.analysis.metrics import METRICS
from gamecircuits.games.datasets import batch_size, play_batches
from gamecircuits.games.file import File
from gamecircuits.games.game import PAD
from gamecircuits.games.splits import SPLITS, assign_splits
from gamecircuits.pipeline.config.named import NamedGame, NamedSearch
from gamecircuits.randomness import get_rng
from gamecircuits.training.measure import GAMES_OF_NOISE, LATE, STATISTICS
from gamecircuits.training.streams import GAMES_AT_ONCE, MAX_TRIES

MAX_MEMORY = 16 << 30  # bytes of a job, on any machine: the same config, the same answer
MAX_TOKENS = 1 << 22  # to play at most
MAX_MASK = 1 << 18  # tokens × vocabulary of games that are played; larger ones are many
SAMPLE = 1024  # games that are played at once
OFTEN = 30  # times that a game was seen: then no new one is to be expected


class Need(NamedTuple):
    """Memory that a job needs at least: the key to blame, bytes, and what for."""

    key: str
    size: int
    holds: str


def explain_missing_games(named: NamedGame, data: str, seed: int) -> str | None:
    """Why a search cannot have games of every split; None if it can, or a job alone can tell."""
    game, is_dataset = named.game, data == "dataset"
    num_games = named.num_games if is_dataset else GAMES_AT_ONCE * MAX_TRIES
    for split, share in named.splits.items():
        if share * num_games < 1:
            return f"of {num_games:,} games, the share {share:g} of split {split} is none"
    if game.max_length * game.vocab_size > MAX_MASK:
        return None
    if isinstance(game, File):  # nothing of somebody's file runs before its job does
        return None
    is_exact = is_dataset and num_games * game.max_length <= MAX_TOKENS
    missing, is_short = set(range(len(SPLITS))), True
    distinct: set[bytes] = set()
    num_played = 0
    for tokens in _play(named, seed) if is_exact else _sample(named):
        missing -= set(assign_splits(tokens, game.symmetries, named.splits).tolist())
        is_short &= bool((tokens[:, 1:] == PAD).all())
        if not missing and not is_short:
            return None
        distinct.update(map(bytes, tokens))
        num_played += len(tokens)
        if num_played > OFTEN * len(distinct):
            break
    else:
        if not is_exact:
            return None
    if is_short:
        return "its games are over after one token: nothing is to be predicted"
    split = SPLITS[min(missing)]
    return f"has {len(distinct):,} different games, and none of them is of split {split}"


def _play(named: NamedGame, seed: int) -> Iterator[np.ndarray]:
    """The games that will be generated."""
    for number in range(len(named.shards)):
        rng = get_rng(seed, named.name, number)
        yield from play_batches(named.game, named.games_in_shard(number), rng)


def _sample(named: NamedGame) -> Iterator[np.ndarray]:
    rng, length = np.random.default_rng(0), named.game.max_length
    size = min(SAMPLE, batch_size(named.game), MAX_TOKENS // length)
    for _ in range(MAX_TOKENS // (size * length)):
        yield named.game.play(size, rng)


def _blame(size: int, num_trials: int) -> str:
    """The key to blame for what trials need together: fewer may help, unless one is too much."""
    return "trials_per_job" if num_trials > 1 and size <= num_trials * MAX_MEMORY else "space"


def list_needs(search: NamedSearch) -> Iterator[Need]:
    """The largest arrays of a search's jobs."""
    for keys in search.groups.values():
        yield from list_needs_of_training(search, keys)
    yield from list_needs_of_measuring(search)
    longest, num_averages = search.game.game.max_length - 1, len(search.entry.averages)
    rows = len(search.trials) * num_averages * len(METRICS) * longest
    yield Need("trials", 2 * 8 * rows * len(STATISTICS), f"a table of {rows:,} metrics")


def list_needs_of_training(search: NamedSearch, group: list[tuple[str, int]]) -> list[Need]:
    """The largest arrays of the job that trains a group of trials."""
    entry, V = search.entry, search.game.game.vocab_size
    n, trial = len(group), search.trials[group[0]]
    num_averages, checkpoints, length = len(entry.averages), entry.checkpoints, entry.length
    P = sum(map(prod, trial.get_shapes(V, search.game.game.max_length).values()))
    # Weights, two moments, gradient; the trajectory as a list, an array and a file's bytes.
    weights = 4 * n * P * (4 + num_averages + 3 * checkpoints)
    together = n if trial.is_small else 1  # else one after the other
    tokens = together * trial.batch_size * length
    logits = 8 * 4 * tokens * V  # with softmax, targets and gradients
    kept = 4 * tokens * trial.count_kept(length)
    batches = f"{together} × {trial.batch_size} games × {length} prefixes"
    return [
        Need(
            _blame(weights, n),
            weights,
            f"{n} × {P:,} weights, {num_averages} averages, {checkpoints} checkpoints",
        ),
        Need(
            _blame(logits, together),
            logits,
            f"logits of {batches} × {V} tokens",
        ),
        Need(_blame(kept, together), kept, f"the backward pass of {batches}"),
        Need("steps", 2 * 4 * n * entry.steps, f"losses of {n} × {entry.steps:,} steps"),
    ]


def list_needs_of_measuring(search: NamedSearch) -> list[Need]:
    """The largest arrays of the jobs that measure trials, which take them one by one."""
    entry, game = search.entry, search.game.game
    V, L, games = game.vocab_size, game.max_length, entry.test_games
    late, some = -(-entry.checkpoints // LATE), min(games, GAMES_OF_NOISE)
    return [
        Need("test_games", 2 * games * L * V, f"masks of 2 × {games:,} games × {L} × {V} tokens"),
        Need(
            "checkpoints",
            2 * 8 * late * some * (L - 1) * V * (late > 1),
            f"predictions of {late} iterates on {some} games × {L} × {V} tokens",
        ),
    ]
