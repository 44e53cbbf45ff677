"""How often do the intervals of the hypotheses miss, and their verdicts err, in skewed values?

    python benchmarks/intervals.py [SEED]      (default 0)

Simulates runs like those of docs/training/hypotheses.csv, in some ten seconds. In each, the values
of every hypothesis are gamma distributed with the mean, spread and skewness that the two runs had
on average, and independent of those of the others. docs/formats.md quotes the result.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from gamecircuits.training.effects import get_half_width

TABLE = Path(__file__).parents[1] / "docs/training/hypotheses.csv"
NUM_RUNS = 20_000
SYMMETRIC = 0.05  # a skewness below this is taken for none


def draw(skewness: float, num_trials: int, rng: np.random.Generator) -> np.ndarray:
    """Values of mean 0 and variance 1, (NUM_RUNS, num_trials)."""
    size = NUM_RUNS, num_trials
    if abs(skewness) < SYMMETRIC:
        return rng.standard_normal(size)
    shape = 4 / skewness**2
    return np.sign(skewness) * (rng.gamma(shape, size=size) - shape) / shape**0.5


def main() -> None:
    rng = np.random.default_rng(int(sys.argv[1]) if sys.argv[1:] else 0)
    table = pd.read_csv(TABLE)
    has_missed, has_erred = np.zeros((2, NUM_RUNS), dtype=bool)
    for row in table.to_dict("records"):
        mean, std, skewness = (
            (row[name] + row[f"{name}_again"]) / 2 for name in ("mean", "std", "skewness")
        )
        n = row["num_trials"]
        values = mean + std * draw(skewness, n, rng)
        half = get_half_width(values.std(axis=1, ddof=1), n, len(table))
        low, high = values.mean(axis=1) - half, values.mean(axis=1) + half
        begin, end = (row[f"region_{name}"] for name in ("low", "high"))
        begin, end = np.nan_to_num(begin, nan=-np.inf), np.nan_to_num(end, nan=np.inf)
        has_missed |= (low > mean) | (high < mean)
        is_supported, is_contradicted = (low >= begin) & (high <= end), (high < begin) | (low > end)
        has_erred |= is_contradicted if begin <= mean <= end else is_supported
    print(f"{len(table)} hypotheses, {NUM_RUNS} simulated runs")
    print(f"an interval misses in {100 * has_missed.mean():.1f} % of them")
    print(f"a verdict is wrong in {100 * has_erred.mean():.2f} % of them")


if __name__ == "__main__":
    main()
