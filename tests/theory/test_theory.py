"""Closed forms against brute force, published values and each other."""

import itertools
import math

import numpy as np
import pytest

from gamecircuits.theory import (
    basics,
    certificate,
    depth,
    dispersion,
    displacement,
    laws,
    rounding,
    strength,
    superposition,
    widths,
)


def metrics_of(vocab_size, lengths, displacements):
    """Every metric at each length, for displacements that are the same in every context."""
    classes = laws.single_class(lengths, displacements)
    found = laws.laws_from_classes(vocab_size, lengths, classes, np.log(lengths))
    for law in found.values():
        np.testing.assert_array_equal(law.min, law.max)
    return {metric: law.mean for metric, law in found.items()}


def test_count_contexts():
    published = {4: 28, 6: 186, 8: 1016, 16: 524_272, 20: 10_485_740, 24: 201_326_568}
    for vocab_size, count in published.items():
        assert basics.count_contexts(vocab_size) == count
        lengths = range(1, vocab_size)
        assert sum(basics.count_contexts(vocab_size, s) for s in lengths) == count


@pytest.mark.parametrize(
    ("vocab_size", "rate", "x"),
    [(8, 1e-2, 45.8), (10, 1e-3, 81.9), (16, 1e-3, 144.2), (32, 1e-2, 248.9), (64, 1e-3, 696.1)],
)
def test_x_min_known_values(vocab_size, rate, x):
    assert strength.x_min(vocab_size, rate) == pytest.approx(x, abs=0.05)


@pytest.mark.parametrize(
    ("vocab_size", "rate", "bound"),
    [(8, 1e-2, 6.99), (16, 1e-2, 9.98), (64, 1e-2, 19.96), (8, 1e-3, 10.16), (64, 1e-3, 28.73)],
)
def test_gain_min_lies_just_under_its_continuous_bound(vocab_size, rate, bound):
    assert 0.95 * bound < strength.gain_min(vocab_size, rate) <= bound + 0.005


@pytest.mark.parametrize("rate", [0.3, 1e-2, 1e-4])
@pytest.mark.parametrize("vocab_size", [2, 3, 8, 40])
def test_x_min_and_gain_min_are_the_least(vocab_size, rate):
    """A little less breaks the promise at some length; at the value itself it is kept."""
    s = np.arange(1, vocab_size)
    for minimum, displacements in (
        (strength.x_min(vocab_size, rate), displacement.standard_form_displacements),
        (strength.gain_min(vocab_size, rate), strength.attention_norm_displacements),
    ):
        for factor, is_kept in ((1 + 1e-9, True), (1 - 1e-6, False)):
            law = displacements(vocab_size, s, factor * minimum)
            found = metrics_of(vocab_size, s, law)
            assert (found["illegal_token_rate"].max() <= rate) == is_kept


def test_rates_against_a_softmax_written_out():
    V, s, others, last = 7, 3, 1.3, 2.1
    logits = [-others, -others, -last, 0, 0, 0, 0]
    p = np.exp(logits) / np.exp(logits).sum()
    law = displacement.Displacements(np.array([others]), np.array([last]))
    found = metrics_of(V, np.array([s]), law)
    assert laws.illegal_rate(V, s, law)[0] == pytest.approx(p[:3].sum())
    assert laws.kl_divergence(V, s, law)[0] == pytest.approx(-np.log(4 * p[3]))
    assert found["illegal_token_rate"][0] == pytest.approx(p[:3].sum())
    assert found["kl_divergence"][0] == pytest.approx(-np.log(4 * p[3]))
    assert found["displacement"][0] == pytest.approx((2 * others + last) / 3)


def test_attention_norm_law_from_the_geometry_of_the_simplex():
    """Norm of the mean of s vertices e_i − 1/V, written out, gives the law."""
    V, gain = 6, 3.0
    vertices = np.eye(V) - 1 / V
    for tokens in (t for s in range(1, V) for t in itertools.combinations(range(V), s)):
        s = len(tokens)
        mean = vertices[list(tokens)].mean(axis=0)
        logits = -gain * (mean / math.sqrt(mean @ mean)) @ vertices
        absent = [t for t in range(V) if t not in tokens]
        law = strength.attention_norm_displacements(V, np.array([s]), gain)
        assert logits[absent[0]] - logits[tokens[0]] == pytest.approx(law.last[0])


