from gamecircuits.training.eval_lengths import name_lengths


def test_no_length_is_beyond_the_longest():
    assert name_lengths(5, 11) == {"trained": 5, "twice": 10, "longest": 11}
    assert name_lengths(8, 11) == {"trained": 8, "twice": 11, "longest": 11}
    assert name_lengths(8, 6) == {"trained": 6, "twice": 6, "longest": 6}
