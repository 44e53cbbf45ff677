import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from twins import naive_metrics

from gamecircuits.analysis import metrics
from gamecircuits.analysis.metrics import METRICS, context_metrics


@given(
    st.integers(2, 7).flatmap(
        lambda V: st.tuples(
            hnp.arrays(float, (3, V), elements=st.integers(-60, 60).map(lambda n: n / 4)),
            hnp.arrays(bool, (3, V)),
        )
    )
)
def test_metrics_equal_their_definitions(case):
    logits, legal = case  # quarters, so that ties occur and are exact
    entropy = np.full(3, math.log(2))
    found = context_metrics(logits, legal, entropy)
    for index in range(3):
        wanted = naive_metrics(logits[index], legal[index], attention=[0.5, 0.5])
        for name, value in wanted.items():
            assert found[name][index] == pytest.approx(value, rel=1e-11, abs=1e-12, nan_ok=True)


def test_every_metric_is_computed_for_every_context():
    rng = np.random.default_rng(0)
    logits, legal = rng.normal(size=(2, 3, 5)), rng.random((2, 3, 5)) < 0.5
    found = context_metrics(logits, legal)
    assert list(found) == list(METRICS)
    assert {values.shape for values in found.values()} == {(2, 3)}
    assert np.isnan(found["attention_entropy"]).all()  # is not in the logits


def test_metrics_are_nan_only_where_they_are_not_defined():
    """Without a legal token; and, of those that compare, without an illegal one."""
    legal = np.array([[True, False], [True, True], [False, False]])
    found = context_metrics(np.zeros((3, 2)), legal, np.zeros(3))
    for name, values in found.items():
        assert np.isnan(values).tolist() == [False, METRICS[name].needs_illegal, True], name


def test_memory_order_changes_nothing_but_rounding():
    rng = np.random.default_rng(0)
    logits, legal = rng.normal(size=(6, 50)), rng.random((6, 50)) < 0.5
    one, other = (
        context_metrics(logits.T, legal.T),
        context_metrics(logits.T.copy(), legal.T.copy()),
    )
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=1e-14)


def test_a_diverged_model_gives_nan_not_a_number():
    found = context_metrics(np.array([[np.nan, 0.0, 1.0]]), np.array([[True, True, False]]))
    for name in ("illegal_token_rate", "total_variation", "kl_divergence"):
        assert np.isnan(found[name]).all()


def test_attention_entropy():
    pattern = np.array([[1.0, 0.0], [0.5, 0.5]])
    np.testing.assert_allclose(metrics.attention_entropy(pattern), [0, np.log(2)])
