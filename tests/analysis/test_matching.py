"""Matching on the number of legal tokens, against loops and where the answer is known."""

import numpy as np
import pytest

from gamecircuits.analysis.evaluation import evaluate_by_length
from gamecircuits.analysis.matching import LegalCounts
from gamecircuits.analysis.metrics import METRICS
from gamecircuits.games.game import make_game

TRAINED, LONGEST, V = 3, 6, 5
RATE, KL = 0, list(METRICS).index("kl_divergence")
NAMES = ["illegal_token_rate", "kl_divergence"]


def draw_prefixes(rng, allowed=lambda length: range(1, V + 1), count=40):
    """(length, number of legal tokens) of prefixes."""
    return [(s, int(rng.choice(list(allowed(s))))) for s in range(1, LONGEST + 1)
            for _ in range(count)]  # fmt: skip


def count(prefixes, value) -> LegalCounts:
    """The counts of prefixes, in two parts, whose illegal token rate is value(length, k)."""
    counts = LegalCounts(NAMES, LONGEST, V)
    for part in (prefixes[::2], prefixes[1::2]):
        for s in {s for s, _ in part}:
            legal = np.array([np.arange(V) < k for length, k in part if length == s])
            values = np.full((len(METRICS), len(legal)), np.nan)
            values[RATE] = [value(s, row.sum()) for row in legal]
            values[KL] = 2 * values[RATE]
            counts.add(s, legal, values)
    return counts


def test_matching_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(LONGEST + 1, V + 1))
    prefixes = draw_prefixes(rng, lambda s: range(1, V) if s <= TRAINED else range(2, V + 1), 20)
    table = count(prefixes, lambda s, k: noise[s, k]).match(TRAINED)
    assert table["metric"].tolist() == LONGEST * NAMES
    in_training = [k for s, k in prefixes if s <= TRAINED]
    for s in range(1, LONGEST + 1):
        here = [k for length, k in prefixes if length == s]
        shared = [k for k in in_training if k in here]
        matched = np.mean([noise[s, k] for k in shared])
        reference = np.mean(
            [noise[length, k] for length, k in prefixes if length <= TRAINED and k in here]
        )
        squares = [(in_training.count(k) / len(shared)) ** 2 / here.count(k) for k in set(shared)]
        wanted = {
            "count": len(here),
            "mean": np.mean([noise[s, k] for k in here]),
            "matched_mean": matched,
            "reference_mean": reference,
            "overlap": len(shared) / len(in_training),
            "effective_count": 1 / sum(squares),
        }
        for metric, factor in zip(NAMES, (1, 2), strict=True):
            found = table[(table["length"] == s) & (table["metric"] == metric)].iloc[0]
            scaled = wanted | {n: factor * wanted[n] for n in wanted if "mean" in n}
            assert found[list(wanted)].to_dict() == pytest.approx(scaled)


def test_an_error_of_the_legal_number_alone_is_no_effect_of_length():
    """More tokens are legal in longer prefixes: the plain difference is large."""
    prefixes = draw_prefixes(
        np.random.default_rng(1), lambda s: range(max(1, s - 2), min(s, V) + 1)
    )
    table = count(prefixes, lambda s, k: 1 / k).match(TRAINED).set_index(["metric", "length"])
    row = table.loc[("illegal_token_rate", 5)]
    assert row["matched_mean"] == pytest.approx(row["reference_mean"])
    assert row["mean"] < row["reference_mean"]
    assert 0 < row["overlap"] < 1


def test_an_error_of_the_length_alone_is_the_plain_difference():
    prefixes = draw_prefixes(np.random.default_rng(2))
    table = count(prefixes, lambda s, k: s).match(TRAINED).set_index(["metric", "length"])
    rows = table.loc["illegal_token_rate"]
    assert (rows["overlap"] == 1).all()
    np.testing.assert_allclose(rows["matched_mean"], rows.index)
    np.testing.assert_allclose(rows["reference_mean"], rows.loc[:TRAINED, "mean"].mean())


def test_without_overlap_nothing_is_matched():
    prefixes = draw_prefixes(np.random.default_rng(3), lambda s: [1, 2] if s <= TRAINED else [3, 4])
    table = count(prefixes, lambda s, k: s).match(TRAINED).set_index("length")
    beyond = table.loc[LONGEST]
    assert (beyond["overlap"] == 0).all()
    assert (beyond["effective_count"] == 0).all()
    assert beyond[["matched_mean", "reference_mean"]].isna().all(axis=None)
    assert beyond["mean"].notna().all()


@pytest.mark.parametrize(("kind", "settled"), {"set_complement": True, "othello": False}.items())
def test_games_say_whether_their_length_settles_the_number(kind, settled):
    rules = make_game(kind, **({"vocab_size": 5} if settled else {"board_size": 4}))
    tokens = rules.play(50, np.random.default_rng(0))
    mask = rules.get_valid_next_token_mask(tokens)
    uniform = type("Uniform", (), {
        "vocab_size": rules.vocab_size,
        "logits": lambda self, games: np.zeros((*games.shape, rules.vocab_size)),
    })()  # fmt: skip
    counts = LegalCounts(["top1_legal"], rules.max_length, rules.vocab_size)
    lengths = np.flatnonzero(mask.any(axis=(0, 2))) + 1
    measured = evaluate_by_length(uniform, [(tokens, mask)], lengths, 50, counts.add)
    assert counts.is_settled() == settled
    found = measured[measured["metric"] == "top1_legal"]
    table = counts.match(2)
    assert table["count"].tolist() == found["count"].tolist()
    np.testing.assert_allclose(table["mean"], found["mean"])
