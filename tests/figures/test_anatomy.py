"""The figure of a model: what it draws, and what it says in words."""

import numpy as np
import pytest
from bigram import Bigram
from scenarios_models import SCENARIOS, draw_model, make_random

from gamecircuits.analysis.diagnosis import diagnose, diagnose_on
from gamecircuits.figures.layout import fit, render
from gamecircuits.figures.models import anatomy
from gamecircuits.games.game import make_game
from gamecircuits.training.architectures.gpt import GptTrial
from gamecircuits.transformer.circuits import from_circuits, qk_circuit
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.one_layer import OneLayer


def titles(figure):
    """The first lines of the panels' titles, without units."""
    found = (
        axes.get_title(loc="left").split("\n")[0].removesuffix(" (nats)") for axes in figure.axes
    )
    return [title for title in found if title]


def pivot(table, name):
    rows = table[table["quantity"] == name]
    return rows.pivot(index="row", columns="column", values="measured").to_numpy()


def test_circuits_have_no_gauge():
    """x and β on the diagonals, whatever c, c', r and the mean scores are."""
    V, rng = 5, np.random.default_rng(0)
    x, beta, c, c_direct, r = rng.uniform(1, 20, (5, V))
    qk = rng.standard_normal((V, V))
    ov = -np.diag(x) + c[:, None] + r
    model = OneLayer(from_circuits(qk, ov, -np.diag(beta) + c_direct[:, None] - r))
    table = anatomy.make_table(model, diagnose(model).table, "file")
    np.testing.assert_allclose(pivot(table, "ov_circuit"), -np.diag(x), atol=1e-12)
    np.testing.assert_allclose(pivot(table, "direct_path"), -np.diag(beta), atol=1e-12)
    scores = pivot(table, "qk_circuit")
    np.testing.assert_allclose(np.exp(scores - scores[:, :1]), np.exp(qk - qk[:, :1]))
    np.testing.assert_allclose(scores.sum(axis=1), 0, atol=1e-12)