def test_untrained_is_s_over_v():
    s = np.arange(1, 10)
    zero = displacement.Displacements(np.zeros(9), np.zeros(9))
    found = metrics_of(10, s, zero)
    rate = s / 10
    np.testing.assert_allclose(found["illegal_token_rate"], rate)
    np.testing.assert_allclose(found["top1_legal"], 1 - rate)
    np.testing.assert_allclose(found["kl_divergence"], np.log(10 / (10 - s)))


@pytest.mark.parametrize("lengths", [[0], [8], [1, 9]])
def test_lengths_outside_the_theorems(lengths):
    with pytest.raises(basics.TheoryError, match=r"lengths must lie in 1\.\.7"):
        displacement.standard_form_displacements(8, np.array(lengths), 1.0)


def test_other_hypotheses():
    with pytest.raises(basics.TheoryError, match="at least 2 tokens"):
        strength.x_min(1, 0.1)
    with pytest.raises(basics.TheoryError, match="strictly between"):
        strength.gain_min(8, 1.0)


def test_displacements_of_any_size():
    """No overflow: a model that prefers seen tokens by thousands of nats is surely wrong."""
    law = displacement.Displacements(np.array([-2000.0, 5000.0]), np.array([-2000.0, 5000.0]))
    rates = laws.illegal_rate(9, np.array([3, 3]), law)
    np.testing.assert_array_equal(rates, [1.0, 0.0])
    kl = laws.kl_divergence(9, np.array([3, 3]), law)
    np.testing.assert_allclose(kl, [2000 + np.log(3 / 6), 0.0])
    found = metrics_of(9, np.array([3, 3]), law)
    np.testing.assert_array_equal(found["illegal_token_rate"], [1.0, 0.0])


def test_arrays_are_welcome():
    assert basics.count_contexts(np.int64(64)) == 64 * 2**63 - 64
    for function in (
        superposition.block_limits,
        lambda V, s, m: dispersion.dropout_kl(V, s, 3.0, 0.1),
    ):
        many, one = function(7, [2, 4], 3), function(7, 4, 3)
        np.testing.assert_allclose(np.array(many)[..., 1], one)
    assert strength.x_min(5, 0.1, -800.0) == pytest.approx(4 * (800 + np.log(9)), rel=1e-6)
    rates = np.array([1e-4, 1e-2, 0.3])
    for V in (2, 9):
        wanted = [strength.x_min(V, rate) for rate in rates]
        np.testing.assert_array_equal(strength.x_min(V, rates), wanted)
        wanted = [strength.gain_min(V, rate, 0.5) for rate in rates]
        np.testing.assert_array_equal(strength.gain_min(V, rates, 0.5), wanted)
        law = displacement.standard_form_displacements(
            V, [1, V - 1], np.array([[2.0], [3.0]]), -0.5
        )
        assert laws.illegal_rate(V, [1, V - 1], law).shape == (2, 2)
    xs = np.array([3.0, 9.0])
    wanted = [displacement.critical_length(x, 2.0) for x in xs]
    np.testing.assert_array_equal(displacement.critical_length(xs, 2.0), wanted)


def test_balanced_attention_by_solving_the_pairs():
    """w x_j = (1−w) x_i + β_i for every pair, and the errors outside its range."""
    x, beta = np.array([2.0, 5.0, 3.0]), np.array([0.5, -4.0, 1.9])
    a = displacement.balanced_attention(x, beta)
    for i, j in itertools.permutations(range(3), 2):
        w = a[i, j] / (a[i, i] + a[i, j])
        assert w * x[j] == pytest.approx((1 - w) * x[i] + beta[i])
    for bad in ([3.1, 0, 0], [0, -5.0, 0], [0, 0, 2.0]):
        with pytest.raises(basics.TheoryError, match="-x_i < beta_i < x_j"):
            displacement.balanced_attention(x, np.array(bad))


