"""Measurements of trained models, on models whose mechanism is known by construction."""

import numpy as np
import pytest
from bigram import Bigram
from gpts import make_gpt
from scipy.special import softmax
from standard_models import BETA, DIRECT, EXACT, GAUGE, RANDOM, SCORES, R, V, X, play

from gamecircuits.games.game import PAD
from gamecircuits.training import measure
from gamecircuits.training.choices import COMPARED
from gamecircuits.training.strengths import measure_scaled
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.model import forward
from gamecircuits.transformer.one_layer import OneLayer

LENGTHS = range(1, 6)


@pytest.fixture(scope="module")
def games():
    return play()


@pytest.mark.parametrize("parameters", [EXACT.parameters, RANDOM.parameters], ids=["exact", "any"])
def test_prediction_is_the_measurement_where_the_theory_is_exact(games, parameters):
    table = measure.measure_average(OneLayer(parameters), *games, LENGTHS).set_index("metric")
    rows = table.loc["illegal_token_rate"]
    is_equal = np.isclose(rows["mean"], rows["standard_form"], rtol=1e-9)
    assert len(rows) == len(LENGTHS)
    assert is_equal.all() if parameters is EXACT.parameters else not is_equal.any()


def test_prediction_by_hand(games):
    """exp(−δ) on each seen token, 1 on each absent one, with δ = w x + β of the last token."""
    tokens, mask = games
    form = measure.fit_model(RANDOM)
    rates = []
    for game in tokens.tolist():
        seen = game[:3]
        weights = np.exp([SCORES[seen[-1], token] for token in seen])
        delta = weights / weights.sum() * form.x[seen]
        delta[-1] += form.beta[seen[-1]]
        mass = np.exp(-delta).sum()
        rates.append(mass / (mass + V - 3))
    table = measure.measure_average(RANDOM, tokens, mask, [3]).set_index("metric")
    assert table.loc["illegal_token_rate", "standard_form"] == pytest.approx(np.mean(rates))


def test_distance_from_the_standard_form_game_by_game(games):
    tokens, mask = games
    tokens, mask = tokens.copy(), mask.copy()
    tokens[0, 3:], mask[0, 2:] = PAD, False  # a game that is over after three tokens
    table = measure.measure_average(RANDOM, tokens, mask, [2, 4, 6]).set_index("metric")
    table = table.loc["from_standard_form"].set_index("length")
    assert list(table.index) == [2, 4], "after six tokens every game is over"
    ideal = measure.idealize(RANDOM)
    for s in (2, 4):
        apart = [
            np.abs(softmax(RANDOM.logits(game[:s])[-1]) - softmax(ideal.logits(game[:s])[-1])).sum()
            for game in tokens[s > 2 :]
        ]
        wanted = np.array(apart) / 2
        assert table.loc[s, "count"] == len(wanted) == (40 if s == 2 else 39)
        found = table.loc[s, ["mean", "std", "min", "max"]]
        assert found.to_list() == pytest.approx(
            [wanted.mean(), wanted.std(), wanted.min(), wanted.max()]
        )
    exact = measure.measure_average(EXACT, tokens, mask, [2]).set_index("metric")
    assert exact.loc["from_standard_form", "max"] < 1e-12


@pytest.mark.parametrize("norm", ["attention", "residual"])
def test_nothing_is_predicted_under_a_norm(games, norm):
    table = measure.measure_average(OneLayer(EXACT.parameters, norm, 3.0), *games, LENGTHS)
    assert table["mean"].notna().any()
    assert table["standard_form"].isna().all()
    assert "from_standard_form" not in set(table["metric"])


def test_r_is_gauge_but_under_the_norm_of_the_output(games):
    """That of the residual stream acts on the sum, in which the two r cancel."""
    misfit = {
        norm: measure.measure_checkpoint(
            OneLayer(EXACT.parameters, norm, 3.0), *games, {"trained": 2}
        )["misfit"]
        for norm in ("none", "residual", "attention")
    }
    assert misfit["none"] == misfit["residual"] == pytest.approx(0, abs=1e-12)
    assert misfit["attention"] > 0.1


