import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from twins import naive_metrics

from gamecircuits.analysis import metrics
from gamecircuits.analysis.metrics import METRICS, context_metrics
from gamecircuits.errors import GamecircuitsError

INF, NAN = math.inf, math.nan


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


MASKED = [  # logits, legal tokens, what of the metrics is not finite, and some that are
    ([1, 1, -INF, -INF], [1, 1, 0, 0], {"logit_gap": INF, "displacement": INF, "imbalance": NAN},
     {"illegal_token_rate": 0, "kl_divergence": 0, "absent_spread": 0, "top1_legal": 1}),
    ([1, -INF, 0, -INF], [1, 1, 0, 0], {"kl_divergence": INF, "logit_gap": -INF,
     "displacement": NAN, "imbalance": INF, "absent_spread": INF}, {"top1_legal": 1}),
    ([-INF, -INF, 2, 2], [1, 1, 0, 0], {"kl_divergence": INF, "logit_gap": -INF,
     "displacement": -INF, "absent_spread": NAN}, {"illegal_token_rate": 1, "imbalance": 0}),
    ([-INF, 3, -INF, -INF], [1, 1, 0, 0], {"kl_divergence": INF, "logit_gap": NAN,
     "displacement": NAN, "imbalance": NAN, "absent_spread": INF}, {"total_variation": 0.5}),
    ([0, 0, -INF, 0], [1, 1, 1, 1], {"kl_divergence": INF, "absent_spread": INF, "logit_gap": NAN,
     "displacement": NAN, "imbalance": NAN}, {"illegal_token_rate": 0}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("logits", "legal", "infinite", "finite"), MASKED)
def test_masked_tokens(logits, legal, infinite, finite, dtype):
    """Alone, among contexts without masks, and far from 0."""
    logits, legal = np.array(logits, dtype), np.array(legal, bool)
    others = np.zeros((2, 4), dtype), np.ones((2, 4), bool)
    for case in (logits, 1000 + logits):
        alone = context_metrics(case, legal, 0.0)
        among = context_metrics(np.vstack([others[0], case]), np.vstack([others[1], legal]), 0.0)
        wanted = naive_metrics(case, legal, [1.0])
        for name, value in alone.items():
            expected = (infinite | finite).get(name, wanted[name])
            assert float(value) == pytest.approx(expected, rel=1e-6, nan_ok=True), name
            assert np.isfinite(value) == (name not in infinite), name
            np.testing.assert_array_equal(among[name][2], value)


@pytest.mark.parametrize(
    ("bad", "found"),
    [([NAN, 0, 1], "one is NaN"), ([INF, 0, 1], r"one is \+inf"), ([-INF] * 3, "all are −inf"),
     ([NAN, INF, -INF], "one is NaN")],
)  # fmt: skip
def test_logits_that_define_no_distribution_are_refused_while_the_game_goes_on(bad, found):
    logits, legal = np.array([[0, 0, 0], bad]), np.array([[True, True, False]] * 2)
    with pytest.raises(GamecircuitsError, match=f"logits of context 1 define .*{found}; allowed"):
        context_metrics(logits, legal)
    with pytest.raises(GamecircuitsError, match="logits of context 0, 1 define"):
        context_metrics(logits[None], legal[None])
    legal[1] = False
    values = context_metrics(logits, legal, 0.0).values()
    assert all(np.isnan(value[1]) for value in values), "the game is over"


def exactly(logits, legal) -> dict[str, Decimal]:
    """KL and mean logits of given floats, in 60 digits."""
    with localcontext(prec=60):
        numbers = [Decimal(float(x)) for x in logits]
        good = [x for x, is_legal in zip(numbers, legal, strict=True) if is_legal]
        bad = [x for x, is_legal in zip(numbers, legal, strict=True) if not is_legal]
        total = sum((x - max(numbers)).exp() for x in numbers)
        mean = sum(good) / len(good)
        log_total = total.ln() + max(numbers)
        return {
            "kl_divergence": log_total - mean - Decimal(len(good)).ln(),
            "displacement": mean - sum(bad) / len(bad),
            "illegal_token_rate": sum((x - max(numbers)).exp() for x in bad) / total,
        }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 3e4, -1e7, 1e15])
@pytest.mark.parametrize("gap", [0.0, 1e-3, 20.0, 300.0, -300.0, -4000.0])
def test_digits_are_not_lost_at_large_logits(dtype, offset, gap):
    """To a few units in the last place of the differences, which floats have exactly."""
    rng, unit = np.random.default_rng(0), np.finfo(dtype).eps
    for scale in (0.0, 1.0, 50.0):
        logits = (offset + scale * rng.normal(size=(20, 6))).astype(dtype)
        legal = np.arange(6) < rng.integers(1, 6, (20, 1))
        logits = logits + np.where(legal, dtype(gap), dtype(0))
        found = context_metrics(logits, legal)
        for n in range(20):
            spread = float(np.ptp(logits[n].astype(float)))
            for name, value in exactly(logits[n], legal[n]).items():
                relative = 0 if name == "kl_divergence" else (2 + spread) * unit * float(value)
                error = abs(Decimal(float(found[name][n])) - value)
                assert error <= 8 * unit * (1 + spread) or error <= relative, (name, value)
        assert (found["kl_divergence"] >= 0).all()


def test_attention_entropy():
    pattern = np.array([[1.0, 0.0], [0.5, 0.5]])
    np.testing.assert_allclose(metrics.attention_entropy(pattern), [0, np.log(2)])
