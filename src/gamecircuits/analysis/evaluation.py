"""Metrics of a model length by length: on sampled games, or over every context there is.

Any model can be measured on games; a OneLayer is measured by its token tables, which is faster.

Set complement has V·2^(V−1) − V contexts (set of seen tokens, last token). A OneLayer's prediction
depends on nothing else, so the metrics over all of them are exact. The attention-weighted sums over
a set are looked up by halves: the table of all subsets of the lower half of the vocabulary and that
of the upper half, added.

Chunks have a fixed size and are reduced in a fixed order: the number of threads changes no bit.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pandas as pd

from gamecircuits.analysis.contexts import MAX_EXHAUSTIVE_VOCAB_SIZE
from gamecircuits.analysis.metrics import METRICS, context_metrics
from gamecircuits.games.game import PAD
from gamecircuits.theory.basics import count_contexts
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer, require_one_layer

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
MAX_QUANTILE_CONTEXTS = 1 << 21  # beyond, quantiles come from evenly spaced contexts
CHUNK = 8192  # contexts; large enough to hide Python, small enough for the cache
CHUNK_BYTES = 1 << 22  # of logits at one length, for sampled games


class Summary:
    """Count, mean, spread and quantiles of every metric, from values that arrive in chunks.

    Args:
        total: upper bound of the number of contexts to come; decides which are kept for quantiles.
        limit: how many to keep at most; MAX_QUANTILE_CONTEXTS unless given.
    """

    def __init__(self, total: int, limit: int | None = None):
        self.stride = max(1, -(-total // (limit or MAX_QUANTILE_CONTEXTS)))
        self.seen = 0
        self.kept: list[np.ndarray] = []
        size = len(METRICS)
        self.count, self.mean, self.sum_squares = np.zeros(size), np.zeros(size), np.zeros(size)
        self.min, self.max = np.full(size, np.inf), np.full(size, -np.inf)

    def add(self, values: np.ndarray) -> None:
        """Take in values (metrics, contexts), in METRICS's order; NaN is "not defined here"."""
        self.kept.append(values[:, -self.seen % self.stride :: self.stride].copy())
        self.seen += values.shape[1]
        count, low, high, filled = np.full(len(values), values.shape[1]), values, values, values
        is_finite = np.isfinite(values)
        if not is_finite.all():
            undefined = np.isnan(values)
            count -= undefined.sum(axis=1)
            low, high = (np.where(undefined, bound, values) for bound in (np.inf, -np.inf))
            filled = np.where(is_finite, values, 0.0)
        self.min = np.minimum(self.min, low.min(axis=1, initial=np.inf))
        self.max = np.maximum(self.max, high.max(axis=1, initial=-np.inf))
        # Chan, Golub and LeVeque's pairwise update: no cancellation, however many chunks.
        mean = filled.sum(axis=1, dtype=np.float64) / np.maximum(count, 1)
        deviation = filled - mean[:, None]
        if not is_finite.all():
            deviation[~is_finite] = 0.0
        both = np.maximum(self.count + count, 1)
        delta = mean - self.mean
        self.sum_squares += (deviation**2).sum(axis=1) + delta**2 * self.count * count / both
        self.mean += delta * count / both
        self.count += count

    def rows(self) -> list[dict]:
        """One row per metric; all statistics NaN where the metric was never defined.

        With an infinite value the mean is infinite, or NaN if there are both signs, and std is NaN.
        """
        kept = np.concatenate(self.kept, axis=1) if self.kept else np.empty((len(METRICS), 0))
        rows = []
        for index, metric in enumerate(METRICS):
            values = kept[index][~np.isnan(kept[index])]
            count = int(self.count[index])
            low, high = self.min[index], self.max[index]
            mean, std = self.mean[index], np.sqrt(self.sum_squares[index] / max(count, 1))
            if not np.isfinite([low, high]).all():
                with np.errstate(invalid="ignore"):
                    mean, std = low + high, np.nan
            rows.append(
                {
                    "metric": metric,
                    "count": count,
                    "mean": mean,
                    "std": std,
                    "min": low if count else np.nan,
                    **dict(zip(QUANTILES, _get_quantiles(values), strict=True)),
                    "max": high if count else np.nan,
                    "quantile_count": len(values),
                }
            )
        return rows


def _get_quantiles(values: np.ndarray) -> list[float]:
    """QUANTILES of values (n,), interpolated linearly; NaN if there are none.

    Between an infinite value and a finite one lies the infinite one.
    """
    if not len(values):
        return [np.nan] * len(QUANTILES)
    levels = list(QUANTILES.values())
    with np.errstate(invalid="ignore"):
        found = np.quantile(values, levels)
        if not np.isfinite(found).all():
            low, high = (np.quantile(values, levels, method=way) for way in ("lower", "higher"))
            is_between = np.isfinite(low) & np.isfinite(high)
            found = np.where(low == high, low, np.where(is_between, found, low + high))
    return [float(quantile) for quantile in found]


