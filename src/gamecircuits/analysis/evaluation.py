"""Metrics of a model length by length: on sampled games, or over every context there is.

Any model can be measured on games; a OneLayer is measured by its token tables, which is faster.

Set complement has V·2^(V−1) − V contexts (set of seen tokens, last token). A OneLayer's prediction
depends on nothing else, so the metrics over all of them are exact.

Chunks have a fixed size and are reduced in a fixed order: the number of threads changes no bit.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pandas as pd

from gamecircuits.analysis.contexts import MAX_EXHAUSTIVE_VOCAB_SIZE, choose_lengths
from gamecircuits.analysis.metrics import context_metrics
from gamecircuits.analysis.set_sums import Chunk, SetSums
from gamecircuits.analysis.summary import (
    MAX_QUANTILE_CONTEXTS,
    Description,
    Summary,
    describe,
    to_frame,
)
from gamecircuits.games.game import PAD
from gamecircuits.theory.basics import count_contexts
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer, require_one_layer

CHUNK_BYTES = 1 << 22  # of logits at one length, for sampled games
POSITIONS = 1 << 11  # that a deeper model is given at once: what lies between layers stays small
See = Callable[[int, np.ndarray, np.ndarray], None]


def evaluate_by_length(
    model: Model,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    lengths: Iterable[int],
    num_games: int,
    see: See = lambda length, legal, values: None,
) -> pd.DataFrame:
    """Metrics on games, by the length of the prefix.

    Args:
        model: any model; attention_entropy is NaN for all but a OneLayer.
        batches: pairs of tokens (n, L) and legal next tokens (n, L, V).
        lengths: prefix lengths, 1 to L. A game that is over by then does not count.
        num_games: number of games in all batches together.
        see: takes a length, the legal next tokens (n, V) after some prefixes of it, and all metrics
            (metrics, n) there; it is called until all prefixes were seen.

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
                logits = np.ascontiguousarray(logits.T)
                values = np.stack([*context_metrics(logits.T, legal_now.T, entropy).values()])
                summary.add(values)
                see(length, legal_now.T, values)
    return to_frame(summaries)


def get_logits(model: Model, tokens: np.ndarray) -> np.ndarray:
    """Logits (N, L, V) after every prefix of tokens (N, L), a few games at a time."""
    if isinstance(model, OneLayer):  # nothing is larger than the logits
        return model.logits(tokens)
    size = max(1, POSITIONS // tokens.shape[1])
    starts = range(0, max(len(tokens), 1), size)
    return np.concatenate([model.logits(tokens[start : start + size]) for start in starts])


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
        self.logits = get_logits(model, games[:, :longest])

    def at(self, length: int, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, V) and NaN (n,) for the wanted games, bool (N,)."""
        logits = self.logits[wanted, length - 1]
        return logits, np.full(len(logits), np.nan, logits.dtype)


def evaluate_exhaustively(
    model: Model,
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
    model = require_one_layer(model, "evaluation over all contexts")
    vocab_size = model.vocab_size
    if vocab_size > MAX_EXHAUSTIVE_VOCAB_SIZE:
        raise ValueError(
            f"{vocab_size} tokens have {count_contexts(vocab_size):.1e} contexts; "
            f"exhaustive evaluation goes up to {MAX_EXHAUSTIVE_VOCAB_SIZE} tokens"
        )
    lengths = choose_lengths(vocab_size, lengths)
    _keep_freed_memory()
    contexts = SetSums(model.tables())
    total = sum(count_contexts(vocab_size, length) for length in lengths)
    done, frames = 0, []
    with ThreadPoolExecutor(threads) as pool:
        for length in lengths:
            summary = Summary(count_contexts(vocab_size, length))

            def measure(chunk: Chunk, summary=summary) -> Description:
                values = contexts.metric_rows(chunk)
                summary.keep(values, chunk.start)
                return describe(values)

            for found in _map_ahead(pool, measure, contexts.chunks(length), 4 * threads):
                summary.join(found)
            done += summary.seen
            frames.append(to_frame({length: summary}, pool.map))
            log(f"length {length}: {done:,} of {total:,} contexts")
    return pd.concat(frames, ignore_index=True)


def _map_ahead(pool: Executor, function: Callable, items: Iterable, ahead: int) -> Iterator:
    """Results in the order of the items, of which at most `ahead` are under way."""
    pending: deque[Future] = deque()
    for item in items:
        if len(pending) == ahead:
            yield pending.popleft().result()
        pending.append(pool.submit(function, item))
    while pending:
        yield pending.popleft().result()


def _keep_freed_memory() -> None:
    """Freeing one large array teaches glibc to keep freed memory instead of returning it to the
    system; else every temporary is paged in anew, which takes longer than the arithmetic."""
    np.empty((1 << 25) - (1 << 16), np.uint8)
