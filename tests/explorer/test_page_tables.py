import numpy as np
import pandas as pd
import pytest

from gamecircuits.analysis.diagnosis import diagnose
from gamecircuits.explorer.tables import (
    describe_claims,
    describe_diagnosis,
    describe_effects,
    summarize_run,
)
from gamecircuits.transformer.constructions.construction import make_construction


def make_claims() -> pd.DataFrame:
    row = {"instance": "V = 4", "vocab_size": 4, "number": 4, "relation": "=", "tolerance": 0.1}
    good = {"claim": "good", "proved": "Theorem 2", "statement": "holds", "contexts": 3}
    bad = {"claim": "bad", "proved": "Notation", "statement": "does not", "contexts": 2}
    numbers = {"predicted": 1.0, "measured": 1.05, "holds": True}
    return pd.DataFrame([row | good | numbers, row | bad | numbers | {"holds": False}])


def test_failing_claims_come_first_with_what_they_used():
    theory = "**Theorem 2 (a).** First.\n\nSecond.\n\n*Proof.* No.\n\n**Theorem 3.** Other."
    found = describe_claims(make_claims(), theory)
    assert [row["claim"] for row in found["rows"]] == ["bad", "good"]
    assert found["rows"][1]["used"] == pytest.approx(0.5)
    blocks = [["p", "**Theorem 2 (a).** First."], ["p", "Second."]]
    assert found["statements"] == {"Theorem 2": blocks}
    assert "1 of 2 claims FAIL" in summarize_run({"seed": "0"}, make_claims())


def test_a_diagnosis_in_numbers_and_curves():
    model = make_construction("tied", vocab_size=8, critical_length=4.5).model()
    found = describe_diagnosis(diagnose(model).table)
    assert found["fails"] == 5
    assert found["length"] == 7
    assert found["rate"] > 0.1
    assert found["misfit"] < 1e-9
    assert found["beta"] < 0 < found["x"]
    rates = found["curves"]["illegal_token_rate"]
    np.testing.assert_allclose(rates["measured"], rates["predicted"], rtol=1e-5)


def test_what_a_diagnosis_lacks_is_left_out():
    """Under a norm nothing is certified; a game of its own has no predictions at all."""
    model = make_construction("attention_norm", vocab_size=5).model()
    table = diagnose(model).table
    assert "certified" not in describe_diagnosis(table)["curves"]["illegal_token_rate"]
    rates = table[table["quantity"] == "illegal_token_rate"].drop(columns=["predicted", "token"])
    found = describe_diagnosis(rates)
    assert set(found) == {"rate", "length", "curves", "is_play"}
    assert found["is_play"]
    assert set(found["curves"]["illegal_token_rate"]) == {"length", "measured"}


def test_effects_keep_their_cells():
    names = {"search": "s", "average": "last", "strength": "as_trained", "eval_length": "twice"}
    rows = [
        names | {"variant": variant, "metric": "kl", "length": 4, "num_trials": 2, "mean": 0.5}
        for variant in ("plain", "norm")
    ]
    table = pd.DataFrame(rows)
    for name in ("pairs", "difference", "low", "high", "adjusted_low", "adjusted_high"):
        table[f"{name}_vs_variant"] = [np.nan, 2.0]
    found = describe_effects([table, table.iloc[:0]])
    assert found["variant"]["names"] == ["plain", "norm"]
    assert found["variant"]["codes"].tolist() == [0, 1]
    np.testing.assert_array_equal(found["vs_variant"]["difference"], [np.nan, 2.0])
    assert "vs_average" not in found
