"""Every context of a symmetric model: one of each kind stands for all that only names set apart.

Two tokens are interchangeable if exchanging them leaves all tables of the model as they are. This
is an equivalence: (i k) = (i j)(j k)(i j). The permutations within its classes then change no
metric, and a context is, up to such a permutation, the number of seen tokens of each class, and the
class of the last token. Metrics are computed for one context of each such orbit, and count as often
as the orbit has contexts:

    C(m_c − 1, n_c − 1) · m_c · Π_{other classes} C(m, n)

for n of m tokens of each class, and a last token of class c.
"""

from collections.abc import Iterable
from math import prod

import numpy as np
import pandas as pd
import scipy

from gamecircuits.analysis.contexts import MAX_ORBITS, choose_lengths
from gamecircuits.analysis.metrics import METRICS, context_metrics
from gamecircuits.analysis.set_sums import get_contributions
from gamecircuits.analysis.summary import QUANTILES
from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import require_one_layer

CHUNK_VALUES = 1 << 20  # logits at once


def find_interchangeable_tokens(tables: TokenTables) -> list[np.ndarray]:
    """Classes of interchangeable tokens, each ascending, by their first tokens.

    Exchanging two of a class changes no table by more than V units of rounding of its largest
    entry. Attention is compared by its scores, and what a norm divides by its direction and length:
    far below the largest, too, they decide in contexts that lack it.
    """
    invariant = _list_invariants(tables)
    unit = np.finfo(tables.weights.dtype).eps * len(tables.weights)
    classes: list[list[int]] = []
    for token in range(len(tables.weights)):
        for known in classes:
            first = known[0]  # its exchanges with the others generate all permutations of a class
            if all(_is_same_exchanged(table, first, token, unit) for table in invariant):
                known.append(token)
                break
        else:
            classes.append([token])
    return [np.array(tokens) for tokens in classes]


def _list_invariants(tables: TokenTables) -> list[np.ndarray]:
    """Tables (V, V) that say all about a model, in numbers of which a change counts for what it is
    of the largest one."""
    scores = [_log(tables.weights), np.diag(_log(tables.sink))]
    added, outputs, own = get_contributions(tables)
    if tables.norm == "none":
        return [*scores, added, tables.direct]
    lengths, own_lengths = (np.linalg.norm(vectors, axis=1) for vectors in (outputs, own))
    scales, own_scales = (np.where(x > 0, x, 1)[:, None] for x in (lengths, own_lengths))
    directions = outputs / scales
    return [
        *scores,
        added / scales,
        tables.direct / own_scales,
        directions @ directions.T,
        own / own_scales @ directions.T,
        np.diag(_log(lengths)),
        np.diag(_log(own_lengths)),
    ]


def _log(values: np.ndarray) -> np.ndarray:
    """Logarithms of values that are not negative; of none at all a finite one."""
    return np.log(np.maximum(values, np.finfo(values.dtype).tiny))


def _is_same_exchanged(table: np.ndarray, i: int, j: int, unit: float) -> bool:
    """Whether exchanging rows and columns i and j of (V, V) leaves its entries to `unit` of the
    largest, or of 1."""
    order = np.arange(len(table))
    order[i], order[j] = j, i
    changes = (side[i] - side[j, order] for side in (table, table.T))
    return bool(
        max(np.abs(change).max() for change in changes) <= unit * max(np.abs(table).max(), 1)
    )


def evaluate_by_symmetry(model: Model, lengths: Iterable[int] | None = None) -> pd.DataFrame:
    """Metrics of set complement over every context, from one of each orbit.

    Args:
        model: a OneLayer whose symmetries leave at most MAX_ORBITS orbits.
        lengths: sizes of the set, 1..V−1; all of them unless given.

    Returns:
        as `evaluate_exhaustively`, to rounding, which decides about top1_legal where legal and
        illegal tokens tie. count is a float if it exceeds 2^63 − 1, and all quantiles are exact.

    Raises:
        GamecircuitsError: another kind of model, or more orbits.
    """
    model = require_one_layer(model, "evaluation over all contexts")
    tables = model.tables()
    V = model.vocab_size
    lengths = choose_lengths(V, lengths)
    classes = find_interchangeable_tokens(tables)
    sizes = [len(tokens) for tokens in classes]
    if len(sizes) * prod(size + 1 for size in sizes) > MAX_ORBITS:
        raise GamecircuitsError(
            f"the {V} tokens of the model fall into {len(sizes)} classes of interchangeable ones, "
            f"the largest of {max(sizes)}; that leaves more than {MAX_ORBITS:,} kinds of contexts, "
            "the most that are evaluated; allowed: contexts all or sampled"
        )
    numbers = np.indices([size + 1 for size in sizes]).reshape(len(sizes), -1).T  # (N, classes)
    frames = []
    for length in lengths:
        orbits = numbers[numbers.sum(axis=1) == length]
        found = [_measure(tables, classes, orbits[orbits[:, c] > 0], c) for c in range(len(sizes))]
        values, multiplicity = (
            np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True)
        )
        frames.append(_summarize(values, multiplicity, length))
    return pd.concat(frames, ignore_index=True)


def _measure(
    tables: TokenTables, classes: list[np.ndarray], numbers: np.ndarray, last: int
) -> tuple[np.ndarray, np.ndarray]:
    """Values (metrics, n) and multiplicities (n,) of orbits: numbers (n, classes) of seen tokens,
    the last of which is of the class `last`."""
    sizes = np.array([len(tokens) for tokens in classes])
    rank, class_of = np.empty(sizes.sum(), int), np.empty(sizes.sum(), int)
    for c, tokens in enumerate(classes):
        rank[tokens], class_of[tokens] = np.arange(len(tokens)), c
    ways = np.rint(scipy.special.comb(sizes, numbers))
    ways[:, last] = np.rint(scipy.special.comb(sizes[last] - 1, numbers[:, last] - 1)) * sizes[last]
    values = np.empty((len(METRICS), len(numbers)))
    step = max(1, CHUNK_VALUES // len(rank))
    for start in range(0, len(numbers), step):
        chunk = slice(start, start + step)
        members = rank < numbers[chunk][:, class_of]
        lasts = np.full(len(members), classes[last][0])
        logits, entropy = tables.count_logits_and_entropy(members, lasts)
        values[:, chunk] = [*context_metrics(logits, ~members, entropy).values()]
    return values, ways.prod(axis=1)


def _summarize(values: np.ndarray, multiplicity: np.ndarray, length: int) -> pd.DataFrame:
    """Statistics as of Summary, of values (metrics, n) that count several times, (n,)."""
    total = multiplicity.sum()
    count = int(total) if total < 2.0**63 else total
    rows = []
    for metric, row in zip(METRICS, values, strict=True):
        order = np.argsort(row, kind="stable")
        ordered, ends = row[order], np.cumsum(multiplicity[order])
        places = (total - 1) * np.array([*QUANTILES.values()])
        below, above = (
            ordered[np.searchsorted(ends, rounded, side="right").clip(max=len(row) - 1)]
            for rounded in (np.floor(places), np.floor(places) + 1)
        )
        mean = row @ multiplicity / total
        rows.append(
            {
                "length": length,
                "metric": metric,
                "count": count,
                "mean": mean,
                "std": np.sqrt((row - mean) ** 2 @ multiplicity / total),
                "min": ordered[0],
                **dict(zip(QUANTILES, below + (above - below) * (places % 1), strict=True)),
                "max": ordered[-1],
                "quantile_count": count,
            }
        )
    return pd.DataFrame(rows)