@pytest.mark.parametrize(("x", "b", "A"), [(10, 2, 1.0), (7.7, 1.1, 3.0), (5, 4.9, 0.2)])
def test_critical_length_is_where_the_last_displacement_vanishes(x, b, A):
    s = displacement.critical_length(x, b, A)
    assert x * A / (A + s - 1) - b == pytest.approx(0, abs=1e-12)
    assert displacement.critical_length(x, b, (x + b) / (x - b)) == pytest.approx(2 + x / b)
    assert displacement.critical_length(x, b) == pytest.approx(x / b)


def test_first_failing_length_by_going_through_all_contexts():
    rng = np.random.default_rng(0)
    for _ in range(30):
        V = 6
        x, beta, a = rng.uniform(1, 5, V), rng.uniform(-1.5, 0.5, V), rng.uniform(0.2, 3, (V, V))
        sink = rng.choice([0.0, 1.0])
        wanted = np.full(V, np.inf)
        for last in range(V):
            others = [token for token in range(V) if token != last]
            for s in range(V - 1, 0, -1):
                for company in itertools.combinations(others, s - 1):
                    total = a[last, last] + sink + sum(a[last, j] for j in company)
                    if a[last, last] / total * x[last] + beta[last] <= 0:
                        wanted[last] = s
        found = displacement.first_failing_lengths(x, beta, a, sink)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("rate", "bound"), [(1e-2, 2.495), (1e-3, 3.592)])
def test_gain_min_bound_known_values(rate, bound):
    assert strength.gain_min_bound(rate) == pytest.approx(bound, abs=5e-4)
    gains = [strength.gain_min(V, rate) / np.sqrt(V) for V in (4, 16, 1000, 4096)]
    assert max(gains) <= strength.gain_min_bound(rate) < 1.0001 * gains[-1]


def test_residual_norm_between_the_norm_of_attention_and_none():
    V, s = 9, np.arange(1, 9)
    none = displacement.standard_form_displacements(V, s, 1.0).last
    attention = strength.attention_norm_displacements(V, s, 1.0).last
    small, large = (
        strength.residual_norm_displacements(V, s, 1.0, rho).last for rho in (1e-6, 1e6)
    )
    np.testing.assert_allclose(small, attention, rtol=1e-9)
    np.testing.assert_allclose(1e6 * large, none, rtol=1e-9)


def test_truncation_and_rank_ratio_known_values():
    np.testing.assert_allclose(
        superposition.truncation_fraction([0.5, 0.9]), [0.73, 0.34], atol=5e-3
    )
    np.testing.assert_array_equal(superposition.truncation_fraction([0.0, 1.0]), [1.0, 0.0])
    assert widths.robust_rank_ratio(8) == pytest.approx(3.25)
    assert widths.robust_rank_ratio(20) == pytest.approx(9.10)


def test_decomposition_against_least_squares():
    rng = np.random.default_rng(0)
    for V in (3, 4, 7):
        matrix = rng.standard_normal((V, V))
        row, column, rest = basics.decompose_off_diagonal(matrix)
        off = ~np.eye(V, dtype=bool)
        np.testing.assert_allclose((row[:, None] + column + rest)[off], matrix[off])
        for sums in (rest.sum(axis=0), rest.sum(axis=1), column.sum(), np.diagonal(rest)):
            np.testing.assert_allclose(sums, 0, atol=1e-12)


def test_floors_meet_what_they_must():
    """d = 0 is the untrained model, V−1 dimensions are enough, and more is never worse."""
    V, s = 8, np.arange(1, 8)
    assert superposition.kl_floor(V, 0) == pytest.approx(superposition.untrained_kl(V, 1))
    assert superposition.kl_floor(V, V - 1) == 0
    np.testing.assert_allclose(
        superposition.kl_floor_by_length(V, s, width=0)[:-1], np.log1p(1 / (V - s[:-1]))
    )
    assert superposition.kl_floor_by_length(V, [1], d_v=0) == 0, "values say nothing about length 1"
    assert superposition.kl_floor_by_length(V, [1], width=3) == pytest.approx(
        superposition.kl_floor(V, 3)
    )
    floors = [superposition.kl_floor_by_length(V, s, width=d).sum() for d in range(V)]
    assert (np.diff(floors) <= 0).all()
    variation, kl = superposition.block_limits(V, s, 0)
    np.testing.assert_allclose(variation, s / V)
    np.testing.assert_allclose(kl, superposition.untrained_kl(V, s))
    variation, kl = superposition.block_limits(V, s, V)
    np.testing.assert_allclose([variation, kl], 0, atol=1e-15)
    assert widths.imbalance_floor(V, V - 1, 10.0) == pytest.approx(0.1)
    assert widths.imbalance_floor(V, 2 * (V - 1), 10.0) == 0


