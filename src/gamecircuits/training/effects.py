"""Which remedy helps, by how much and how surely: paired differences over the trials of a search.

An average is compared with the last iterate of its own trajectory, a variant with the first variant
trained from the same weights on the same games. What is left besides the remedy is the spread over
the random draws of all other hyperparameters and seeds; the intervals are for the mean over these.

A random draw is not what one would use, so remedies are also compared at their best: each chooses
its own best trials by what it can see, the total variation at the trained length on games of the
validation split. Resampling the draws, and choosing anew, gives an interval that knows about the
choice.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy

from gamecircuits.randomness import get_rng
from gamecircuits.training.eval_lengths import name_lengths
from gamecircuits.training.trial import HYPERPARAMETERS

METRICS = ("illegal_token_rate", "total_variation", "kl_divergence")
COVERAGE = 0.95
BEST = 4  # the best 1/BEST of the draws, as many of them as did not diverge
RESAMPLES = 2000
FEW = 4  # values of a hyperparameter by which trials are told apart


def get_effects(
    metrics: pd.DataFrame,
    trained: int,
    variants: Mapping[str, Mapping[str, Any]],
    averages: list[str],
    num_draws: int,
) -> pd.DataFrame:
    """Paired differences, and means of the trials that were best at the trained length.

    Args:
        metrics: columns variant, number, average, length, metric, mean, validation.
        trained: longest length in training.
        variants: what each overrides, by name, in order.
        averages: in order; the first average and variant are what others are compared with.
        num_draws: trials of each variant, those that diverged included.

    Returns:
        one row per (variant, average, eval_length, metric): the number of tokens in `length`,
        num_trials, num_diverged, mean, std over trials (of a sample), best_mean of the best
        quarter;
        then differences: pairs, difference, low, high (Student's 95 % interval of the mean
        difference) and share_better,

        - `_vs_average`: from the first average of the same trajectory,
        - `_vs_variant`: from the first variant of the same draw,
        - `_with_average`: interaction, how far the effect of the variant on this average is from
          that on the first average,
        - `_beyond_parts`: interaction of the two variants, named in `parts`, whose overrides this
          one puts together: how far its effect is from the sum of theirs;

        and of the best quarters, each chosen for itself, `best_difference`, `best_low`, `best_high`
        (95 % bootstrap interval) `_vs_average` and `_vs_variant`. Differences below 0 are gains.
        Where all trials diverged, num_trials and pairs are 0. No rows if nothing can be compared.
    """
    if metrics.empty or averages[0] not in set(metrics["average"]):
        return pd.DataFrame(columns=["variant", "average", "eval_length", "length", "metric"])
    cells = pd.MultiIndex.from_product([list(variants), averages])
    wide = metrics[metrics["metric"].isin(METRICS)].pivot_table(
        index=["length", "metric", "number"], columns=["variant", "average"], values="mean"
    )
    wide = wide.reindex(columns=cells)
    lengths = name_lengths(trained, int(metrics["length"].max()))
    seen = metrics.drop_duplicates(["variant", "number", "average"])
    seen = seen.pivot(index="number", columns=["variant", "average"], values="validation")
    seen = seen.reindex(index=range(num_draws), columns=cells)
    resamples = _resample(num_draws)
    best = {cell: _Best(seen[cell].to_numpy(), resamples) for cell in cells}
    first_variant, first = next(iter(variants)), averages[0]
    parts = find_parts(variants)
    rows = []
    for eval_length, length in lengths.items():
        for metric in METRICS:
            values = wide.loc[(length, metric)].reindex(seen.index)
            means = {
                cell: chosen.get_means(values[cell].to_numpy()) for cell, chosen in best.items()
            }
            for variant, average in wide:
                cell, base = (variant, average), (first_variant, average)
                found = values[cell]
                row = {
                    "variant": variant,
                    "average": average,
                    "eval_length": eval_length,
                    "length": length,
                    "metric": metric,
                    "num_trials": int(found.notna().sum()),
                    "num_diverged": int(found.isna().sum()),
                    "mean": found.mean(),
                    "std": found.std(),
                    "best_mean": means[cell][0],
                }
                compared = {}
                if average != first:
                    own = found - values[variant, first]
                    compared["vs_average"] = _describe(own) | _compare(
                        means, cell, (variant, first)
                    )
                if variant != first_variant:
                    compared["vs_variant"] = _describe(found - values[base])
                    compared["vs_variant"] |= _compare(means, cell, base)
                if variant != first_variant and average != first:
                    compared["with_average"] = _describe(
                        own - (values[base] - values[first_variant, first])
                    )
                if variant in parts:
                    one, other = (values[part, average] for part in parts[variant])
                    compared["beyond_parts"] = _describe(found - one - other + values[base])
                    row["parts"] = " + ".join(parts[variant])
                for name, entries in compared.items():
                    row |= {f"{key}_{name}": value for key, value in entries.items()}
                rows.append(row)
    return pd.DataFrame(rows)


def get_moderators(
    metrics: pd.DataFrame,
    trials: pd.DataFrame,
    trained: int,
    variants: list[str],
    averages: list[str],
) -> pd.DataFrame:
    """Paired differences in total variation by what was drawn: for whom a remedy works.

    Args:
        metrics, trials: of the search; trained, variants, averages: as in get_effects.

    Returns:
        one row per hyperparameter of which few values were drawn, value, variant, average,
        eval_length and `versus` (average: from the first of the same trajectory; variant: from the
        first one of the same draw): num_trials, mean, pairs, difference, low, high, share_better.
        No rows if nothing can be compared.
    """
    columns = ["hyperparameter", "value", "variant", "average", "eval_length", "length", "versus"]
    if metrics.empty:
        return pd.DataFrame(columns=columns)
    of_metric = metrics[metrics["metric"] == "total_variation"]
    wide = of_metric.pivot(
        index=["length", "number"], columns=["variant", "average"], values="mean"
    ).reindex(columns=pd.MultiIndex.from_product([variants, averages]))
    drawn = trials[trials["variant"] == variants[0]].set_index("number")
    rows = []
    for name in HYPERPARAMETERS:
        values = drawn[name].unique()
        if not 2 <= len(values) <= FEW:
            continue
        for value in sorted(values):
            numbers = drawn.index[drawn[name] == value]
            for eval_length, length in name_lengths(trained, int(metrics["length"].max())).items():
                found = wide.loc[length].reindex(numbers)
                for variant, average in wide:
                    others = {"average": (variant, averages[0]), "variant": (variants[0], average)}
                    for versus, other in others.items():
                        if other == (variant, average):
                            continue
                        place = [name, str(value), variant, average, eval_length, length, versus]
                        row = dict(zip(columns, place, strict=True))
                        own = found[variant, average]
                        row |= {"num_trials": int(own.notna().sum()), "mean": own.mean()}
                        rows.append(row | _describe(own - found[other]))
    return pd.DataFrame(rows, columns=None if rows else columns)


def find_parts(variants: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Variants that put together what two others override; the first must override nothing."""
    first, *others = variants
    if variants[first]:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for whole in others:
        for n, one in enumerate(others):
            for other in others[n + 1 :]:
                one_part, other_part = variants[one], variants[other]
                is_disjoint = one_part and other_part and not set(one_part) & set(other_part)
                if is_disjoint and {**one_part, **other_part} == variants[whole]:
                    found.setdefault(whole, (one, other))
    return found


