"""Which remedy helps, by how much and how surely: paired differences over the trials of a search.

An average is compared with the last iterate of its own trajectory, a variant with the first variant
trained from the same weights on the same games. What is left besides the remedy is the spread over
the random draws of all other hyperparameters and seeds; the intervals are for the mean over these.

Student's interval covers where the differences are about symmetric. It covers less where they are
skewed, as when a remedy divides errors that are skewed themselves (docs/formats.md has numbers).

A random draw is not what one would use, so means of the best trials stand beside those of all. They
have no interval: of a quarter of so few draws, neither the bootstrap's nor Student's covers.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import scipy

from gamecircuits.training.choices import AS_TRAINED, COMPARED, STRENGTHS, list_hyperparameters
from gamecircuits.training.eval_lengths import name_lengths

COVERAGE = 0.95
BEST = 4  # the best 1/BEST of the draws, as many of them as did not diverge
FEW = 4  # values of a hyperparameter by which trials are told apart
KEYS = ["variant", "average", "strength", "eval_length", "length", "metric"]
FAMILY = ["strength", "eval_length", "metric"]  # rows whose differences of one kind are compared
Cell = tuple[str, str]  # variant and average


def get_effects(
    metrics: pd.DataFrame,
    trained: int,
    variants: Mapping[str, Mapping[str, Any]],
    averages: list[str],
    num_draws: int,
    earlier: Mapping[str, str],
) -> pd.DataFrame:
    """Paired differences, and means of the trials that were best at the trained length.

    Args:
        metrics: columns variant, number, average, strength, length, metric, mean, validation.
        trained: longest length in training.
        variants: what each overrides, by name, in order.
        averages: in order; the first average and variant are what others are compared with.
        num_draws: trials of each variant, those that diverged included.
        earlier: of some averages, the name of the one that is the single iterate of the same age.

    Returns:
        one row per (variant, average, strength, eval_length, metric): the number of tokens in
        `length`, num_trials, num_diverged (as trained), mean, std over trials (of a sample),
        best_mean and best_std of the best quarter;
        then differences between cells of one strength: pairs, difference, low, high (Student's 95 %
        interval of the mean difference), adjusted_low and adjusted_high (see `adjust`), and
        share_better,

        - `_vs_average`: from the first average of the same trajectory,
        - `_vs_earlier`: from the single iterate of the same age, of the same trajectory,
        - `_vs_variant`: from the first variant of the same draw,
        - `_with_average`: interaction, how far the effect of the variant on this average is from
          that on the first average,
        - `_beyond_parts`: interaction of the two variants, named in `parts`, whose overrides this
          one puts together: how far its effect is from the sum of theirs.

        Differences below 0 are gains. Where all trials diverged, num_trials and pairs are 0; cells
        of other strengths than as_trained are there if they have values. No rows if nothing can be
        compared.
    """
    if metrics.empty or averages[0] not in set(metrics["average"]):
        return pd.DataFrame(columns=KEYS)
    cells = pd.MultiIndex.from_product([list(variants), averages], names=KEYS[:2])
    parts = find_parts(variants)
    contrasts = _list_contrasts(list(variants), averages, earlier, parts)
    lengths = name_lengths(trained, int(metrics["length"].max()))
    tables = []
    for (eval_length, length), strength, metric in product(lengths.items(), STRENGTHS, COMPARED):
        place = {"strength": strength, "length": length, "metric": metric}
        rows = metrics[(metrics[list(place)] == list(place.values())).all(axis=1)]
        values, seen = (_arrange(rows, name, cells, num_draws) for name in ("mean", "validation"))
        table = _describe_cells(values, seen).assign(**place, eval_length=eval_length)
        for kind, of_kind in contrasts.items():
            table = table.join(describe(_subtract(values, of_kind)).add_suffix(f"_{kind}"))
        if strength != AS_TRAINED:
            table = table[table["num_trials"] > 0].assign(num_diverged=np.nan)
        tables.append(table.reset_index())
    table = pd.concat([part for part in tables if len(part)], ignore_index=True)
    for kind in contrasts:
        table = adjust(table, FAMILY, f"_{kind}")
    table["parts"] = table["variant"].map({whole: " + ".join(two) for whole, two in parts.items()})
    return table[[*KEYS, *(name for name in table if name not in KEYS)]]


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
        first one of the same draw): num_trials, mean, and the columns of `describe` and `adjust`.
        As trained only. No rows if nothing can be compared.
    """
    columns = ["hyperparameter", "value", "eval_length", "length", "versus"]
    if metrics.empty:
        return pd.DataFrame(columns=[*columns, *KEYS[:2]])
    cells = pd.MultiIndex.from_product([variants, averages], names=KEYS[:2])
    is_meant = (metrics["metric"] == "total_variation") & (metrics["strength"] == AS_TRAINED)
    wide = metrics[is_meant].pivot(
        index=["length", "number"], columns=list(cells.names), values="mean"
    )
    wide = wide.reindex(columns=cells)
    lengths = name_lengths(trained, int(metrics["length"].max()))
    contrasts = _list_contrasts(variants, averages, {}, {})
    drawn = trials[trials["variant"] == variants[0]].set_index("number")
    tables = []
    for name in list_hyperparameters(drawn):
        values = drawn[name].unique()
        if not 2 <= len(values) <= FEW:
            continue
        for value, (eval_length, length) in product(sorted(values), lengths.items()):
            found = wide.loc[length].reindex(drawn.index[drawn[name] == value])
            means = pd.DataFrame({"num_trials": found.count(), "mean": found.mean()})
            for versus in ("average", "variant"):
                if of_kind := contrasts.get(f"vs_{versus}"):
                    described = describe(_subtract(found, of_kind))
                    place = [name, str(value), eval_length, length, versus]
                    table = means.join(described, how="right")
                    tables.append(table.assign(**dict(zip(columns, place, strict=True))))
    if not tables:
        return pd.DataFrame(columns=[*columns, *KEYS[:2]])
    table = pd.concat(tables).reset_index()
    return adjust(table, ["hyperparameter", "eval_length", "versus"])