def test_circuits_in_numbers(games):
    found = measure.measure_checkpoint(EXACT, *games, {"trained": 2})
    assert (found["x_mean"], found["beta_mean"]) == pytest.approx((X.mean(), BETA.mean()))
    assert found["misfit"] == pytest.approx(0, abs=1e-12)
    spread = np.mean([np.sqrt(np.mean((row - row.mean()) ** 2)) for row in SCORES])
    assert found["score_spread"] == pytest.approx(spread)
    # x alike is −x(I − 11ᵀ/V) without gauge, of V − 1 equal singular values.
    alike = OneLayer(from_circuits(np.zeros((V, V)), GAUGE[0] + R - 3 * np.eye(V), DIRECT))
    found = measure.measure_checkpoint(alike, *games, {"trained": 2})
    assert found["ov_effective_rank"] == pytest.approx(V - 1)
    assert found["score_spread"] == 0
    centred = np.random.default_rng(2).normal(size=V)
    one = np.outer(centred - centred.mean(), [1, -1, 0, 0, 0, 0])  # of rank one
    found = measure.measure_checkpoint(
        OneLayer(from_circuits(SCORES, one + GAUGE[0] + R, DIRECT)), *games, {"trained": 2}
    )
    assert found["ov_effective_rank"] == pytest.approx(1)


def test_noise_and_bias_prefix_by_prefix(games):
    tokens, mask = games
    assert measure.measure_noise([EXACT], tokens, mask, [2]).empty
    tokens, mask = tokens.copy(), mask.copy()
    tokens[0, 3:], mask[0, 2:] = PAD, False  # a game that is over after three tokens
    models = [EXACT, RANDOM, OneLayer(EXACT.parameters, "attention", 2.0)]
    table = measure.measure_noise(models, tokens, mask, [2, 4, 5, 6]).set_index("length")
    assert list(table.index) == [2, 4, 5], "after six tokens every game is over"
    for s in (2, 4, 5):  # after five of six tokens a single one is legal
        rows = []
        for game, legal in zip(tokens, mask, strict=True):
            if not legal[s - 1].any():
                continue
            truth = legal[s - 1] / legal[s - 1].sum()
            p = [softmax(forward(m.parameters, game[:s], norm=m.norm, gain=m.gain)[-1])
                 for m in models]  # fmt: skip
            mean = sum(p) / 3
            rows.append({
                "num_legal": legal[s - 1].sum(),
                "noise": sum(np.abs(one - mean).sum() / 2 for one in p) / 3,
                "bias": np.abs(mean - truth).sum() / 2,
                "variance": sum(((one - mean) ** 2).sum() for one in p) / 2,
                "squared_bias": ((mean - truth) ** 2).sum()
                - sum(((one - mean) ** 2).sum() for one in p) / 6,
                "squared_error": sum(((one - truth) ** 2).sum() for one in p) / 3,
            })  # fmt: skip
        wanted = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
        assert table.loc[s, "count"] == len(rows) == (40 if s == 2 else 39)
        found = table.loc[s]
        assert found["variance"] + found["squared_bias"] == pytest.approx(wanted["squared_error"])
        del wanted["squared_error"]
        assert found[list(wanted)].to_dict() == pytest.approx(wanted)


def test_noise_of_many_games_is_the_mean_of_single_ones(games):
    tokens, mask = games
    models = [EXACT, RANDOM]
    table = measure.measure_noise(models, tokens, mask, [2, 5])
    singles = [
        measure.measure_noise(models, tokens[[n]], mask[[n]], [2, 5]) for n in range(len(tokens))
    ]
    mean = sum(single.drop(columns="count") for single in singles) / len(singles)
    assert all((single["count"] == 1).all() for single in singles)
    np.testing.assert_allclose(table.drop(columns="count"), mean)


def test_circuits_are_kept_without_gauge(monkeypatch):
    table = measure.measure_circuits(EXACT)
    found = {name: rows.pivot(index="row", columns="column", values="value").to_numpy()
             for name, rows in table.groupby("circuit")}  # fmt: skip
    np.testing.assert_allclose(found["ov_circuit"], -np.diag(X), atol=1e-12)
    np.testing.assert_allclose(found["direct_path"], -np.diag(BETA), atol=1e-12)
    np.testing.assert_allclose(softmax(found["qk_circuit"], 1), softmax(SCORES, 1))
    np.testing.assert_allclose(found["qk_circuit"].mean(axis=1), 0, atol=1e-12)
    kept = measure.measure_circuits(OneLayer(EXACT.parameters, "attention"))  # where r is no gauge
    rows = kept[(kept["circuit"] == "ov_circuit") & (kept["row"] != kept["column"])]
    without_own = (R.sum() - R) / (V - 1)  # mean of the others
    np.testing.assert_allclose(rows["value"], R[rows["column"]] - without_own[rows["row"]])
    monkeypatch.setattr(measure, "MAX_TOKENS", 4)
    first = measure.measure_circuits(EXACT)
    assert (len(first), set(first["vocab_size"])) == (3 * 16, {V})
    together = first.merge(table, on=["circuit", "row", "column"])
    np.testing.assert_array_equal(together["value_x"], together["value_y"])


