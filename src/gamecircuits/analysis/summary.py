"""Count, mean, spread, extremes and quantiles of metrics, from values that arrive in chunks.

Sums run over lanes, of which each takes every LANES-th value, and then over the lanes. So their
order depends on no processor. Chunks are joined in the order of their values.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numba import njit

from gamecircuits.analysis.metrics import METRICS

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
MAX_QUANTILE_CONTEXTS = 1 << 21  # beyond, quantiles come from evenly spaced contexts
LANES = np.uint64(64)
Description = tuple[int, np.ndarray, np.ndarray]  # of values, as `describe` returns it


class Summary:
    """Statistics of every metric over the contexts of one length.

    Args:
        total: upper bound of the number of contexts to come; decides which are kept for quantiles.
        limit: how many to keep at most; MAX_QUANTILE_CONTEXTS unless given.
    """

    def __init__(self, total: int, limit: int | None = None):
        self.stride = max(1, -(-total // (limit or MAX_QUANTILE_CONTEXTS)))
        self.seen = 0
        self.kept = np.empty((len(METRICS), -(-total // self.stride)))
        self.moments = np.zeros((len(METRICS), 3))  # count, mean, sum of squared deviations
        self.extremes = np.tile([np.inf, -np.inf], (len(METRICS), 1))

    def add(self, values: np.ndarray) -> None:
        """Take in values (metrics, contexts), in METRICS's order; NaN is "not defined here"."""
        self.keep(values, self.seen)
        self.join(describe(values))

    def keep(self, values: np.ndarray, start: int) -> None:
        """Store what quantiles need of values (metrics, contexts), the first of which is the
        start-th. Threads may do so at once, in any order."""
        kept = values[:, -start % self.stride :: self.stride]
        place = -(-start // self.stride)
        self.kept[:, place : place + kept.shape[1]] = kept

    def join(self, described: Description) -> None:
        """Count in the next contexts."""
        num_contexts, moments, extremes = described
        _join(self.moments, moments)
        np.minimum(self.extremes[:, 0], extremes[:, 0], out=self.extremes[:, 0])
        np.maximum(self.extremes[:, 1], extremes[:, 1], out=self.extremes[:, 1])
        self.seen += num_contexts

    def rows(self, map_: Callable = map) -> list[dict]:
        """One row per metric; all statistics NaN where the metric was never defined.

        With an infinite value the mean is infinite, or NaN if there are both signs, and std is NaN.

        Args:
            map_: as the built-in, to work in several threads.
        """
        kept = self.kept[:, : -(-self.seen // self.stride)]
        rows = []
        for metric, moments, (low, high), quantiles in zip(
            METRICS, self.moments, self.extremes, map_(_sort_and_get_quantiles, kept), strict=True
        ):
            count = int(moments[0])
            mean, std = moments[1], np.sqrt(moments[2] / max(count, 1))
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
                    **dict(zip(QUANTILES, quantiles[0], strict=True)),
                    "max": high if count else np.nan,
                    "quantile_count": quantiles[1],
                }
            )
        return rows


def to_frame(summaries: dict[int, Summary], map_: Callable = map) -> pd.DataFrame:
    """Tidy table, one row per (length, metric)."""
    rows = [
        {"length": length, **row}
        for length, summary in sorted(summaries.items())
        for row in summary.rows(map_)
    ]
    return pd.DataFrame(rows)


def _sort_and_get_quantiles(values: np.ndarray) -> tuple[list[float], int]:
    """QUANTILES of values (n,), interpolated linearly, and how many are no NaN; sorts the values.

    Without a value the quantiles are NaN. Between an infinite value and a finite one lies the
    infinite one.
    """
    values.sort()  # NaN last; sorting all is faster than np.quantile, which sorts a part
    count = len(values) - int(np.isnan(values).sum())
    if not count:
        return [np.nan] * len(QUANTILES), 0
    places = (count - 1) * np.array([*QUANTILES.values()])
    below = places.astype(int)
    low, high = values[below], values[np.minimum(below + 1, count - 1)]
    with np.errstate(invalid="ignore"):
        found = low + (high - low) * (places - below)
        is_between = np.isfinite(low) & np.isfinite(high)
        at_one = (low == high) | (places == below)
        found = np.where(at_one, low, np.where(is_between, found, low + high))
    return found.tolist(), count


@njit(cache=True, nogil=True, error_model="numpy")
def describe(values):
    """Statistics of values (metrics, contexts), floats.

    Returns:
        number of contexts; moments (metrics, 3): count, mean, sum of squared deviations; extremes
        (metrics, 2): lowest, highest. NaN does not count. Infinite values count, and add nothing to
        mean and deviations.
    """
    num_metrics, num_contexts = values.shape
    moments, extremes = np.zeros((num_metrics, 3)), np.empty((num_metrics, 2))
    count, total = np.empty(LANES), np.empty(LANES)
    low, high = np.empty(LANES), np.empty(LANES)
    for metric in range(num_metrics):
        row = values[metric]
        count[:], total[:], low[:], high[:] = 0.0, 0.0, np.inf, -np.inf
        for start in range(np.uint64(0), np.uint64(num_contexts), LANES):
            for lane in range(min(LANES, np.uint64(num_contexts) - start)):
                value = np.float64(row[start + lane])
                is_defined = value == value
                count[lane] += 1.0 if is_defined else 0.0
                total[lane] += value if abs(value) < np.inf else 0.0
                low[lane] = min(low[lane], value if is_defined else np.inf)
                high[lane] = max(high[lane], value if is_defined else -np.inf)
        moments[metric, 0] = count.sum()
        mean = total.sum() / max(moments[metric, 0], 1.0)
        extremes[metric] = low.min(), high.max()
        total[:] = 0.0
        for start in range(np.uint64(0), np.uint64(num_contexts), LANES):
            for lane in range(min(LANES, np.uint64(num_contexts) - start)):
                value = np.float64(row[start + lane])
                deviation = value - mean if abs(value) < np.inf else 0.0
                total[lane] += deviation * deviation
        moments[metric, 1:] = mean, total.sum()
    return num_contexts, moments, extremes


@njit(cache=True, nogil=True)
def _join(moments, others):
    """Add other values' moments (metrics, 3) to those of the values so far.

    Chan, Golub and LeVeque's pairwise update: no cancellation, however many chunks.
    """
    for metric in range(len(moments)):
        count, mean, squares = moments[metric]
        more, other_mean, other_squares = others[metric]
        both = max(count + more, 1.0)
        delta = other_mean - mean
        moments[metric, 0] = count + more
        moments[metric, 1] = mean + delta * more / both
        moments[metric, 2] = squares + other_squares + delta * delta * count * more / both