def _to_frame(summaries: dict[int, Summary]) -> pd.DataFrame:
    """Tidy table, one row per (length, metric)."""
    rows = [
        {"length": length, **row}
        for length, summary in sorted(summaries.items())
        for row in summary.rows()
    ]
    return pd.DataFrame(rows)


def evaluate_by_length(
    model: Model,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    lengths: Iterable[int],
    num_games: int,
) -> pd.DataFrame:
    """Metrics on games, by the length of the prefix.

    Args:
        model: any model; attention_entropy is NaN for all but a OneLayer.
        batches: pairs of tokens (n, L) and legal next tokens (n, L, V).
        lengths: prefix lengths, 1 to L. A game that is over by then does not count.
        num_games: number of games in all batches together.

    Returns:
        one row per (length, metric): count, mean, std (of the population), min, quantiles, max.
    """
    lengths = sorted(lengths)
    limit = max(1, MAX_QUANTILE_CONTEXTS // len(lengths))  # all lengths are under way at once
    summaries = {length: Summary(num_games, limit) for length in lengths}
    tables = model.tables() if isinstance(model, OneLayer) else None
    values_per_game = model.vocab_size * (1 if tables else max(lengths))
    size = max(1, CHUNK_BYTES // (8 * values_per_game))
    for tokens, legal in batches:
        for start in range(0, len(tokens), size):
            chunk = slice(start, start + size)
            games, mask = tokens[chunk].astype(np.int64), legal[chunk]
            prefixes = (
                _CountedPrefixes(tables, games)
                if tables
                else _ModelPrefixes(model, games, max(lengths))
            )
            for length, summary in summaries.items():
                now = mask[:, length - 1]
                goes_on = now.any(axis=1) & (games[:, length - 1] != PAD)
                logits, entropy = prefixes.at(length, goes_on)
                legal_now = np.ascontiguousarray(now[goes_on].T)
                summary.add(_metric_rows(np.ascontiguousarray(logits.T), legal_now, entropy))
    return _to_frame(summaries)


class _CountedPrefixes:
    """Predictions from token tables, for lengths that ascend.

    How often each token was seen is carried from one length to the next, so that only the wanted
    lengths cost anything.
    """

    def __init__(self, tables: TokenTables, games: np.ndarray):
        self.tables, self.games, self.length = tables, games, 0
        self.counts = np.zeros((len(games), len(tables.weights)), tables.weights.dtype)

    def at(self, length: int, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, V) and entropy of attention (n,) of the wanted games, bool (N,)."""
        game, position = np.nonzero(self.games[:, self.length : length] != PAD)
        np.add.at(self.counts, (game, self.games[game, self.length + position]), 1)
        self.length = length
        last = self.games[wanted, length - 1]
        return self.tables.count_logits_and_entropy(self.counts[wanted], last)


class _ModelPrefixes:
    """Predictions of any model, by its logits; without an entropy of attention."""

    def __init__(self, model: Model, games: np.ndarray, longest: int):
        self.logits = model.logits(games[:, :longest])

    def at(self, length: int, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, V) and NaN (n,) for the wanted games, bool (N,)."""
        logits = self.logits[wanted, length - 1]
        return logits, np.full(len(logits), np.nan, logits.dtype)


def _metric_rows(logits: np.ndarray, legal: np.ndarray, entropy: np.ndarray) -> np.ndarray:
    """Values (metrics, contexts) from logits and legal tokens, both (V, contexts)."""
    return np.stack([*context_metrics(logits.T, legal.T, entropy).values()])


def evaluate_exhaustively(
    model: OneLayer,
    lengths: Iterable[int] | None = None,
    *,
    threads: int = 1,
    log: Callable[[str], None] = lambda message: None,
) -> pd.DataFrame:
    """Metrics of set complement over every context (set of seen tokens, last token).

    Args:
        model: a OneLayer, in whose dtype all is computed; other kinds are refused.
        lengths: sizes of the set, 1..V−1; all of them unless given.
        threads: how many to use; the result does not depend on it.
        log: takes lines on the progress.

    Returns:
        as `evaluate_by_length`; count is s·C(V, s). Quantiles are exact up to 2^21 contexts of a
        length, beyond that they are those of `quantile_count` evenly spaced ones.
    """
    vocab_size = require_one_layer(model, "evaluation over all contexts").vocab_size
    if vocab_size > MAX_EXHAUSTIVE_VOCAB_SIZE:
        raise ValueError(
            f"{vocab_size} tokens have {count_contexts(vocab_size):.1e} contexts; "
            f"exhaustive evaluation goes up to {MAX_EXHAUSTIVE_VOCAB_SIZE} tokens"
        )
    lengths = list(range(1, vocab_size)) if lengths is None else sorted(lengths)
    if not all(1 <= length < vocab_size for length in lengths):
        raise ValueError(f"lengths must lie in 1..{vocab_size - 1}, not {lengths}")
    _keep_freed_memory()
    contexts = _Contexts(model.tables())
    by_size = _sets_by_size(vocab_size)
    total = sum(count_contexts(vocab_size, length) for length in lengths)
    done, frames = 0, []
    with ThreadPoolExecutor(threads) as pool:
        for length in lengths:
            summary = Summary(count_contexts(vocab_size, length))
            jobs = _chunks(by_size(length), vocab_size)
            while wave := list(islice(jobs, 16 * threads)):  # bounds what waits in memory
                for values in pool.map(contexts.metric_rows, wave):
                    summary.add(values)
                    done += values.shape[1]
            log(f"length {length}: {done:,} of {total:,} contexts")
            frames.append(_to_frame({length: summary}))
    return pd.concat(frames, ignore_index=True)


def _keep_freed_memory() -> None:
    """Freeing one large array teaches glibc to keep freed memory instead of returning it to the
    system; else every temporary is paged in anew, which takes longer than the arithmetic."""
    np.empty((1 << 25) - (1 << 16), np.uint8)


def _sets_by_size(vocab_size: int) -> Callable[[int], np.ndarray]:
    """Function from a size to all sets of that size, as bits of uint32, ascending."""
    sets = np.arange(1 << vocab_size, dtype=np.uint32)
    size = np.bitwise_count(sets)
    return lambda wanted: sets[size == wanted]


def _chunks(sets: np.ndarray, vocab_size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Pairs of a last token and at most CHUNK of the sets that contain it."""
    for last in range(vocab_size):
        containing = sets[(sets >> np.uint32(last)) & 1 == 1]
        for start in range(0, len(containing), CHUNK):
            yield last, containing[start : start + CHUNK]


class _Contexts:
    """Logits and metrics of many sets that share a last token, by tables of half-sets."""

    def __init__(self, tables: TokenTables):
        self.tables = tables
        vocab_size = len(tables.weights)
        self.low_bits = vocab_size // 2
        self.bounds = (slice(0, self.low_bits), slice(self.low_bits, vocab_size))
        # members[half]: (tokens of the half, subsets of the half), bool
        self.members = [_subsets(half.stop - half.start) for half in self.bounds]
        self._sums: tuple[int, list[np.ndarray]] | None = None

    def _half_sums(self, last: int) -> list[np.ndarray]:
        """Sums over each subset of each half, (w + 2, subsets): of attention weight times value, of
        the weights, and of their entropy terms."""
        tables = self.tables
        weights = tables.weights[last][:, None]  # (V, 1)
        terms = np.concatenate(
            [weights * tables.values, weights, tables.entropy_terms[last][:, None]], axis=1
        )
        return [
            terms[half].T @ members.astype(terms.dtype)
            for half, members in zip(self.bounds, self.members, strict=True)
        ]

    def metric_rows(self, chunk: tuple[int, np.ndarray]) -> np.ndarray:
        """Values (metrics, contexts) for (last token, sets)."""
        last, sets = chunk
        cached = self._sums
        if cached is None or cached[0] != last:  # a race between threads costs a repetition
            cached = self._sums = (last, self._half_sums(last))
        _, sums = cached
        low, high = sets & np.uint32((1 << self.low_bits) - 1), sets >> np.uint32(self.low_bits)
        summed = np.take(sums[0], low, axis=1) + np.take(sums[1], high, axis=1)
        total = summed[-2] + self.tables.sink[last]
        attended = summed[:-2] / total
        entropy = np.log(total) - (summed[-1] + self.tables.sink_terms[last]) / total
        if self.tables.norm == "none":
            logits = attended + self.tables.direct[last][:, None]
        else:
            lasts = np.full(len(sets), last)
            logits = np.ascontiguousarray(self.tables.logits(attended.T, lasts).T)
        absent = ~np.concatenate(
            [np.take(self.members[0], low, axis=1), np.take(self.members[1], high, axis=1)]
        )
        return _metric_rows(logits, absent, entropy)


def _subsets(num_tokens: int) -> np.ndarray:
    """Membership bool (tokens, 2^tokens) of every subset, subsets as binary numbers."""
    subset = np.arange(1 << num_tokens, dtype=np.uint32)
    return (subset >> np.arange(num_tokens, dtype=np.uint32)[:, None]) & 1 == 1