def test_models_of_other_kinds_are_measured_without_a_prediction(games):
    tokens, mask = games
    bigrams = [Bigram(np.random.default_rng(seed).normal(size=(V, V))) for seed in range(3)]
    table = measure.measure_average(bigrams[0], tokens, mask, [2]).set_index("metric")
    p = softmax(bigrams[0].table[tokens[:, 1]], axis=1)
    rate = np.where(mask[:, 1], 0, p).sum(axis=1).mean()
    assert table.loc["illegal_token_rate", "mean"] == pytest.approx(rate)
    assert table["standard_form"].isna().all()
    noise = measure.measure_noise(bigrams, tokens, mask, [2])
    iterates = softmax([bigram.table[tokens[:, 1]] for bigram in bigrams], axis=2)
    away = np.abs(iterates - iterates.mean(axis=0)).sum(axis=2).mean() / 2
    assert noise["noise"].tolist() == pytest.approx([away])


def test_deeper_models_on_the_way(games):
    """Metrics and entropy of attention, prefix by prefix; one game is over after three tokens."""
    tokens, mask = games
    tokens, mask = tokens.copy(), mask.copy()
    tokens[0, 3:], mask[0, 2:] = PAD, False
    model = make_gpt(np.random.default_rng(2), V=V, num_layers=3)
    lengths = {"trained": 1, "longest": 4}
    found = measure.measure_checkpoint(model, tokens, mask, lengths)
    assert list(found)[:3] == [f"{metric}_trained" for metric in measure.LOOKED_AT]
    assert len(found) == 2 * (len(measure.LOOKED_AT) + 3)
    assert [np.isnan(found[f"entropy_share_{layer}_trained"]) for layer in range(3)] == 3 * [True]
    patterns = {}
    logits = model.logits(tokens, hook=patterns.setdefault)
    p = softmax(logits[1:, 3], axis=1)
    rate = np.where(mask[1:, 3], 0, p).sum(axis=1).mean()
    assert found["illegal_token_rate_longest"] == pytest.approx(rate)
    for layer in range(3):
        rows = patterns[f"blocks.{layer}.attn.pattern"][1:, :, 3, :4]
        share = -(rows * np.log(rows)).sum(axis=2).mean() / np.log(4)
        assert found[f"entropy_share_{layer}_longest"] == pytest.approx(share)


def test_deeper_models_are_measured_as_they_are(games):
    tokens, mask = games
    models = [make_gpt(np.random.default_rng(seed), V=V) for seed in range(3)]
    assert measure.is_usable(models[0], tokens)
    table = measure.measure_average(models[0], tokens, mask, [3]).set_index("metric")
    p = softmax(models[0].logits(tokens)[:, 2], axis=1)
    rate = np.where(mask[:, 2], 0, p).sum(axis=1).mean()
    assert table.loc["illegal_token_rate", "mean"] == pytest.approx(rate)
    assert table["standard_form"].isna().all()
    scaled = measure_scaled(models[0], 1.0, tokens, mask, [3]).set_index("metric")
    assert scaled["mean"].to_dict() == table.loc[list(COMPARED), "mean"].to_dict()
    noise = measure.measure_noise(models, tokens, mask, [3])
    iterates = softmax([model.logits(tokens)[:, 2] for model in models], axis=2)
    away = np.abs(iterates - iterates.mean(axis=0)).sum(axis=2).mean() / 2
    assert noise["noise"].tolist() == pytest.approx([away])
    lost = make_gpt(np.random.default_rng(0), V=V, scale=np.inf)
    assert not measure.is_usable(lost, tokens)
    assert not measure.is_usable(lost)
