"""Directions of the residual stream that stand for squares, and predictions after moves along them.

A shift of a square is the difference of the mean activations of two of its values, or its part
along the direction in which a probe tells them apart.
"""

from collections.abc import Mapping

import numpy as np

from gamecircuits.analysis.activations import POSITIONS, read_activations
from gamecircuits.analysis.metrics import probabilities
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD
from gamecircuits.transformer.gpt import GPT

FEWEST = 30  # positions that the mean of a value is taken over
CHUNK = 256  # games at once
Shifts = Mapping[str, np.ndarray]  # by site, (n, d)


def find_class_means(
    model: GPT, game: BitboardGame, tokens: np.ndarray, sites: list[str], longest: int
) -> dict[str, np.ndarray]:
    """Mean activations where a square holds a value: float64 (squares, 3, d) by site.

    NaN where fewer than FEWEST prefixes of tokens (N, L) up to the longest are of that value.
    """
    places, width = 3 * game.num_squares, model.parameters.W_E.shape[1]
    sums = {site: np.zeros((places, width)) for site in sites}
    counts = np.zeros(places)
    for start in range(0, len(tokens), CHUNK):
        some = tokens[start : start + CHUNK, :longest]
        labels = game.get_features(some)["owner"].labels
        keep = labels[..., 0] != PAD
        is_value = (labels[keep][..., None] == np.arange(3)).reshape(-1, places)
        counts += is_value.sum(axis=0)
        for site, rows in read_activations(model, some, keep, sites).items():
            sums[site] += is_value.T.astype(rows.dtype) @ rows
    counts[counts < FEWEST] = np.nan
    return {site: (of / counts[:, None]).reshape(-1, 3, width) for site, of in sums.items()}


def find_shifts(means: np.ndarray, W: np.ndarray | None = None) -> np.ndarray:
    """What moves a square from one value to another: (squares, from, to, d).

    The difference of the means (squares, values, d); with a probe's W (d, squares, values) only its
    part along the difference of the probe's weights. 0 where a mean is NaN.
    """
    difference = np.nan_to_num(means[:, None] - means[:, :, None])
    if W is None:
        return difference
    unit = resize(differ(W), np.ones(1))
    return (difference * unit).sum(axis=-1, keepdims=True) * unit


def differ(W: np.ndarray) -> np.ndarray:
    """Differences (squares, from, to, d) of a probe's weights (d, squares, values)."""
    rows = np.moveaxis(W, 0, -1)
    return rows[:, None] - rows[:, :, None]


def resize(vectors: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Vectors (..., d) of those lengths (...); none where a vector is 0."""
    lengths = np.linalg.norm(vectors, axis=-1)
    return vectors * (size / np.where(lengths > 0, lengths, np.inf))[..., None]


def predict_edited(
    model: GPT, tokens: np.ndarray, length: np.ndarray, shifts: Shifts
) -> np.ndarray:
    """Next-token probabilities (n, V) with shifts added at the last token of each prefix.

    Args:
        tokens: (n, L).
        length: tokens of each prefix, (n,); fastest if it does not decrease.
        shifts: by site (n, d).
    """
    found = np.zeros((len(tokens), model.vocab_size))
    step = max(1, POSITIONS // tokens.shape[1])
    for start in range(0, len(tokens), step):
        some = slice(start, start + step)
        last = length[some] - 1
        rows = np.arange(len(last))

        def add(site: str, values: np.ndarray, some=some, at=(rows, last)) -> np.ndarray:
            if site in shifts:
                values = values.copy()
                values[at] += shifts[site][some].astype(values.dtype)
            return values

        logits = model.logits(tokens[some, : last.max() + 1], hook=add)[rows, last]
        found[some] = probabilities(logits.astype(np.float64))
    return found