def test_two_kinds_against_all_contexts():
    """Shares of the classes by counting; V = 1000 without overflow."""
    V, m, s = 7, 3, 4
    classes = laws.two_kinds(V, m, np.array([s]), lambda s, h, last: (1.0 * h, 2.0 * s, 1.0 * last))
    found = np.zeros((m + 1, 2))
    for tokens in itertools.combinations(range(V), s):
        for last in tokens:
            found[sum(t < m for t in tokens), int(last < m)] += 1
    np.testing.assert_allclose(classes.share[0].reshape(m + 1, 2), found / found.sum(), atol=1e-14)
    assert (classes.counts.sum(axis=2)[classes.share > 0] == s).all()
    large = laws.two_kinds(1000, 500, np.array([1, 500, 999]), lambda s, h, last: (1.0, 1.0, 1.0))
    np.testing.assert_allclose(large.share.sum(axis=1), 1, rtol=1e-10)


@pytest.mark.parametrize("dtype", rounding.ROUNDING)
def test_rounding_bounds_to_first_order(dtype):
    """As docs/theory.md has them; what is left out is of order u²."""
    u, v = rounding.ROUNDING[dtype]
    assert v == np.finfo("float64" if dtype == "float64" else "float32").eps / 2
    assert u == {"float16": 2**-11, "bfloat16": 2**-8}.get(dtype, v)
    for V, s in [(2, 1), (16, 1), (16, 15), (200, 100)]:
        mu = math.sqrt((V - s) / (s * V))
        for defect, omega in [(None, 2 * u), (3 * u, 3 * u), (0.0, 0.0)]:
            first = 2 * 7.0 * (omega + s * v + mu * (2 * u + V * v))
            found = rounding.spread_bound(dtype, 7.0, V, s, defect)
            assert first * (1 - 1e-12) <= found <= first * (1 + 20 * math.sqrt(V * u) + V * v)
            variation = rounding.total_variation_bound(dtype, 7.0, V, s, defect)
            assert variation == pytest.approx(math.tanh((found + 2 * u * 7 / s) / 4), rel=u)
    assert basics.gamma(3, u) == pytest.approx(3 * u, rel=4 * u)