def test_a_sink_is_a_column_of_scores_that_attention_follows_from():
    model = make_random(6, 1.0, sink=3.0)
    table = anatomy.make_table(model, diagnose(model).table, "file")
    scores, sink = pivot(table, "qk_circuit"), pivot(table, "sink_score")
    share = np.exp(sink[:, 0]) / (np.exp(sink[:, 0]) + np.exp(scores).sum(axis=1))
    wanted = 3.0 / (3.0 + np.exp(qk_circuit(model.parameters)).sum(axis=1))
    np.testing.assert_allclose(share, wanted)
    figure = draw_model(make_construction("sink", vocab_size=6).model(), "sink")
    assert titles(figure)[0] == "QK circuit"
    assert "sink" in [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_under_a_norm_circuits_are_in_nats():
    """The scale of the values does not count; a diagonal is the displacement at length 1."""
    model = make_random(6, 0.1, norm="attention", gain=5.0)
    found = diagnose(model)
    table = anatomy.make_table(model, found.table, "file")
    weights = model.parameters._replace(W_O=1e3 * model.parameters.W_O)
    other = OneLayer(weights, model.norm, model.gain)
    scaled = anatomy.make_table(other, diagnose(other).table, "file")
    np.testing.assert_allclose(pivot(scaled, "ov_circuit"), pivot(table, "ov_circuit"))
    np.testing.assert_allclose(-np.diagonal(pivot(table, "ov_circuit")), found.form.x)


@pytest.mark.parametrize(
    ("scenario", "panels", "words"),
    [
        (
            "balanced",
            ["OV circuit", "illegal token rate", "lowest displacement"],
            ["attention is uniform", "no direct path", "β = 0 for every token", "no norm"],
        ),
        (
            "untrained",
            ["illegal token rate"],
            ["attention is uniform", "no OV circuit", "lowest displacement 0 at every length"],
        ),
        (
            "harmonic",
            ["QK circuit", "OV circuit", "strengths by token", "illegal token rate",
             "lowest displacement"],
            ["no direct path", "exactly in standard form"],
        ),
        ("sink", None, ["sink of weight 4", "all tokens attended alike"]),
        ("a norm and a sink", None, ["attention norm, gain 1234; sink of weight 0.01"]),
        (
            "another game",
            ["QK circuit", "OV circuit", "direct path", "illegal token rate",
             "lowest displacement"],
            ["as the theory speaks of set complement alone"],
        ),
        ("another kind", ["illegal token rate", "lowest displacement"], ["of one layer alone"]),
        ("all is legal", None, ["every token is legal"]),
        ("V = 200", None, ["circuits of the first 128 tokens"]),
    ],
)  # fmt: skip
def test_what_is_drawn_and_what_is_said(scenario, panels, words):
    figure = SCENARIOS[scenario]()
    assert panels is None or titles(figure) == panels
    title = " ".join(figure.get_suptitle().split()).lower()
    for text in words:
        assert text.lower() in title, (text, title)


def test_uniform_is_said_only_where_it_is_true():
    title = draw_model(make_random(5, 1.0), "file").get_suptitle()
    assert "uniform" not in title
    assert "attended alike" not in title


@pytest.mark.parametrize(("kind", "keys"), [("balanced", 3), ("attention_norm", 2)])
def test_the_legend_has_the_lines_that_are_drawn(kind, keys):
    """Under a norm nothing is certified."""
    figure = draw_model(make_construction(kind, vocab_size=5).model(), kind)
    assert len(figure.legends[0].get_texts()) == keys


def test_lines_and_symbols_lie_where_the_table_says():
    model = make_construction("tied", vocab_size=6).model()
    found = diagnose(model)
    figure = draw_model(model, "tied")
    axes = next(a for a in figure.axes if "displacement" in a.get_title(loc="left"))
    certified, predicted, measured = axes.lines[:3]
    rows = found.by_length("last_displacement")
    for line, name in ((certified, "certified"), (predicted, "predicted"), (measured, "measured")):
        np.testing.assert_array_equal(line.get_xdata(), rows["length"])
        np.testing.assert_array_equal(line.get_ydata(), rows[name])


def test_the_colour_bar_keeps_its_numbers():
    figure = SCENARIOS["balanced"]()
    fit(figure)
    (bar,) = (axes for axes in figure.axes if axes.get_label() == "<colorbar>")
    low, middle, high = bar.get_yticks()
    assert (-low, middle) == (high, 0) != (0, 0)


def test_large_models_keep_a_small_table_and_the_same_bytes():
    model = make_construction("balanced", vocab_size=200).model()
    table = anatomy.make_table(model, diagnose(model).table, "balanced")
    assert table["row"].notna().sum() == 3 * anatomy.MAX_TOKENS**2
    table = anatomy.make_table(
        Bigram(np.eye(3)),
        diagnose_on(
            make_game("set_complement", vocab_size=3), Bigram(np.eye(3)), np.random.default_rng(0)
        ).assign(game="set_complement"),
        "bigram",
    )
    first, again = (render(anatomy.draw(table, "b"), ["x.png", "x.svg"], "job") for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({}, "2 layers of 2 heads, width 64, MLPs of 256, learned positions up to 8, LayerNorm "
         "before sublayers"),
        ({"num_layers": 1, "num_heads": 1, "d_mlp": 0, "positions": "none", "norm": "none"},
         "1 layer of 1 head, width 64, no MLP, no positions, no norm"),
        ({"positions": "rotary", "norm": "rms", "placement": "after"},
         "2 layers of 2 heads, width 64, MLPs of 256, rotary positions, RMSNorm after sublayers"),
    ],
)  # fmt: skip
def test_a_deeper_model_says_what_it_is(chosen, said):
    trial, game = GptTrial(**chosen), make_game("windowed_complement", vocab_size=4, window=2,
                                                max_length=8)  # fmt: skip
    model = trial.make_model(trial.init_weights(4, 8, np.random.default_rng(0)))
    title = draw_model(model, "trained", game=game, length=3).get_suptitle()
    assert said in title
    assert "V = 4" in title.split("\n")[0]
