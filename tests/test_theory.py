"""Closed forms against brute force, published values and each other."""

import itertools
import math

import numpy as np
import pytest

from gamecircuits import theory


def metrics_of(vocab_size, lengths, displacements):
    """Every metric at each length, for displacements that are the same in every context."""
    classes = theory.single_class(lengths, displacements)
    laws = theory.laws_from_classes(vocab_size, lengths, classes, np.log(lengths))
    for law in laws.values():
        np.testing.assert_array_equal(law.min, law.max)
    return {metric: law.mean for metric, law in laws.items()}


def test_count_contexts():
    published = {4: 28, 6: 186, 8: 1016, 16: 524_272, 20: 10_485_740, 24: 201_326_568}
    for vocab_size, count in published.items():
        assert theory.count_contexts(vocab_size) == count
        lengths = range(1, vocab_size)
        assert sum(theory.count_contexts(vocab_size, s) for s in lengths) == count


@pytest.mark.parametrize(
    ("vocab_size", "rate", "x"),
    [(8, 1e-2, 45.8), (10, 1e-3, 81.9), (16, 1e-3, 144.2), (32, 1e-2, 248.9), (64, 1e-3, 696.1)],
)
def test_x_min_known_values(vocab_size, rate, x):
    assert theory.x_min(vocab_size, rate) == pytest.approx(x, abs=0.05)


@pytest.mark.parametrize(
    ("vocab_size", "rate", "bound"),
    [(8, 1e-2, 6.99), (16, 1e-2, 9.98), (64, 1e-2, 19.96), (8, 1e-3, 10.16), (64, 1e-3, 28.73)],
)
def test_gain_min_lies_just_under_its_continuous_bound(vocab_size, rate, bound):
    assert 0.95 * bound < theory.gain_min(vocab_size, rate) <= bound + 0.005


@pytest.mark.parametrize("rate", [0.3, 1e-2, 1e-4])
@pytest.mark.parametrize("vocab_size", [2, 3, 8, 40])
def test_x_min_and_gain_min_are_the_least(vocab_size, rate):
    """A little less breaks the promise at some length; at the value itself it is kept."""
    s = np.arange(1, vocab_size)
    for minimum, displacements in (
        (theory.x_min(vocab_size, rate), theory.standard_form_displacements),
        (theory.gain_min(vocab_size, rate), theory.attention_norm_displacements),
    ):
        for factor, is_kept in ((1 + 1e-9, True), (1 - 1e-6, False)):
            law = displacements(vocab_size, s, factor * minimum)
            found = metrics_of(vocab_size, s, law)
            assert (found["illegal_token_rate"].max() <= rate) == is_kept


def test_rates_against_a_softmax_written_out():
    V, s, others, last = 7, 3, 1.3, 2.1
    logits = [-others, -others, -last, 0, 0, 0, 0]
    p = np.exp(logits) / np.exp(logits).sum()
    law = theory.Displacements(np.array([others]), np.array([last]))
    found = metrics_of(V, np.array([s]), law)
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
        law = theory.attention_norm_displacements(V, np.array([s]), gain)
        assert logits[absent[0]] - logits[tokens[0]] == pytest.approx(law.last[0])


def test_untrained_is_s_over_v():
    s = np.arange(1, 10)
    zero = theory.Displacements(np.zeros(9), np.zeros(9))
    found = metrics_of(10, s, zero)
    rate = s / 10
    np.testing.assert_allclose(found["illegal_token_rate"], rate)
    np.testing.assert_allclose(found["top1_legal"], 1 - rate)
    np.testing.assert_allclose(found["kl_divergence"], np.log(10 / (10 - s)))


@pytest.mark.parametrize("lengths", [[0], [8], [1, 9]])
def test_lengths_outside_the_theorems(lengths):
    with pytest.raises(theory.TheoryError, match=r"lengths must lie in 1\.\.7"):
        theory.standard_form_displacements(8, np.array(lengths), 1.0)


def test_other_hypotheses():
    with pytest.raises(theory.TheoryError, match="at least 2 tokens"):
        theory.x_min(1, 0.1)
    with pytest.raises(theory.TheoryError, match="strictly between"):
        theory.gain_min(8, 1.0)
