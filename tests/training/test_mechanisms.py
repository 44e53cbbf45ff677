"""Numbers of the mechanism, from tables whose mechanism is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gamecircuits.training.choices import KEYS, choose_middle
from gamecircuits.training.mechanisms import QUANTITIES, get_mechanisms

TRAINED, LONGEST, V = 3, 7, 8
AVERAGES = ["last", "ema", "bema", "other"]
PLAIN = {0: 1.0, 1: 2.0, 2: 4.0}  # number of a trial: its strength
NORMED = {0: 1.5, 2: 3.5}  # one diverged


def make_tables() -> dict[str, pd.DataFrame]:
    """Displacement falls like 1/s and, under the norm, not; noise is in proportion to legal
    tokens; the standard form predicts e times too much in training and e² times beyond."""
    metrics, dynamics, noise = [], [], []
    for variant, strengths in {"plain": PLAIN, "normed": NORMED}.items():
        is_plain = variant == "plain"
        for number, x in strengths.items():
            key = {"variant": variant, "number": number}
            for s in range(1, LONGEST + 1):
                rate = 0.01 * x * s
                factor = (np.e if s <= TRAINED else np.e**2) if is_plain else np.nan
                found = {"displacement": x / s if is_plain else x, "illegal_token_rate": rate}
                variation = {"last": 0.3, "ema": 0.2, "bema": 9.0, "other": 9.0}
                for average in AVERAGES:
                    values = found | {"total_variation": variation[average] * s}
                    if is_plain:
                        values["from_standard_form"] = 0.1 * s if s <= TRAINED else 0.2 * s
                    metrics += [
                        key | {"average": average, "length": s, "metric": metric, "mean": value,
                               "standard_form": rate * factor}
                        for metric, value in values.items()
                    ]  # fmt: skip
                noise.append(key | {
                    "length": s, "num_legal": V - s, "noise": 0.01 * x * (V - s), "bias": 0.05 * s,
                    "variance": 3.0, "squared_bias": 1.0,
                })  # fmt: skip
            for step, part in [(10, 0.5), (20, 1.0)]:
                about = {"x_mean": -x, "x_min": -1.5 * x, "x_max": -0.5 * x, "gain": 2.0,
                         "beta_mean": 0.1, "misfit": 0.2, "ov_effective_rank": 7.0,
                         "score_spread": 0.3}  # fmt: skip
                dynamics.append(key | {"step": step} | {k: part * v for k, v in about.items()})
    dynamics.append(dynamics[0] | {"number": 1, "variant": "normed"})  # it got half the way
    tables = {"metrics": metrics, "dynamics": dynamics, "noise": noise}
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


@pytest.fixture(scope="module")
def found():
    table = get_mechanisms(make_tables(), TRAINED, ["plain", "normed", "lost"], AVERAGES)
    return table.set_index(["variant", "quantity"])


@pytest.mark.parametrize(("quantity", "wanted"), {
    "dispersion_exponent": -1, "x_spread": 1, "noise_exponent": 1, "noise_share": 0.75,
    "bias_trained": 0.15, "bias_longest": 0.35, "ov_effective_rank": 7, "gain": 2,
    "unexplained_trained": 1 / 3, "unexplained_beyond": 2 / 3,
    "last_to_bias": 0.9 / 0.15, "averaged_to_bias": 0.6 / 0.15, "score_spread": 0.3,
    "prediction_error_trained": 1, "prediction_error_beyond": 2, "x_mean": -7 / 3,
    "noise_trained": 0.01 * 5 * 7 / 3, "noise_longest": 0.01 * 7 / 3, "misfit": 0.2,
    "beta_mean": 0.1,
}.items())  # fmt: skip
def test_quantities_by_hand(found, quantity, wanted):
    assert found.loc[("plain", quantity), "mean"] == pytest.approx(wanted)
    assert found.loc[("plain", quantity), "num_trials"] == 3
    assert np.isnan(found.loc[("plain", quantity), "pairs_vs_variant"])


def test_a_variant_is_compared_in_pairs(found):
    row, differences = found.loc[("normed", "x_mean")], [-0.5, 0.5]  # of trials 0 and 2
    assert (row["num_trials"], row["pairs_vs_variant"]) == (2, 2)
    assert (row["mean"], row["std"]) == (-2.5, pytest.approx(np.std([1.5, 3.5], ddof=1)))
    own = stats.ttest_1samp([-1.5, -3.5], 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx(tuple(own))
    paired = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert row["difference_vs_variant"] == pytest.approx(0)
    assert (row["low_vs_variant"], row["high_vs_variant"]) == pytest.approx(tuple(paired))
    row = found.loc[("normed", "dispersion_exponent")]
    assert (row["mean"], row["difference_vs_variant"]) == pytest.approx((0, 1))


def test_what_is_not_defined_is_empty(found):
    for key in [("lost", "x_mean"), ("normed", "prediction_error_beyond")]:
        row = found.loc[key]
        assert (row["num_trials"], row["pairs_vs_variant"]) == (0, 0)
        assert np.isnan(row[["mean", "low", "difference_vs_variant"]].astype(float)).all()
    defined = [name for name, q in QUANTITIES.items() if "one_layer" in q.architectures]
    assert set(found.index) == {(v, q) for v in ("plain", "normed", "lost") for q in defined}


def test_exponents_are_slopes_where_there_is_one():
    rng = np.random.default_rng(0)
    tables = make_tables()
    is_displacement = tables["metrics"]["metric"] == "displacement"
    values = rng.normal(0.3, 1.0, is_displacement.sum())  # some are negative
    tables["metrics"].loc[is_displacement, "mean"] = values
    tables["noise"]["num_legal"] = 4.0  # always as many: no slope
    found = get_mechanisms(tables, TRAINED, ["plain"], AVERAGES).set_index("quantity")
    slopes = []
    for _, rows in tables["metrics"][is_displacement].query(
        "variant == 'plain' and average == 'last' and mean > 0"
    ).groupby("number"):  # fmt: skip
        if len(rows) > 1:
            slopes.append(stats.linregress(np.log(rows["length"]), np.log(rows["mean"])).slope)
    assert found.loc["dispersion_exponent", "num_trials"] == len(slopes)
    assert found.loc["dispersion_exponent", "mean"] == pytest.approx(np.mean(slopes))
    assert found.loc["noise_exponent", "num_trials"] == 0


def test_without_late_iterates_the_rest_is_still_there():
    tables = make_tables()
    lost = {"dynamics": pd.DataFrame(), "noise": pd.DataFrame()}
    found = get_mechanisms(tables | lost, TRAINED, ["plain"], AVERAGES).set_index("quantity")
    assert found.loc["dispersion_exponent", "mean"] == pytest.approx(-1)
    assert found.loc[["noise_trained", "x_mean"], "num_trials"].tolist() == [0, 0]


def test_the_middle_average_is_chosen_by_place():
    assert choose_middle(list("abcdef")) == "c"
    assert choose_middle(["last", "ema"]) == "ema"
    assert choose_middle(["last"]) is None


def test_deeper_models_have_quantities_of_their_own():
    tables = make_tables()
    dynamics = tables["dynamics"][[*KEYS, "step"]]
    for layer, share in enumerate((0.4, 0.8)):
        dynamics = dynamics.assign(**{
            f"entropy_share_{layer}_trained": share * dynamics["step"] / 20,
            f"entropy_share_{layer}_twice": 9.0,
            f"entropy_share_{layer}_longest": share + 0.1,
        })  # fmt: skip
    illegal = pd.DataFrame(
        {"variant": "plain", "number": 0, "average": average, "length": s, "part": part,
         "displacement": 5.0 * s**power}
        for average, sign in {"last": 1, "ema": 0}.items() for s in range(1, LONGEST + 1)
        for part, power in {"seen": -0.5 * sign, "unseen": 0.25 * sign}.items()
    )  # fmt: skip
    tables |= {"dynamics": dynamics, "illegal": illegal}
    found = get_mechanisms(tables, TRAINED, ["plain", "normed"], AVERAGES, "gpt")
    assert set(found["quantity"]) == {n for n, q in QUANTITIES.items() if "gpt" in q.architectures}
    of_plain = found[found["variant"] == "plain"].set_index("quantity")
    wanted = {"entropy_share_trained": 0.6, "entropy_share_longest": 0.7, "seen_exponent": -0.5,
              "unseen_exponent": 0.25, "dispersion_exponent": -1, "noise_share": 0.75}  # fmt: skip
    assert of_plain.loc[list(wanted), "mean"].to_dict() == pytest.approx(wanted)
    assert of_plain.loc["seen_exponent", "num_trials"] == 1
