"""Hypotheses that were stated before the run, and what its trials say of them.

A hypothesis claims that the mean of a measure over the draws of a search, or the mean difference of
two cells in pairs of trials, lies in a region. It is supported if the whole interval of the mean
lies in the region, contradicted if the whole interval lies outside, and undecided otherwise. So "no
effect" is a claim like others: that a difference lies between two ends around zero.

Intervals are Student's at level 1 − 0.05/m for m hypotheses (Bonferroni). If values are about
symmetric, all verdicts of a run that are not "undecided" are right together with probability 95 %.
Where values are skewed, intervals cover less (docs/formats.md has numbers).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gamecircuits.analysis.metrics import METRICS
from gamecircuits.training.choices import AS_TRAINED, COMPARED
from gamecircuits.training.effects import describe_mean
from gamecircuits.training.eval_lengths import name_all_lengths
from gamecircuits.training.grid import find_variants
from gamecircuits.training.mechanisms import QUANTITIES, get_quantities

MEASURES = {  # name: unit
    **{name: METRICS[name].unit for name in COMPARED},
    **{name: quantity.unit for name, quantity in QUANTITIES.items()},
}
LENGTHS = {  # in words
    "trained": "as in training",
    "twice": "at twice the trained length",
    "halfway": "halfway from the trained to the longest length",
    "longest": "at the longest length",
}
VERDICTS = ("supported", "contradicted", "undecided")


def judge_hypotheses(
    hypotheses: Sequence[Mapping], tables: Mapping[str, Mapping], searches: Mapping[str, Mapping]
) -> pd.DataFrame:
    """What the trials say of each hypothesis.

    Args:
        hypotheses: name, claim, search, measure (of COMPARED or QUANTITIES), length (by name; None
            for QUANTITIES), numbers of the draws that count, where (why these), between (two ends;
            None is no limit), cell and versus: variant (or a level of the grid, which is the mean
            over all variants with it), average, strength of what is measured, and of what is
            subtracted in pairs; versus None subtracts nothing.
        tables: metrics, dynamics, noise and illegal by search.
        searches: length (trained), averages (in order) and levels of each factor of the grid (in
            order), by search.

    Returns:
        one row per hypothesis: what it states, with `compared` in words; num_trials that have the
        value, or both of a pair, and num_missing; mean, std (of a sample), skewness (likewise), low
        and high over these trials; region_low, region_high (NaN is no limit) and verdict.
    """
    rows = []
    for stated in hypotheses:
        search = stated["search"]
        cells = [stated["cell"], stated["versus"]] if stated["versus"] else [stated["cell"]]
        of_cells = [_get_values(stated, c, tables[search], **searches[search]) for c in cells]
        found = _compare(*of_cells).mean(axis=1)  # within each draw, of what is there
        mean, low, high = describe_mean(found.dropna().to_numpy(), len(hypotheses))
        region_low, region_high = (
            np.nan if limit is None else limit for limit in stated["between"]
        )
        rows.append(
            {
                "hypothesis": stated["name"],
                "claim": stated["claim"],
                "search": search,
                "measure": stated["measure"],
                "compared": describe_comparison(stated),
                "unit": MEASURES[stated["measure"]],
                "num_trials": found.count(),
                "num_missing": found.isna().sum(),
                "mean": mean,
                "std": found.std(),
                "skewness": found.skew(),
                "low": low,
                "high": high,
                "region_low": region_low,
                "region_high": region_high,
                "verdict": judge(low, high, region_low, region_high),
            }
        )
    return pd.DataFrame(rows)


def judge(low: float, high: float, region_low: float, region_high: float) -> str:
    """The verdict of an interval on a region; a NaN end of the region is no limit."""
    if np.isnan(low):
        return "undecided"
    if not (low < region_low or high > region_high):
        return "supported"
    return "contradicted" if high < region_low or low > region_high else "undecided"


def describe_interval(mean: float, low: float, high: float) -> str:
    """Mean and interval in words, to two digits of the interval's width."""
    if not np.isfinite(mean):
        return "no value"
    width = high - low
    decimals = int(np.clip(1 - np.floor(np.log10(width)), 0, 6)) if width > 0 else 3
    mean_text, *ends = (f"{x:.{decimals}f}".replace("-", "−") for x in (mean, low, high))
    return f"{mean_text} [{', '.join(ends)}]" if np.isfinite(width) else f"{mean_text}, no interval"


def describe_comparison(stated: Mapping) -> str:
    """Which cell is measured, what is subtracted, at which length and of which trials, in words."""
    cell, versus = stated["cell"], stated["versus"] or stated["cell"]
    keys = ["variant", "average", "strength"] if stated["length"] else ["variant"]
    differing = [key for key in keys if cell[key] != versus[key]]
    parts = [cell[key] for key in keys if key not in differing and cell[key] != AS_TRAINED]
    if differing:
        one, other = (", ".join(c[key] for key in differing) for c in (cell, versus))
        parts.insert(0, f"{one} minus {other}")
    if stated["length"]:
        parts.append(LENGTHS[stated["length"]])
    return "; ".join([*parts, *(f"{key}: {value}" for key, value in stated["where"].items())])


def _compare(values: pd.DataFrame, subtracted: pd.DataFrame | None = None) -> pd.DataFrame:
    """Differences by draw (rows): in settings that are otherwise the same, else of their means."""
    if subtracted is None:
        return values
    shared = values.columns.intersection(subtracted.columns)  # some: levels of two factors
    if values.shape == subtracted.shape and len(shared) in (0, values.shape[1]):
        return values - subtracted.to_numpy()
    return (values.mean(axis=1) - subtracted.mean(axis=1)).to_frame()


def _get_values(
    stated: Mapping,
    cell: Mapping,
    tables: Mapping,
    length: int,
    averages: list[str],
    levels: Sequence = (),
) -> pd.DataFrame:
    """What is measured of a cell in each of the draws that count (rows), by variant (columns)."""
    variants = find_variants(cell["variant"], dict(levels))
    metrics = tables["metrics"]
    is_quantity = stated["measure"] in QUANTITIES
    if is_quantity and len(metrics):
        metrics = metrics[metrics["strength"] == AS_TRAINED]
    if metrics.empty or (is_quantity and averages[0] not in set(metrics["average"])):
        return pd.DataFrame(np.nan, stated["numbers"], variants)
    if is_quantity:
        of_trials = get_quantities({**tables, "metrics": metrics}, length, averages)
        wide = of_trials[stated["measure"]].unstack("variant")
        return wide.reindex(index=stated["numbers"], columns=variants)
    tokens = name_all_lengths(length, int(metrics["length"].max()))[stated["length"]]
    wanted = {
        "average": cell["average"],
        "strength": cell["strength"],
        "metric": stated["measure"],
        "length": tokens,
    }
    found = metrics[(metrics[list(wanted)] == list(wanted.values())).all(axis=1)]
    wide = found.pivot(index="number", columns="variant", values="mean")
    return wide.reindex(index=stated["numbers"], columns=variants)