def find_earlier(averages: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """For each EMA the name of the average of kind `earlier` of its decay, where there is one."""
    by_decay = {a["decay"]: name for name, a in averages.items() if a["kind"] == "earlier"}
    emas = {name: a["decay"] for name, a in averages.items() if a["kind"] == "ema"}
    return {name: by_decay[decay] for name, decay in emas.items() if decay in by_decay}


def join_strengths(metrics: pd.DataFrame, scaled: pd.DataFrame) -> pd.DataFrame:
    """A search's two tables of metrics in one, with the column strength."""
    parts = [metrics.assign(strength=AS_TRAINED), scaled]
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


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


def describe(differences: pd.DataFrame) -> pd.DataFrame:
    """Mean paired difference of each column, with its interval; below 0 is better.

    Columns: pairs, difference, low, high, share_better. NaN where there are too few.
    """
    pairs, mean = differences.count(), differences.mean()
    half = get_half_width(differences.std(), pairs)
    found = {"pairs": pairs, "difference": mean, "low": mean - half, "high": mean + half}
    return pd.DataFrame(found | {"share_better": (differences < 0).sum() / pairs})


def describe_mean(values: np.ndarray, comparisons: int = 1) -> tuple[float, float, float]:
    """Mean of values without NaN, with Student's interval; NaN where there are too few for one.

    Args:
        values: (n,).
        comparisons: how many such intervals have to hold together (Bonferroni).
    """
    series = pd.Series(values, dtype=float)
    half = get_half_width(series.std(), len(series), comparisons)
    return series.mean(), series.mean() - half, series.mean() + half


def get_half_width(std: Any, count: Any, comparisons: Any = 1) -> Any:
    """Half of Student's interval for the mean of `count` values; arrays or numbers.

    At level 1 − (1 − COVERAGE) / comparisons, so that the intervals of as many comparisons hold
    together with COVERAGE (Bonferroni). NaN for fewer than two values.
    """
    degrees = np.maximum(count - 1, 0)  # with none the quantile is NaN
    return scipy.special.stdtrit(degrees, 1 - (1 - COVERAGE) / 2 / comparisons) * std / count**0.5


def adjust(table: pd.DataFrame, family: list[str], suffix: str = "") -> pd.DataFrame:
    """The table with intervals adjusted_low, adjusted_high that hold together in each family.

    Args:
        table: columns pairs, low, high, all with the suffix, as describe gives them.
        family: columns; rows that agree in them, and have an interval, are the comparisons.
        suffix: of the columns.
    """
    pairs, low, high = (table[f"{name}{suffix}"] for name in ("pairs", "low", "high"))
    comparisons = low.notna().groupby([table[key] for key in family]).transform("sum")
    wider = get_half_width(1, pairs, comparisons.clip(lower=1)) / get_half_width(1, pairs)
    half, middle = wider * (high - low) / 2, (low + high) / 2
    ends = {"adjusted_low": middle - half, "adjusted_high": middle + half}
    return table.assign(**{f"{name}{suffix}": end for name, end in ends.items()})


def _arrange(rows: pd.DataFrame, column: str, cells: pd.MultiIndex, num_draws: int) -> pd.DataFrame:
    """Values by draw (rows) and by variant and average (columns); NaN where there is none."""
    wide = rows.pivot(index="number", columns=list(cells.names), values=column)
    return wide.reindex(index=range(num_draws), columns=cells)


def _describe_cells(values: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Statistics of each cell over all draws, and over those that were best when `seen`."""
    wanted = -(-len(values) // BEST)
    best = values[seen.rank(method="first") <= wanted]
    return pd.DataFrame(
        {
            "num_trials": values.count(),
            "num_diverged": values.isna().sum(),
            "mean": values.mean(),
            "std": values.std(),
            "best_mean": best.mean(),
            "best_std": best.std(),
        }
    )


def _list_contrasts(
    variants: list[str],
    averages: list[str],
    earlier: Mapping[str, str],
    parts: Mapping[str, tuple[str, str]],
) -> dict[str, dict[Cell, list[Cell]]]:
    """What each cell is compared with, by kind of difference; see get_effects.

    A cell's difference is its value minus those of one or two cells, plus that of a third.
    """
    (v0, *others), (a0, *averaged) = variants, averages
    found: dict[str, dict[Cell, list[Cell]]] = {
        "vs_average": {(v, a): [(v, a0)] for v in variants for a in averaged},
        "vs_earlier": {
            (v, a): [(v, earlier[a])] for v in variants for a in averages if a in earlier
        },
        "vs_variant": {(v, a): [(v0, a)] for v in others for a in averages},
        "with_average": {(v, a): [(v, a0), (v0, a), (v0, a0)] for v in others for a in averaged},
        "beyond_parts": {
            (v, a): [(one, a), (other, a), (v0, a)]
            for v, (one, other) in parts.items()
            for a in averages
        },
    }
    return {kind: contrasts for kind, contrasts in found.items() if contrasts}


def _subtract(values: pd.DataFrame, contrasts: Mapping[Cell, list[Cell]]) -> pd.DataFrame:
    """Differences of the cells that are compared, by draw."""
    differences = values[list(contrasts)]
    for sign, others in zip((-1, -1, 1), zip(*contrasts.values(), strict=True), strict=False):
        differences = differences + sign * values[list(others)].to_numpy()
    return differences
