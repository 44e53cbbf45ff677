"""Prefixes of games that a model is changed on, and means over them with errors over games.

N stands for games, L positions, V vocabulary.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.audits.clusters import estimate_means
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import PAD, Game
from gamecircuits.transformer.gpt import GPT


class Prefixes(NamedTuple):
    """Games to measure on.

    Attributes:
        tokens: (N, L), padded after a game's end.
        legal: legal next tokens, bool (N, L, V).
        counts: prefixes that go on and have an illegal token, bool (N, L).
        donors: for each game another one, whose outputs it gets when they are resampled (N,).
        both: prefixes that count in the game and in its donor, bool (N, L).
        trained_length: longest prefix in training, tokens; L if all count as such.
    """

    tokens: np.ndarray
    legal: np.ndarray
    counts: np.ndarray
    donors: np.ndarray
    both: np.ndarray
    trained_length: int


def prepare_prefixes(
    model: GPT,
    game: Game,
    tokens: np.ndarray,
    trained_length: int | None,
    rng: np.random.Generator,
) -> Prefixes:
    """Games (N, L) with their legal tokens, and donors in a random circle."""
    if model.vocab_size != game.vocab_size:
        raise GamecircuitsError(
            f"the model has {model.vocab_size} tokens and the game {game.vocab_size}; "
            "allowed: a model of the game's tokens"
        )
    if len(tokens) < 2:
        raise GamecircuitsError(
            f"{len(tokens)} games are too few: outputs are resampled from another game; "
            "allowed: at least 2"
        )
    legal = game.get_valid_next_token_mask(tokens)
    counts = legal.any(axis=2) & ~legal.all(axis=2) & (tokens != PAD)
    circle = rng.permutation(len(tokens))
    donors = np.empty(len(tokens), dtype=int)
    donors[circle] = np.roll(circle, 1)
    L = tokens.shape[1]
    trained = L if trained_length is None else min(trained_length, L)
    return Prefixes(tokens, legal, counts, donors, counts & counts[donors], trained)


def pool(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of values (K, N, L) over the prefixes that count, (N, L), and standard errors over
    games: (K,)."""
    sums = np.where(counts, values, 0).sum(axis=2, dtype=float)  # (K, N)
    return estimate_means(sums, counts.sum(axis=1))


def average(
    rows: pd.DataFrame, values: np.ndarray, counts: np.ndarray, trained_length: int
) -> pd.DataFrame:
    """Means by length, and over all lengths in training and all beyond.

    Args:
        rows: what each of K series is.
        values: (K, N, L).
        counts: prefixes that count, bool (N, L).
        trained_length: as in `Prefixes`.

    Returns:
        rows with columns first_length and last_length (of the prefixes, tokens), count (prefixes),
        mean and error, as of `pool`; none at lengths without prefixes.
    """
    L = counts.shape[1]
    groups = [*((s, s) for s in range(1, L + 1)), (1, trained_length), (trained_length + 1, L)]
    parts = {ends: slice(ends[0] - 1, ends[1]) for ends in groups}
    ends = [ends for ends, part in parts.items() if counts[:, part].any()]
    found = [pool(values[:, :, parts[one]], counts[:, parts[one]]) for one in ends]
    table = pd.concat([rows] * len(ends) or [rows[:0]], ignore_index=True)
    columns = {
        "first_length": [first for first, _ in ends],
        "last_length": [last for _, last in ends],
        "count": [counts[:, parts[one]].sum() for one in ends],
    }
    for column, of_groups in columns.items():
        table[column] = np.repeat(np.array(of_groups, dtype=int), len(rows))
    for place, column in enumerate(["mean", "error"]):
        table[column] = np.concatenate([[], *(pair[place] for pair in found)])
    return table
