"""Metrics by length, apart from the number of legal tokens, which changes with it.

In Othello the middle game has the most legal moves, so a model may do worse there for two reasons:
prefixes are longer than in training, or more has to be told apart. Prefixes of all lengths are
therefore also compared at the same numbers of legal tokens (direct standardisation; Rothman et al.,
Modern Epidemiology, 3rd ed., ch. 15).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gamecircuits.analysis.metrics import METRICS


class LegalCounts:
    """Sums of metrics over the prefixes of each length and number of legal tokens.

    Attributes:
        metrics: names; such that are defined wherever a game goes on.
        counts: number of prefixes (L + 1, V + 1), by length and number of legal tokens.
        sums: of each metric over them (metrics, L + 1, V + 1).
    """

    def __init__(self, metrics: Sequence[str], max_length: int, vocab_size: int):
        self.metrics = list(metrics)
        self._places = [list(METRICS).index(name) for name in metrics]
        self.counts = np.zeros((max_length + 1, vocab_size + 1), int)
        self.sums = np.zeros((len(self.metrics), *self.counts.shape))

    def add(self, length: int, legal: np.ndarray, values: np.ndarray) -> None:
        """Take in prefixes of one length, as `evaluate_by_length` shows them.

        Args:
            legal: legal next tokens, bool (n, V).
            values: all of METRICS (metrics, n).
        """
        num_legal, size = legal.sum(axis=1), self.counts.shape[1]
        self.counts[length] += np.bincount(num_legal, minlength=size)
        for of_metric, place in zip(self.sums, self._places, strict=True):
            of_metric[length] += np.bincount(num_legal, values[place], size)

    def is_settled(self) -> bool:
        """Whether the length tells how many tokens are legal: then nothing can be matched."""
        return bool(((self.counts > 0).sum(axis=1) <= 1).all())

    def match(self, trained: int) -> pd.DataFrame:
        """Means by length, and as they would be with as many legal tokens as in training.

        Let c(s, k) prefixes of length s have k legal tokens, on which a metric has mean m(s, k).
        C(k) and M(k) are count and mean over all lengths up to `trained` together. The sums below
        run over the k with c(s, k) > 0 and C(k) > 0.

            matched_mean(s)   = Σ C(k) m(s, k) / Σ C(k)
            reference_mean(s) = Σ C(k) M(k) / Σ C(k)
            overlap(s)        = Σ C(k) / Σ over all k of C(k)
            effective_count(s) = (Σ C(k))² / Σ (C(k)² / c(s, k))

        matched_mean − reference_mean is what length does beside the number of legal tokens: both
        have the same weights. It is 0 if a metric depends on k alone. If it depends on s alone and
        the overlap is 1, it is the difference of the plain means. effective_count is the number of
        prefixes, each with weight 1, whose mean would be as precise (Kish 1965), if values scatter
        alike at all k and prefixes are independent.

        Args:
            trained: longest length in training.

        Returns:
            one row per (length, metric) with prefixes: length, metric, count, mean and the four.
            The means are NaN where the overlap is 0.
        """
        counts, in_training = self.counts, slice(trained + 1)
        wanted, wanted_sums = counts[in_training].sum(axis=0), self.sums[:, in_training].sum(axis=1)
        is_shared = (counts > 0) & (wanted > 0)
        weights = np.where(is_shared, wanted, 0) / np.maximum(wanted.sum(), 1)
        overlap = weights.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            weights /= overlap[:, None]
            means = np.where(is_shared, self.sums / counts, 0)
            references = np.where(is_shared, (wanted_sums / wanted)[:, None], 0)
            found = {
                "mean": self.sums.sum(axis=2) / counts.sum(axis=1),
                "matched_mean": np.einsum("sk,msk->ms", weights, means),
                "reference_mean": np.einsum("sk,msk->ms", weights, references),
                "overlap": overlap,
                "effective_count": 1 / np.where(is_shared, weights**2 / counts, 0).sum(axis=1),
            }
        found["effective_count"] = np.where(overlap > 0, found["effective_count"], 0)
        lengths = np.flatnonzero(counts.any(axis=1))
        place = pd.MultiIndex.from_product([lengths, self.metrics], names=["length", "metric"])
        table = place.to_frame(index=False)
        table["count"] = np.repeat(counts.sum(axis=1)[lengths], len(self.metrics))
        for name, values in found.items():
            table[name] = np.broadcast_to(values, means.shape[:2])[:, lengths].T.ravel()
        return table