def test_rounding_needs_a_type_and_enough_digits():
    with pytest.raises(basics.TheoryError, match="known: float64, float32, float16, bfloat16"):
        rounding.spread_bound("int8", 1.0, 4, 1)
    with pytest.raises(basics.TheoryError, match="300 terms are too many"):
        basics.gamma(300, 2.0**-8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: displacement.conserved_sum(np.array([1.0, 0.0]), np.zeros(2), np.array([0])),
        lambda: displacement.harmonic_displacement(np.array([1.0, -1.0])),
        lambda: displacement.last_token_excess(5, np.array([3]), 1.0, 2.0),
        lambda: displacement.critical_length(1.0, 0.0),
        lambda: displacement.is_last_displaced(
            np.ones(3), np.ones(3), np.ones((3, 3)), np.ones((1, 3), bool), np.array([0])
        ),
        lambda: widths.robust_rank_ratio(2),
        lambda: certificate.certified_displacement(1, 0.1, 1.0, 0.5, 0.5),
        lambda: strength.residual_norm_displacements(5, np.array([2]), 1.0, -1.0),
        lambda: superposition.kl_floor(5, -1),
        lambda: superposition.kl_floor_by_length(5, np.array([5]), width=1),
        lambda: superposition.block_limits(5, np.array([2]), 6),
        lambda: superposition.absent_variance(np.eye(5), np.array([4])),
        lambda: superposition.absent_variance(np.eye(3), np.array([1])),
        lambda: superposition.truncation_fraction(1.5),
        lambda: dispersion.illegal_rate_floor(5, np.array([2]), 0.0),
        lambda: dispersion.largest_mean_x(5, "l1", 1.0),
        lambda: dispersion.dropout_kl(5, np.array([2]), 1.0, 1.0),
        lambda: displacement.standard_form_displacements(5, np.array([2]), 1.0, self_weight=0.0),
        lambda: widths.imbalance_floor(5, 3, 2.0),
        lambda: strength.x_min(5, 0.1, longest=5),
        lambda: superposition.kl_floor_by_length(5, [1], width=-3),
        lambda: superposition.total_variation_floor(5, -30),
        lambda: certificate.certified_spread([0], 1.0, 0.5),
        lambda: certificate.certified_spread([2], -1.0, 0.5),
        lambda: certificate.certified_spread([2], 1.0, 2.0),
        lambda: superposition.coherence_bound(5, [1], 3.0, -0.1),
        lambda: superposition.frame_kl_bound(5, [1], 1.0, 0),
        lambda: widths.imbalance_floor(1, 2, 1.0),
        lambda: basics.count_contexts(5, 9),
        lambda: basics.count_contexts(5, -1),
        lambda: displacement.balanced_attention(np.array([1.0, np.inf, 3.0])),
        lambda: dispersion.dropout_kl(5, [2], -1.0, 0.1),
        lambda: displacement.standard_form_displacements(5, [1.5], 3.0),
        lambda: laws.attention_entropy(5, [1], self_weight=-1.0),
        lambda: superposition.generalized_welch_bound(5, -2),
        lambda: basics.decompose_off_diagonal(np.zeros((3, 4))),
        lambda: rounding.spread_bound("float32", 1.0, 4, 4),
        lambda: rounding.spread_bound("float32", 1.0, 4, 1, -1e-9),
    ],
)
def test_outside_the_hypotheses(call):
    with pytest.raises(basics.TheoryError):
        call()


def test_two_uniform_heads_in_a_row():
    found = depth.largest_path_weights(0.0, 3, 2)
    np.testing.assert_allclose(found[2] * 18, [11, 5, 2])
    for n in (1, 2, 7):
        once = depth.largest_path_weights(0.0, n, 1)
        np.testing.assert_allclose((once @ once)[-1], depth.twice_averaged_weights(n))
    harmonic = sum(1 / k for k in range(1, 51))
    assert depth.largest_path_weights(0.0, 50, 3)[-1].max() <= harmonic**2 / 50


def test_a_range_of_scores_is_that_of_all_vectors_behind_a_norm():
    rng = np.random.default_rng(0)
    W_Q, W_K = rng.normal(size=(2, 4, 2))
    b_Q, norm_w, norm_b = rng.normal(size=2), rng.normal(size=4), rng.normal(size=4)
    rows = rng.normal(size=(3000, 4))
    rows *= 2 / np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows * norm_w + norm_b
    scores = (rows @ W_Q + b_Q) @ (rows @ W_K).T / 2**0.5
    assert np.ptp(scores, axis=1).max() <= depth.score_range(W_Q, W_K, b_Q, norm_w, norm_b)
    zero, one = np.zeros(4), np.ones(4)
    exact = depth.score_range(W_Q, W_K, np.zeros(2), one, zero)
    assert exact == pytest.approx(2 * 4 * np.linalg.svd(W_Q @ W_K.T)[1][0] / 2**0.5)
    assert depth.largest_weight(np.log(3), 4) == pytest.approx(3 / 6)


def test_the_best_gap_behind_a_norm_is_that_of_attention_norm():
    V, gain, lengths = 7, 2.5, np.arange(1, 7)
    found = depth.largest_mean_gap(V, lengths, gain * np.sqrt(V - 1))
    np.testing.assert_allclose(found, gain * np.sqrt(V / (lengths * (V - lengths))))
