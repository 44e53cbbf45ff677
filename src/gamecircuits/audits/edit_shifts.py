"""Directions of the residual stream that stand for squares, and predictions after moves along them.

A shift of a square is the difference of what activations hold of two of its values, or its part
along the direction in which a probe tells them apart.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.audits.activations import POSITIONS, read_activations
from gamecircuits.audits.edit_cases import Cases
from gamecircuits.audits.probes import FLAT
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD
from gamecircuits.transformer.gpt import GPT

FEWEST = 30  # positions that the mean of a value is taken over
CHUNK = 256  # games at once
MEANS, REGRESSION = "class means", "regression"  # kinds of what activations hold
AFTER = "after the last layer"
CONTROLS = ("random direction", "random labels", "other square", "other layer", AFTER)
Shifts = Mapping[str, np.ndarray]  # by site, (n, d)


def find_values(
    model: GPT, game: BitboardGame, tokens: np.ndarray, sites: Sequence[str], longest: int
) -> dict[str, dict[str, np.ndarray]]:
    """What activations hold where a square has a value: float64 (squares, 3, d) by site.

    Args:
        tokens: games (N, L), of which prefixes of up to the longest length count.

    Returns:
        `class means`: means over all prefixes in which the square has the value. `regression`: the
        parts of the value in the least-squares sum of a part for each length and for the value of
        each square; differences of a square's parts hold length and other squares fixed. Of parts
        that explain as much, as the length tells how many squares are empty, those of least norm.
        NaN where fewer than FEWEST prefixes are of a value.
    """
    squares, width = game.num_squares, model.parameters.W_E.shape[1]
    size = 3 * squares + longest
    gram, sums = np.zeros((size, size)), {site: np.zeros((size, width)) for site in sites}
    for start in range(0, len(tokens), CHUNK):
        some = tokens[start : start + CHUNK, :longest]
        labels = game.get_features(some)["owner"].labels
        keep = labels[..., 0] != PAD
        _, place = np.nonzero(keep)
        of_values = (labels[keep][..., None] == np.arange(3)).reshape(len(place), -1)
        inputs = np.column_stack([of_values, place[:, None] == np.arange(longest)]).astype(float)
        gram += inputs.T @ inputs
        for site, rows in read_activations(model, some, keep, sites).items():
            if not np.isfinite(rows).all():
                raise GamecircuitsError(f"activations at {site} are not finite")
            sums[site] += inputs.T @ rows
    counts = np.diag(gram)[: 3 * squares].reshape(squares, 3, 1)
    enough = np.where(counts < FEWEST, np.nan, 1.0)
    found: dict[str, dict[str, np.ndarray]] = {MEANS: {}, REGRESSION: {}}
    for site, of_site in sums.items():
        parts = np.linalg.lstsq(gram, of_site, rcond=FLAT)[0]
        of_values, parts = (x[: 3 * squares].reshape(squares, 3, width) for x in (of_site, parts))
        found[MEANS][site] = of_values * enough / np.maximum(counts, 1)
        found[REGRESSION][site] = parts * enough
    return found


def find_shifts(held: np.ndarray, W: np.ndarray | None = None) -> np.ndarray:
    """What moves a square from one value to another: (squares, from, to, d).

    The difference of what is held of the values (squares, values, d); with a probe's W (d, squares,
    values) only its part along the difference of the probe's weights. 0 where it is NaN.
    """
    difference = np.nan_to_num(held[:, None] - held[:, :, None])
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


def take(shifts: np.ndarray, cases: Cases, square: np.ndarray | None = None) -> np.ndarray:
    """The shifts (squares, from, to, d) that cases need, (n, d); of other squares if given."""
    return shifts[cases.square if square is None else square, cases.before, cases.after]


def move(
    of_kind: Mapping[str, np.ndarray], sites: list[str], strength: float, cases: Cases
) -> Shifts:
    """What an edit adds at each of the sites."""
    return {site: strength / len(sites) * take(of_kind[site], cases) for site in sites}


def make_controls(
    shifts: Shifts,
    cases: Cases,
    of_edit: Mapping[str, np.ndarray],
    sites: list[str],
    labels: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, Shifts]:
    """CONTROLS of that edit but AFTER: as long as it at every site, in other directions.

    Args:
        of_edit: shifts of the edit's kind at the sites, (squares, from, to, d).
        labels: the same from probes of random labels, at some sites; the control needs all.
    """
    away = {site: sites[(n + len(sites) // 2) % len(sites)] for n, site in enumerate(sites)}
    width = next(iter(of_edit.values())).shape[-1]
    anywhere = rng.standard_normal((len(cases.square), width))
    other: dict[str, Callable[[str], np.ndarray]] = {
        "random direction": lambda site: anywhere,  # the same at all sites, so that they add up
        "random labels": lambda site: take(labels[site], cases),
        "other layer": lambda site: take(of_edit[away[site]], cases),
        "other square": lambda site: take(of_edit[site], cases, cases.other),
    }
    if not shifts.keys() <= labels.keys():
        del other["random labels"]
    if len(sites) == 1:
        del other["other layer"]
    sizes = {site: np.linalg.norm(rows, axis=-1) for site, rows in shifts.items()}
    return {
        name: {site: resize(direct(site), size) for site, size in sizes.items()}
        for name, direct in other.items()
    }


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
