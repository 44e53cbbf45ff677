"""What each variant does to the mechanism: the numbers by which it should help, if it does.

Dispersion is how fast the displacement of seen tokens falls with length, noise how far late
iterates are from their own mean. A remedy against one of them has to change its number; what it
does to the metrics alone does not tell why.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.training.choices import KEYS, choose_middle
from gamecircuits.training.effects import describe_mean
from gamecircuits.training.measure import APART, PREDICTED

ARCHITECTURES = ("one_layer", "gpt")
OF_THEORY, DEEP = ("one_layer",), ("gpt",)


class Quantity(NamedTuple):
    """A number of the mechanism of a trial.

    Attributes:
        unit, meaning: for tables and texts.
        architectures: for which it is defined.
    """

    unit: str
    meaning: str
    architectures: tuple[str, ...] = ARCHITECTURES


QUANTITIES = {
    "x_mean": Quantity(
        "nats before a norm", "strength of the OV circuit, mean of tokens", OF_THEORY
    ),
    "x_spread": Quantity("of |mean x|", "largest minus smallest x of a token", OF_THEORY),
    "beta_mean": Quantity(
        "nats before a norm", "strength of the direct path, mean of tokens", OF_THEORY
    ),
    "misfit": Quantity(
        "of mean |x|", "root mean square of the circuits outside the standard form", OF_THEORY
    ),
    "unexplained_trained": Quantity(
        "of total variation",
        "distance of predictions from those of the standard form, at lengths in training",
        OF_THEORY,
    ),
    "unexplained_beyond": Quantity(
        "of total variation", "the same at lengths beyond those in training", OF_THEORY
    ),
    "gain": Quantity("", "learned gain of the norm; 1 without one", OF_THEORY),
    "ov_effective_rank": Quantity(
        "dimensions", "participation ratio of the OV circuit's singular values", OF_THEORY
    ),
    "score_spread": Quantity(
        "nats", "standard deviation of a query's scores; 0: uniform attention", OF_THEORY
    ),
    "dispersion_exponent": Quantity(
        "", "of displacement by length; -1: x/s, full dispersion, 0: none"
    ),
    "noise_trained": Quantity(
        "probability", "late iterates from their mean prediction, total variation"
    ),
    "noise_longest": Quantity("probability", "the same at the longest length"),
    "bias_trained": Quantity("probability", "that mean prediction from the truth: no noise"),
    "bias_longest": Quantity("probability", "the same at the longest length"),
    "noise_exponent": Quantity("", "of noise by number of legal tokens, at lengths in training"),
    "noise_share": Quantity(
        "", "share of a late iterate's squared error that is noise, trained length"
    ),
    "last_to_bias": Quantity("", "total variation of the first average over bias, trained length"),
    "averaged_to_bias": Quantity(
        "", "the same of the middle average; 1: all noise is averaged away"
    ),
    "prediction_error_trained": Quantity(
        "nats", "|ln illegal rate / that of the standard form|, mean", OF_THEORY
    ),
    "prediction_error_beyond": Quantity(
        "nats", "the same at lengths beyond those in training", OF_THEORY
    ),
    "entropy_share_trained": Quantity(
        "of ln length", "entropy of attention, mean of layers and heads; 1: uniform", DEEP
    ),
    "entropy_share_longest": Quantity("of ln length", "the same at the longest length", DEEP),
    "seen_exponent": Quantity(
        "", "of displacement of played tokens by length; -1: full dispersion, 0: none", DEEP
    ),
    "unseen_exponent": Quantity("", "the same of illegal tokens that were not played", DEEP),
}


def get_mechanisms(
    tables: dict[str, pd.DataFrame],
    trained: int,
    variants: list[str],
    averages: list[str],
    architecture: str = "one_layer",
) -> pd.DataFrame:
    """Quantities of the mechanism, of each variant and in pairs against the first one.

    Args:
        tables: metrics, dynamics and noise of a search, and illegal where there is such.
        trained: longest length in training.
        variants, averages: in order.
        architecture: of the search; only quantities that are defined for it have rows.

    Returns:
        one row per (variant, quantity): num_trials, mean, std over trials (of a sample), low, high
        (Student's 95 % interval of the mean), pairs_vs_variant and difference, low, high of trials
        of the same draw; unit, meaning. NaN where a quantity is not defined. No rows if all trials
        diverged.
    """
    if tables["metrics"].empty or averages[0] not in set(tables["metrics"]["average"]):
        return pd.DataFrame(columns=["variant", "quantity"])
    of_trials = get_quantities(tables, trained, averages)
    rows = []
    for variant in variants:
        for quantity, (unit, meaning, architectures) in QUANTITIES.items():
            if architecture not in architectures:
                continue
            wide = of_trials[quantity].unstack("variant").reindex(columns=variants)
            found = wide[variant].dropna().to_numpy()
            mean, low, high = describe_mean(found)
            row = {"variant": variant, "quantity": quantity, "num_trials": len(found)}
            row |= {"mean": mean, "std": pd.Series(found).std(), "low": low, "high": high}
            if variant != variants[0]:
                differences = (wide[variant] - wide[variants[0]]).dropna().to_numpy()
                interval = zip(
                    ("difference", "low", "high"), describe_mean(differences), strict=True
                )
                row |= {"pairs_vs_variant": len(differences)}
                row |= {f"{name}_vs_variant": value for name, value in interval}
            rows.append(row | {"unit": unit, "meaning": meaning})
    return pd.DataFrame(rows)


def get_quantities(
    tables: dict[str, pd.DataFrame], trained: int, averages: list[str]
) -> pd.DataFrame:
    """One row per trial (variant, number), one column for each of QUANTITIES."""
    metrics, dynamics, noise = (tables[name] for name in ("metrics", "dynamics", "noise"))
    first = metrics[metrics["average"] == averages[0]]
    table = first[KEYS].drop_duplicates().set_index(KEYS)

    if len(dynamics):
        at_end = dynamics[dynamics["step"] == dynamics["step"].max()].set_index(KEYS)
        if "x_mean" in at_end:
            spread = (at_end["x_max"] - at_end["x_min"]) / at_end["x_mean"].abs()
            at_end = at_end.assign(x_spread=spread)
        for eval_length in ("trained", "longest"):
            of_layers = at_end.filter(regex=rf"^entropy_share_\d+_{eval_length}$")
            at_end[f"entropy_share_{eval_length}"] = of_layers.mean(axis=1)
        table = table.join(at_end.filter(QUANTITIES))

    displacement = first[first["metric"] == "displacement"]
    table["dispersion_exponent"] = _get_exponents(displacement, "length", "mean")

    illegal = tables.get("illegal", pd.DataFrame())
    if len(illegal):
        of_first = illegal[illegal["average"] == averages[0]]
        for part, rows in of_first.groupby("part"):
            table[f"{part}_exponent"] = _get_exponents(rows, "length", "displacement")

    if len(noise):
        is_trained = noise["length"] <= trained
        for eval_length, chosen in {"trained": noise[is_trained], "longest": noise}.items():
            last = chosen[chosen["length"] == chosen["length"].max()].set_index(KEYS)
            table[[f"noise_{eval_length}", f"bias_{eval_length}"]] = last[["noise", "bias"]]
            if eval_length == "trained":
                total = last["variance"] + last["squared_bias"]
                table["noise_share"] = last["variance"] / total
        table["noise_exponent"] = _get_exponents(noise[is_trained], "num_legal", "noise")

        at_trained = metrics["length"] == min(trained, metrics["length"].max())
        variations = metrics[at_trained & (metrics["metric"] == "total_variation")]
        for name, average in {"last": averages[0], "averaged": choose_middle(averages)}.items():
            found = variations[variations["average"] == average].set_index(KEYS)["mean"]
            table[f"{name}_to_bias"] = found / table["bias_trained"]

    apart = first[first["metric"].isin([APART, "total_variation"])]
    is_trained = apart["length"] <= trained
    for eval_length, chosen in {"trained": is_trained, "beyond": ~is_trained}.items():
        sums = apart[chosen].groupby([*KEYS, "metric"])["mean"].sum().unstack("metric")
        if APART in sums:  # none under norms
            table[f"unexplained_{eval_length}"] = sums[APART] / sums["total_variation"]

    rates = first[first["metric"] == "illegal_token_rate"]
    rates = rates[(rates["mean"] > 0) & (rates[PREDICTED] > 0)]  # not those under a norm
    errors = np.log(rates["mean"] / rates[PREDICTED]).abs()
    is_trained = rates["length"] <= trained
    for eval_length, chosen in {"trained": is_trained, "beyond": ~is_trained}.items():
        means = rates[chosen].assign(error=errors).groupby(KEYS)["error"].mean()
        table[f"prediction_error_{eval_length}"] = means
    return table.reindex(columns=list(QUANTITIES))


def _get_exponents(rows: pd.DataFrame, place: str, value: str) -> pd.Series:
    """Slope of ln value against ln place of each trial, by least squares where both are positive.

    NaN where the places are too few or all the same.
    """
    rows = rows[(rows[place] > 0) & (rows[value] > 0)]
    logs = np.log(rows[[place, value]].set_axis(["place", "value"], axis=1))
    keys = [rows[key] for key in KEYS]
    centred = logs - logs.groupby(keys).transform("mean")
    sums = (centred.mul(centred["place"], axis=0)).groupby(keys).sum()
    is_constant = sums["place"] < 1e-9
    return (sums["value"] / sums["place"]).mask(is_constant)
