"""Which remedy helps, by how much and how surely: paired differences over the trials of a search.

An average is compared with the last iterate of its own trajectory, a variant with the first variant
trained from the same weights on the same games. What is left besides the remedy is the spread over
the random draws of all other hyperparameters and seeds; the intervals are for the mean over these.
"""

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

METRICS = ("illegal_token_rate", "total_variation", "kl_divergence")
REACHES = ("trained", "twice", "longest")
COVERAGE = 0.95
BEST = 4  # the best 1/BEST of the trials, by total variation at the trained length


def name_lengths(trained: int, longest: int) -> dict[str, int]:
    """The lengths that trials are compared at: as trained, twice that, the longest measured."""
    wanted = (trained, 2 * trained, longest)
    return {name: min(n, longest) for name, n in zip(REACHES, wanted, strict=True)}


def get_effects(
    metrics: pd.DataFrame, trained: int, variants: list[str], averages: list[str]
) -> pd.DataFrame:
    """Paired differences, and means of the trials that were best at the trained length.

    Args:
        metrics: columns variant, number, average, length, metric, mean.
        trained: longest length in training.
        variants, averages: in order; the first of each is what others are compared with.

    Returns:
        one row per (variant, average, reach, metric), where `reach` names the length: num_trials,
        mean, std over trials (of a sample), best_mean of the best quarter at the trained length;
        and for each of the comparisons `vs_average` (same trajectory) and `vs_variant` (same draw):
        pairs, difference, low, high (Student's 95 % interval of the mean difference), share_better.
        Where all trials diverged, num_trials and pairs are 0.
    """
    wide = metrics[metrics["metric"].isin(METRICS)].pivot_table(
        index=["length", "metric", "number"], columns=["variant", "average"], values="mean"
    )
    wide = wide.reindex(columns=pd.MultiIndex.from_product([variants, averages]))
    lengths = name_lengths(trained, int(metrics["length"].max()))
    rows = []
    for reach, length in lengths.items():
        for metric in METRICS:
            values = wide.loc[(length, metric)]
            in_training = wide.loc[(lengths["trained"], "total_variation")].reindex(values.index)
            for variant in variants:
                for average in averages:
                    found = values[variant, average]
                    num_trials = int(found.notna().sum())
                    best = in_training[variant, average].nsmallest(-(-num_trials // BEST)).index
                    row = {
                        "variant": variant,
                        "average": average,
                        "reach": reach,
                        "length": length,
                        "metric": metric,
                        "num_trials": num_trials,
                        "mean": found.mean(),
                        "std": found.std(),
                        "best_mean": found[best].mean(),
                    }
                    others = {"average": (variant, averages[0]), "variant": (variants[0], average)}
                    for name, other in others.items():
                        if other != (variant, average):
                            differences = (found - values[other]).dropna().to_numpy()
                            about = _describe(differences)
                            row |= {f"{key}_vs_{name}": value for key, value in about.items()}
                    rows.append(row)
    return pd.DataFrame(rows)


def _describe(differences: np.ndarray) -> dict[str, float]:
    """Mean paired difference with its interval; NaN where there are too few pairs for one."""
    pairs = len(differences)
    mean = differences.mean() if pairs else np.nan
    half = np.nan
    if pairs > 1:
        error = differences.std(ddof=1) / np.sqrt(pairs)
        half = student_t.ppf((1 + COVERAGE) / 2, pairs - 1) * error
    return {
        "pairs": pairs,
        "difference": mean,
        "low": mean - half,
        "high": mean + half,
        "share_better": (differences < 0).mean() if pairs else np.nan,
    }