def _resample(num_draws: int) -> np.ndarray:
    """How often each draw is there (1 + RESAMPLES, n): once in the data, the first row."""
    counts = np.ones((1 + RESAMPLES, num_draws), np.int16)
    rng = get_rng(0, "resampled trials")
    counts[1:] = rng.multinomial(num_draws, np.full(num_draws, 1 / num_draws), size=RESAMPLES)
    return counts


class _Best:
    """The best quarter of the draws, and of every resample of them.

    Args:
        seen: total variation at the trained length on validation games (n,), NaN if diverged.
        resamples: see _resample; the same for all that is compared.
    """

    def __init__(self, seen: np.ndarray, resamples: np.ndarray):
        counts = np.where(np.isnan(seen), 0, resamples).astype(resamples.dtype)
        order = np.argsort(seen, kind="stable")
        places = np.cumsum(counts[:, order], axis=1) - counts[:, order]  # how many are better
        wanted = -(-len(seen) // BEST)
        self.counts = np.empty_like(counts)  # of the best alone
        self.counts[:, order] = np.clip(wanted - places, 0, counts[:, order])

    def get_means(self, values: np.ndarray) -> np.ndarray:
        """Mean over the best of values (n,): of the data, then of all resamples."""
        with np.errstate(invalid="ignore"):  # NaN where there is none
            return self.counts @ np.nan_to_num(values) / self.counts.sum(axis=1)


def _compare(means: dict, cell: tuple[str, str], other: tuple[str, str]) -> dict[str, float]:
    """Difference of the best; its interval is over the resamples in which both have trials."""
    differences = means[cell] - means[other]
    resampled = differences[1:][np.isfinite(differences[1:])]
    low = high = np.nan
    if len(resampled):
        low, high = np.quantile(resampled, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return {"best_difference": differences[0], "best_low": low, "best_high": high}


def describe_mean(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of values without NaN, with Student's interval; NaN where there are too few for one."""
    mean = values.mean() if len(values) else np.nan
    half = np.nan
    if len(values) > 1:
        error = values.std(ddof=1) / np.sqrt(len(values))
        half = scipy.special.stdtrit(len(values) - 1, (1 + COVERAGE) / 2) * error
    return mean, mean - half, mean + half


def _describe(differences: pd.Series) -> dict[str, float]:
    """Mean paired difference with its interval."""
    differences = differences.dropna().to_numpy()
    mean, low, high = describe_mean(differences)
    return {
        "pairs": len(differences),
        "difference": mean,
        "low": low,
        "high": high,
        "share_better": (differences < 0).mean() if len(differences) else np.nan,
    }
