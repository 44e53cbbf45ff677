"""What a model does in random plays, against loops over them."""

import numpy as np
import pytest
from bigram import Bigram, LogitsOnly

from gamecircuits.analysis import plays
from gamecircuits.analysis.diagnosis import diagnose, diagnose_on
from gamecircuits.analysis.quantities import OF_THEORY
from gamecircuits.errors import ParameterError
from gamecircuits.games.game import PAD, make_game
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.one_layer import OneLayer


def naive_plays(model, game, num_plays):
    """(mean rate, highest rate, lowest gap, highest spread, count) by length, game by game."""
    tokens = game.play(num_plays, np.random.default_rng(0))
    mask = game.get_valid_next_token_mask(tokens)
    found = {}
    for row, legal in zip(tokens, mask, strict=True):
        for s in range(1, game.max_length):
            now = legal[s - 1]
            if row[s - 1] == PAD or not now.any():
                continue
            logits = model.logits(row[None, :s].astype(int))[0, -1]
            p = np.exp(logits) / np.exp(logits).sum()
            gap = logits[now].min() - logits[~now].max() if not now.all() else np.nan
            spread = np.ptp(logits[now])
            found.setdefault(s, []).append((p[~now].sum(), gap, spread))
    return {
        s: (np.mean(v[:, 0]), v[:, 0].max(), np.nanmin(v[:, 1]), v[:, 2].max(), len(v))
        for s, v in ((s, np.array(values)) for s, values in found.items())
    }


@pytest.mark.parametrize("kind", ["one layer", "logits only", "bigram"])
@pytest.mark.parametrize(
    "game",
    [
        {"kind": "windowed_complement", "vocab_size": 4, "window": 2},
        {"kind": "mnk", "rows": 2, "columns": 2, "in_a_row": 2},  # ends at different lengths
        {"kind": "set_complement", "vocab_size": 4},
    ],
)
def test_plays_by_hand(monkeypatch, kind, game):
    monkeypatch.setattr(plays, "MOST_PLAYS", 200)
    game, rng = make_game(**game), np.random.default_rng(1)
    layer = OneLayer(from_circuits(*rng.standard_normal((3, 4, 4))), "attention", 2.0, 0.5)
    models = {"one layer": layer, "logits only": LogitsOnly(layer), "bigram": Bigram(np.eye(4))}
    table = plays.measure_plays(models[kind], game, np.random.default_rng(0))
    wanted = naive_plays(models[kind], game, 200)
    quantities = ("illegal_token_rate", "highest_illegal_token_rate", "lowest_displacement",
                  "absent_spread", "contexts")  # fmt: skip
    for number, quantity in enumerate(quantities):
        rows = table[table["quantity"] == quantity]
        assert rows["length"].tolist() == list(wanted)
        expected = [values[number] for values in wanted.values()]
        np.testing.assert_allclose(rows["measured"], expected, atol=1e-12)
    failing = [s for s, values in wanted.items() if values[2] <= 1e-9]
    failure = table.loc[table["quantity"] == "first_failure_in_plays", "measured"].item()
    np.testing.assert_equal(failure, min(failing, default=np.nan))
    assert not set(OF_THEORY) & set(table)


def test_a_diagnosis_has_predictions_where_the_theory_speaks():
    model = make_construction("minimal", vocab_size=5).model()
    complement = make_game("set_complement", vocab_size=5)
    rng = np.random.default_rng
    assert diagnose_on(complement, model, rng(0)).equals(diagnose(model, rng(0)).table)
    windowed = make_game("windowed_complement", vocab_size=5, window=2)
    for game, other in ((windowed, model), (complement, LogitsOnly(model))):
        assert "predicted" not in diagnose_on(game, other, rng(0))
    found = diagnose_on(complement, LogitsOnly(model), rng(0))  # 4000 plays: all 75 contexts
    for quantity in ("highest_illegal_token_rate", "absent_spread"):
        rows, wanted = found["quantity"] == quantity, diagnose(model).by_length(quantity)
        np.testing.assert_allclose(found.loc[rows, "measured"], wanted["measured"], atol=1e-12)


def test_a_game_in_which_all_is_legal_has_rates_and_no_displacement():
    game = make_game("windowed_complement", vocab_size=2, window=0, max_length=2)
    table = plays.measure_plays(Bigram(np.eye(2)), game, np.random.default_rng(0))
    values = table.set_index("quantity")["measured"]
    assert values["illegal_token_rate"] == 0
    assert "lowest_displacement" not in values
    assert np.isnan(values["first_failure_in_plays"])


def test_games_that_do_not_fit_are_refused():
    model = make_construction("balanced", vocab_size=4).model()
    rng = np.random.default_rng(0)
    with pytest.raises(ParameterError, match=r"vocab_size = 5 .* allowed: 4, that of the model"):
        diagnose_on(make_game("set_complement", vocab_size=5), model, rng)
    short = make_game("windowed_complement", vocab_size=4, window=1, max_length=1)
    with pytest.raises(ParameterError, match=r"max_length = 1 .* something to predict"):
        diagnose_on(short, model, rng)


@pytest.mark.parametrize(("strength", "failure"), [(0.0, 1), (1e-12, 1), (1e-6, np.nan)])
def test_a_tie_is_a_failure(strength, failure):
    """The last token is displaced by the strength, and is the only illegal one."""
    game = make_game("windowed_complement", vocab_size=4, window=1)
    model = Bigram(-strength * np.eye(4))
    table = plays.measure_plays(model, game, np.random.default_rng(0))
    found = table.loc[table["quantity"] == "first_failure_in_plays", "measured"].item()
    np.testing.assert_equal(found, failure)
