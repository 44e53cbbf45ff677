import numpy as np
import pandas as pd
import pytest
from bigram import Bigram, LogitsOnly
from twins import all_contexts, naive_logits, naive_metrics, random_parameters

from gamecircuits.analysis import evaluation, set_sums
from gamecircuits.analysis.evaluation import evaluate_by_length, evaluate_exhaustively
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import make_game
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer

STATISTICS = ["count", "mean", "std", "min", "q05", "q25", "median", "q75", "q95", "max"]


def summarize(values_by_length):
    """Statistics by pandas, as an oracle for Summary."""
    rows = []
    for length, contexts in values_by_length.items():
        frame = pd.DataFrame(contexts)
        for metric in frame:
            v = frame[metric].dropna()
            q = v.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).tolist() if len(v) else [np.nan] * 5
            row = [len(v), v.mean(), v.std(ddof=0), v.min(), *q, v.max()]
            rows.append([length, metric, *row])
    return pd.DataFrame(rows, columns=["length", "metric", *STATISTICS])


def with_twin(table, wanted):
    """The rows of metrics that have a slow twin; all of ours have."""
    return table[table["metric"].isin(wanted["metric"])].reset_index(drop=True)


@pytest.mark.parametrize(
    ("norm", "gain", "sink"),
    [("none", 1.0, 0.0), ("attention", 2.0, 0.0), ("residual", 3.0, 0.0), ("none", 1.0, 2.0)],
)
def test_exhaustive_equals_a_loop_over_all_contexts(norm, gain, sink):
    V = 5
    parameters = random_parameters(np.random.default_rng(0), V)
    naive = {}
    for length in range(1, V):
        naive[length] = []
        for prefix in all_contexts(V, length):
            logits, attention = naive_logits(parameters, prefix, norm, gain, sink)
            legal = [token not in prefix for token in range(V)]
            weights = [
                *attention,
                max(0.0, 1 - sum(attention)),
            ]  # the sink's share is attention too
            naive[length].append(naive_metrics(logits, legal, weights))
    found = evaluate_exhaustively(OneLayer(parameters, norm, gain, sink))
    wanted = summarize(naive)
    found = with_twin(found, wanted)
    assert found["length"].tolist() == wanted["length"].tolist()
    assert found["metric"].tolist() == wanted["metric"].tolist()
    np.testing.assert_allclose(found[STATISTICS], wanted[STATISTICS], rtol=1e-9, atol=1e-11)
    assert (found["quantile_count"] == found["count"]).all()


GAMES = [
    {"kind": "windowed_complement", "vocab_size": 4, "window": 2},
    {"kind": "windowed_complement", "vocab_size": 4, "window": 0},  # nothing is ever illegal
    {"kind": "mnk", "rows": 2, "columns": 2, "in_a_row": 2},
]
BIGRAM = Bigram(np.random.default_rng(3).normal(size=(4, 4)))


