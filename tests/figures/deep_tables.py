"""Further tables of a search, those that collect_search writes of deeper models."""

from itertools import product

import numpy as np
import pandas as pd

from gamecircuits.figures.searches._search import forget_theory
from gamecircuits.training.choices import JUDGED, KEYS
from gamecircuits.training.grid import BETWEEN

LENGTHS = range(1, 5)
LAYERS, HEADS = 3, 2


def make_deep(tables, sorts=("seen", "unseen"), settled=False):
    """The tables of a search as they would be of models of several layers.

    Args:
        sorts: of illegal tokens that there are; none if all were played.
        settled: whether the length tells how many tokens are legal.
    """
    rng = np.random.default_rng(0)
    metrics = tables["metrics"]
    models = metrics[[*KEYS, "average"]].drop_duplicates().to_dict("records")
    attention = pd.DataFrame(
        model | {"layer": layer, "head": head, "length": s, "count": 9}
        | {"share_of_uniform": rng.uniform(0.5, 1) if s > 1 else np.nan}
        for model in models for layer in range(LAYERS) for head in range(HEADS) for s in LENGTHS
    )  # fmt: skip
    illegal = pd.DataFrame(
        model | {"length": s, "part": sort, "count": 9, "displacement": rng.uniform(-1, 5)}
        for model in models for s in LENGTHS for sort in sorts
    )  # fmt: skip
    matched = pd.DataFrame(
        model | {"length": s, "metric": metric, "count": 10 - s, "mean": 0.1 * s}
        | {"matched_mean": 0.08 * s, "reference_mean": 0.1, "overlap": 1 - 0.2 * s}
        for model in models for s in LENGTHS for metric in JUDGED
    )  # fmt: skip
    baselines = pd.DataFrame(
        {"baseline": baseline, "length": s, "metric": metric, "num_trials": 0, "count": 10 - s}
        | {"mean": {"num_legal": 4.0 - s / 2, "floor": 0.2 / s}.get(metric, 0.9)}
        for s in LENGTHS
        for baseline, of_baseline in {
            "games": ("num_legal", "floor"), "uniform": JUDGED, "untrained": JUDGED
        }.items()
        for metric in of_baseline
    )  # fmt: skip
    further = {"attention": attention, "illegal": illegal, "baselines": baselines}
    return forget_theory(tables) | further | {"matched": matched[:0] if settled else matched}


def make_gridded(levels, trained, draws=3, averages=("last", "ema"), seed=0):
    """Metrics and baselines of a search with a grid, at four lengths up to four times trained."""
    variants = [BETWEEN.join(parts) for parts in product(*levels.values())]
    lengths = [trained * n for n in (1, 2, 3, 4)]
    keys = [*KEYS, "average", "length", "metric"]
    cells = product(variants, range(draws), averages, lengths, JUDGED)
    metrics = pd.DataFrame(cells, columns=keys)
    values = np.random.default_rng(seed).uniform(0.01, 0.9, len(metrics))
    baselines = pd.DataFrame(product(("uniform", "untrained"), lengths, JUDGED),
                             columns=["baseline", "length", "metric"])  # fmt: skip
    return metrics.assign(mean=values), baselines.assign(mean=0.8)
