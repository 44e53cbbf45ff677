"""Factors of a search, all of whose levels are combined, and what each level does.

A factor has levels, each with the hyperparameters that it sets; the first is what others are
compared with. A variant is one level of every factor, and is named after them: rotary.after.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from gamecircuits.training.choices import AS_TRAINED, COMPARED
from gamecircuits.training.effects import FAMILY, adjust, describe
from gamecircuits.training.eval_lengths import name_all_lengths

BETWEEN = "."  # levels in the name of a variant
ALL = "all"  # in place of a level: mean over all levels

Levels = Mapping[str, Sequence[str]]  # of each factor, in order


def expand_grid(grid: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Hyperparameters of every combination of levels, by its name; none without factors."""
    found = {}
    for levels in product(*(factor.items() for factor in grid.values())):
        name = BETWEEN.join(level for level, _ in levels)
        found[name] = {key: value for _, values in levels for key, value in values.items()}
    return found if grid else {}


def find_variants(name: str, levels: Levels) -> list[str]:
    """The variants that a name stands for: all with that level, or the one of that name."""
    for place, names in enumerate(levels.values()):
        if name in names:
            combined = product(*levels.values())
            return [BETWEEN.join(parts) for parts in combined if parts[place] == name]
    return [name]


def get_factors(
    metrics: pd.DataFrame, trained: int, levels: Levels, averages: Sequence[str], num_draws: int
) -> pd.DataFrame:
    """What each level does, averaged over the levels of the other factors within each draw.

    Draws are independent; trials of one draw share weights before training and games. So the mean
    over settings within a draw is one value, and intervals are over draws.

    Args:
        metrics: of a search, as trained; trained: longest length in training.
        num_draws: trials of each variant.

    Returns:
        one row per factor, level, `given` (a level of another factor to which the settings are
        restricted, or "all"), average, eval_length and metric: length; num_trials, mean over
        trials; and, as in `effects`, differences `_vs_level` from the first level in settings that
        are otherwise the same, and `_vs_average` from the first average of the same trajectory.
        A setting in which a trial diverged is left out of its draw's mean.
    """
    keys = ["factor", "level", "given", "average", "eval_length", "metric"]
    if not levels or metrics.empty:
        return pd.DataFrame(columns=keys)
    sizes = [len(names) for names in levels.values()]
    variants = [BETWEEN.join(parts) for parts in product(*levels.values())]
    cells = pd.MultiIndex.from_product([variants, averages])
    rows = []
    for eval_length, length in name_all_lengths(trained, int(metrics["length"].max())).items():
        for metric in COMPARED:
            chosen = metrics[(metrics["length"] == length) & (metrics["metric"] == metric)]
            wide = chosen.pivot(index="number", columns=["variant", "average"], values="mean")
            cube = wide.reindex(index=range(num_draws), columns=cells).to_numpy()
            cube = cube.reshape(num_draws, *sizes, len(averages))
            about = {"eval_length": eval_length, "length": length, "metric": metric}
            for place, values, first in _contrast(cube, levels):
                for n, average in enumerate(averages):
                    own, of_last = values[..., n], values[..., 0]
                    row = {**about, **place, "average": average, "strength": AS_TRAINED}
                    there = own[np.isfinite(own)]
                    mean = there.mean() if len(there) else np.nan
                    row |= {"num_trials": len(there), "mean": mean}
                    row |= {"_vs_level": own - first[..., n], "_vs_average": own - of_last}
                    rows.append(row)
    table = pd.DataFrame(rows)
    for versus in ("_vs_level", "_vs_average"):
        apart = np.stack([_mean_of_draws(values) for values in table.pop(versus)])
        is_itself = (
            table["level"].isin([names[0] for names in levels.values()])
            if versus == "_vs_level"
            else table["average"] == averages[0]
        )
        apart[is_itself] = np.nan
        described = describe(pd.DataFrame(apart.T)).add_suffix(versus)
        table = table.join(described.drop(columns=f"share_better{versus}"))
        table = adjust(table, ["given", *FAMILY], versus)
    table = table.drop(columns="strength")
    return table[[*keys, *(name for name in table if name not in keys)]]


def _contrast(cube: np.ndarray, levels: Levels) -> Iterator[tuple[dict, np.ndarray, np.ndarray]]:
    """Each level in each restriction: its place, its values and those of the first level.

    cube: (draws, levels of each factor ..., averages); the values lack the factor's axis.
    """
    for axis, (factor, names) in enumerate(levels.items(), start=1):
        for given, chosen in _restrict(cube, levels, axis):
            first = chosen.take(0, axis)
            for n, level in enumerate(names):
                place = {"factor": factor, "level": level, "given": given}
                yield place, chosen.take(n, axis), first


def _restrict(cube: np.ndarray, levels: Levels, own: int) -> Iterator[tuple[str, np.ndarray]]:
    yield ALL, cube
    for axis, names in enumerate(levels.values(), start=1):
        if axis != own:
            for n, level in enumerate(names):
                yield level, cube.take([n], axis)


def _mean_of_draws(values: np.ndarray) -> np.ndarray:
    """Means of (draws, ...) over all but draws, of what is finite; NaN where nothing is."""
    flat = values.reshape(len(values), -1)
    count = np.isfinite(flat).sum(axis=1)
    total = np.where(np.isfinite(flat), flat, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
