import numpy as np
import pytest
import twins

from gamecircuits.analysis.contexts import all_contexts, contexts_by_length, sample_contexts
from gamecircuits.theory.basics import count_contexts


@pytest.mark.parametrize("vocab_size", [2, 3, 6])
def test_all_contexts_are_those_of_a_loop(vocab_size):
    members, last = all_contexts(vocab_size)
    found = [(tuple(np.flatnonzero(m)), t) for m, t in zip(members, last, strict=True)]
    wanted = [
        (tuple(sorted(prefix)), prefix[-1])
        for length in range(1, vocab_size)
        for prefix in twins.all_contexts(vocab_size, length)
    ]
    assert len(found) == len(wanted) == count_contexts(vocab_size)
    assert set(found) == set(wanted)
    assert (np.diff(members.sum(axis=1)) >= 0).all(), "the shorter ones come first"


def test_sampled_contexts_are_uniform():
    V, length, count = 5, 2, 40_000
    members, last = sample_contexts(V, length, count, np.random.default_rng(0))
    assert (members.sum(axis=1) == length).all()
    assert members[np.arange(count), last].all()
    _, counts = np.unique(members @ (1 << np.arange(V)) * V + last, return_counts=True)
    assert len(counts) == count_contexts(V, length)
    expected = count / len(counts)
    assert ((counts - expected) ** 2 / expected).sum() < 45  # χ² of 19 degrees, p = 0.0007


def test_all_or_some():
    rng = np.random.default_rng(0)
    members, _, are_all = contexts_by_length(6, 3, 60, rng)
    assert are_all
    assert len(members) == count_contexts(6, 3) == 60
    members, _, are_all = contexts_by_length(6, 3, 59, rng)
    assert not are_all
    assert len(members) == 59
    assert contexts_by_length(300, 150, 10, rng)[0].sum() == 1500
    with pytest.raises(ValueError, match="possible up to 18 tokens"):
        all_contexts(19)
