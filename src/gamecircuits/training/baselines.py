"""What trained models are compared with: the games themselves, a uniform guess, untrained models.

The loss of any model is its KL divergence plus the floor, the mean of ln(number of legal tokens):
so much is lost by the perfect model.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gamecircuits.games.game import PAD
from gamecircuits.training.choices import JUDGED

KEYS = ["baseline", "length", "metric"]


def measure_games(tokens: np.ndarray, mask: np.ndarray, lengths: Iterable[int]) -> pd.DataFrame:
    """The games' own numbers, and the metrics JUDGED of equal logits, by length.

    With k of V tokens legal, equal logits have illegal mass and total variation 1 − k/V, KL
    divergence ln(V/k), and the likeliest token is legal with k/V, ties by share.

    Args:
        tokens: (N, L).
        mask: legal next tokens, bool (N, L, V).
        lengths: of prefixes.

    Returns:
        one row per baseline (`games` or `uniform`), length and metric: count, of prefixes that go
        on, and mean. The games' metrics are num_legal (tokens) and floor (nats).
    """
    columns, V = np.array(sorted(lengths)) - 1, mask.shape[2]
    k = mask[:, columns].sum(axis=2)
    goes_on = (k > 0) & (tokens[:, columns] != PAD)
    k, count = np.maximum(k, 1), goes_on.sum(axis=0)
    metrics = {
        ("games", "num_legal"): k,
        ("games", "floor"): np.log(k),
        ("uniform", "illegal_token_rate"): 1 - k / V,
        ("uniform", "total_variation"): 1 - k / V,
        ("uniform", "kl_divergence"): np.log(V / k),
        ("uniform", "top1_legal"): k / V,
    }
    tables = []
    for (baseline, metric), values in metrics.items():
        mean = np.where(goes_on, values, 0).sum(axis=0) / np.maximum(count, 1)
        rows = {"baseline": baseline, "length": columns + 1, "metric": metric}
        tables.append(pd.DataFrame({**rows, "count": count, "mean": mean})[count > 0])
    return pd.concat(tables, ignore_index=True)


def select_untrained(measured: pd.DataFrame) -> pd.DataFrame:
    """The rows of an untrained model, from its metrics by length as measure_average has them."""
    judged = measured[measured["metric"].isin(JUDGED)]
    return judged[["length", "metric", "count", "mean"]].assign(baseline="untrained")


def join_baselines(table: pd.DataFrame) -> pd.DataFrame:
    """The baselines of a search from those of its groups.

    Args:
        table: rows of measure_games, the same of every group, and of select_untrained, those with
            the number of their trial.

    Returns:
        one row per KEYS: num_trials (0 where there is no model), count, mean and std (over trials,
        of a sample).
    """
    if table.empty:
        return table
    known = table["number"].isna()
    found = table[known].drop_duplicates(KEYS).assign(num_trials=0, std=np.nan)
    trials = table[~known].groupby(KEYS, sort=False).agg(
        num_trials=("mean", "size"), count=("count", "first"), mean=("mean", "mean"),
        std=("mean", "std"),
    )  # fmt: skip
    joined = pd.concat([found, trials.reset_index()], ignore_index=True)
    return joined[[*KEYS, "num_trials", "count", "mean", "std"]]