@pytest.mark.parametrize("settings", GAMES, ids=str)
@pytest.mark.parametrize("kind", ["one layer", "bigram"])
def test_by_length_equals_a_loop_over_games(settings, kind):
    game = make_game(**settings)
    parameters = random_parameters(np.random.default_rng(1), 4)
    model = OneLayer(parameters) if kind == "one layer" else BIGRAM
    tokens = game.play(60, np.random.default_rng(2))
    mask = game.get_valid_next_token_mask(tokens)
    lengths = range(1, game.max_length)
    naive = {length: [] for length in lengths}
    for row, legal in zip(tokens.tolist(), mask, strict=True):
        for length in lengths:
            if legal[length - 1].any():
                logits, attention = naive_logits(parameters, row[:length])
                if kind == "bigram":
                    logits = BIGRAM.table[row[length - 1]]
                found = naive_metrics(logits, legal[length - 1], attention)
                if kind == "bigram":
                    found["attention_entropy"] = np.nan
                naive[length].append(found)
    naive = {
        length: contexts or [naive_metrics([0.0], [False], [])]
        for length, contexts in naive.items()
    }
    batches = [(tokens[:25], mask[:25]), (tokens[25:], mask[25:])]
    wanted = summarize(naive)
    found = with_twin(evaluate_by_length(model, batches, lengths, 60), wanted)
    np.testing.assert_allclose(found[STATISTICS], wanted[STATISTICS], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("settings", GAMES, ids=str)
@pytest.mark.parametrize(
    ("norm", "gain", "sink"), [("none", 1.0, 0.0), ("attention", 2.0, 0.5), ("residual", 3.0, 0.0)]
)
def test_logits_alone_give_what_the_token_tables_give(monkeypatch, settings, norm, gain, sink):
    monkeypatch.setattr(evaluation, "CHUNK_BYTES", 1000)  # several chunks
    game = make_game(**settings)
    model = OneLayer(random_parameters(np.random.default_rng(1), 4), norm, gain, sink)
    tokens = game.play(60, np.random.default_rng(2))
    batches = [(tokens, game.get_valid_next_token_mask(tokens))]
    lengths = range(1, game.max_length)
    fast, plain = (evaluate_by_length(m, batches, lengths, 60) for m in (model, LogitsOnly(model)))
    is_entropy = fast["metric"] == "attention_entropy"
    np.testing.assert_allclose(
        plain.loc[~is_entropy, STATISTICS],
        fast.loc[~is_entropy, STATISTICS],
        rtol=1e-11,
        atol=1e-12,
    )
    assert plain.loc[is_entropy, "mean"].isna().all()
    assert (plain.loc[is_entropy, "count"] == 0).all()


def test_other_kinds_of_models_are_models_without_token_tables():
    assert isinstance(BIGRAM, Model)
    assert isinstance(OneLayer(random_parameters(np.random.default_rng(0), 4)), Model)
    with pytest.raises(
        GamecircuitsError, match=r"over all contexts needs a OneLayer .* Bigram gives"
    ):
        evaluate_exhaustively(BIGRAM)


def test_threads_and_subsets_of_lengths_change_no_bit(monkeypatch):
    monkeypatch.setattr(set_sums, "CHUNK", 50)
    model = OneLayer(random_parameters(np.random.default_rng(0), 9))
    one, four = (evaluate_exhaustively(model, threads=n) for n in (1, 4))
    pd.testing.assert_frame_equal(one, four, check_exact=True)
    some = evaluate_exhaustively(model, [3, 8])
    kept = one[one["length"].isin([3, 8])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, kept, check_exact=True)


class Masking:
    """Knows which tokens were seen, and masks them: −inf, as other software does."""

    vocab_size = 4

    def logits(self, tokens):
        seen = np.cumsum(tokens[..., None] == np.arange(4), axis=-2) > 0
        return np.where(seen, -np.inf, 0.0)


def test_a_model_that_masks_is_measured():
    game = make_game("set_complement", vocab_size=4)
    tokens = game.play(50, np.random.default_rng(0))
    batches = [(tokens, game.get_valid_next_token_mask(tokens))]
    table = evaluate_by_length(Masking(), batches, [1, 2, 3], 50).set_index(["metric", "length"])
    for name, value in [("illegal_token_rate", 0), ("kl_divergence", 0), ("absent_spread", 0),
                        ("logit_gap", np.inf), ("displacement", np.inf)]:  # fmt: skip
        rows = table.loc[name]
        assert (rows["count"] == 50).all()
        assert (rows[["mean", "min", "q05", "median", "max"]] == value).all(axis=None), name
    assert (table.loc["imbalance", "count"] == 0).all()


def test_float32_is_close_and_says_so():
    parameters = random_parameters(np.random.default_rng(0), 6)
    single = type(parameters)(*(m.astype(np.float32) for m in parameters))
    wide, narrow = (
        evaluate_exhaustively(OneLayer(parameters)),
        evaluate_exhaustively(OneLayer(single)),
    )
    # top1_legal may jump where two logits nearly tie
    kept = wide["metric"] != "top1_legal"
    np.testing.assert_allclose(narrow["mean"][kept], wide["mean"][kept], rtol=1e-3, atol=1e-4)


def test_lengths_outside_the_game_are_refused():
    with pytest.raises(ValueError, match=r"lengths must lie in 1\.\.5, not \[0, 6\]"):
        evaluate_exhaustively(OneLayer(random_parameters(np.random.default_rng(0), 6)), [6, 0])


def test_memory_of_sampled_evaluation_is_bounded(monkeypatch):
    """Values kept for quantiles are shared out among the lengths."""
    monkeypatch.setattr(evaluation, "MAX_QUANTILE_CONTEXTS", 100)
    game = make_game("set_complement", vocab_size=6)
    tokens = game.play(500, np.random.default_rng(0))
    batches = [(tokens, game.get_valid_next_token_mask(tokens))]
    model = OneLayer(random_parameters(np.random.default_rng(0), 6))
    table = evaluate_by_length(model, batches, range(1, 6), 500)
    assert (table["count"] == 500).all()
    assert table["quantile_count"].unique().tolist() == [20]


def test_too_many_contexts_are_refused():
    with pytest.raises(ValueError, match=r"40 tokens have 2.2e\+13 contexts"):
        evaluate_exhaustively(OneLayer(random_parameters(np.random.default_rng(0), 40)))
