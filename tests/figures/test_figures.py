"""Figures: what their tables hold, and that they draw any experiment the config allows."""

import importlib

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gamecircuits.evaluation import evaluate_by_length, evaluate_exhaustively
from gamecircuits.figures import branching_factor, circuits, predictions
from gamecircuits.figures.style import KINDS, letter, look, new_figure, render
from gamecircuits.games.game import PAD, make_game
from gamecircuits.jobs import METRIC_FIGURES
from gamecircuits.metrics import METRICS
from gamecircuits.transformer.circuits import ov_circuit
from gamecircuits.transformer.constructions import make_construction


def metrics_table(vocab_size, kinds=("balanced", "untrained"), windowed=True):
    """A small table as collect_metrics writes it."""
    tables = []
    for kind in kinds:
        construction = make_construction(kind, vocab_size=vocab_size)
        table = evaluate_exhaustively(construction.model())
        lengths = table["length"].unique()
        closed = construction.closed_form(lengths)
        table["closed_form"] = [
            closed[m].mean[list(lengths).index(s)]
            for m, s in zip(table.metric, table.length, strict=True)
        ]
        tables.append(table.assign(evaluation="whole", model=kind, kind=kind, contexts="all"))
        if windowed:
            game = make_game("windowed_complement", vocab_size=vocab_size, window=1)
            tokens = game.play(9, np.random.default_rng(0))
            batches = [(tokens, game.get_valid_next_token_mask(tokens))]
            table = evaluate_by_length(construction.model(), batches, range(1, game.max_length), 9)
            about = {"evaluation": "some", "model": kind, "kind": kind, "contexts": "sampled"}
            tables.append(table.assign(**about, closed_form=np.nan))
    table = pd.concat(tables, ignore_index=True)
    units = table["metric"].map({name: unit for name, (unit, _) in METRICS.items()})
    return table.assign(game="g", vocab_size=vocab_size, unit=units)


@pytest.mark.parametrize("name", METRIC_FIGURES)
@pytest.mark.parametrize(
    ("vocab_size", "kinds", "windowed"),
    [(6, ("balanced", "minimal", "attention_norm", "untrained"), True), (2, ("untrained",), False)],
)
def test_metric_figures(name, vocab_size, kinds, windowed):
    module = importlib.import_module(f"gamecircuits.figures.{name}")
    metrics = metrics_table(vocab_size, kinds, windowed)
    table = module.get_table(metrics)
    assert set(table["evaluation"]) == set(metrics["evaluation"])
    figure = module.draw(table)
    assert isinstance(figure, Figure)
    shown = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {kind.replace("_", " ") for kind in kinds} & shown or name == "displacement"
    assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes[:1])


def test_points_lie_where_the_table_says():
    module = importlib.import_module("gamecircuits.figures.length_generalization")
    table = module.get_table(metrics_table(6, ("balanced",), windowed=False))
    axes = module.draw(table).axes[0]
    rows = table[table["metric"] == "illegal_token_rate"]
    line, points = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), rows["closed_form"])
    np.testing.assert_array_equal(points.get_ydata(), rows["mean"])
    np.testing.assert_array_equal(points.get_xdata(), rows["length"])


def test_circuits_table_and_figure():
    parameters = make_construction("minimal", vocab_size=5).parameters()
    table = circuits.get_table(parameters)
    part = table[table["circuit"] == "ov_circuit"]
    matrix = part.pivot(index="row", columns="column", values="value").to_numpy()
    np.testing.assert_array_equal(matrix, ov_circuit(parameters))
    figure = circuits.draw(table, "my_model")
    assert "my model" in figure.get_suptitle()
    assert any("attention is uniform" in text.get_text() for text in figure.axes[0].texts)


def test_predictions_table_and_figure():
    game = make_game("mnk", rows=3, columns=3, in_a_row=3)
    tokens = game.play(20, np.random.default_rng(0))
    tokens = tokens[(tokens == PAD).any(axis=1)][:1]  # a game with padding
    mask = game.get_valid_next_token_mask(tokens)
    models = {"b": make_construction("balanced", vocab_size=9).model()}
    table = predictions.get_table(tokens[0], mask[0], models)
    total = table.groupby(["model", "length"])["probability"].sum()
    np.testing.assert_allclose(total, 1)
    assert table["length"].max() == (tokens[0] != PAD).sum() - 1  # nothing follows the last token
    illegal = (
        table[(table["model"] == "b") & ~table["legal"]].groupby("length")["probability"].sum()
    )
    assert illegal.max() < 1.1e-3
    assert isinstance(predictions.draw(table, "tic_tac_toe"), Figure)


def test_large_and_empty_cases():
    table = circuits.get_table(make_construction("balanced", vocab_size=200).parameters())
    assert len(table) == 3 * circuits.MAX_TOKENS**2
    assert "V = 200, the first 128 tokens" in circuits.draw(table, "m").get_suptitle()
    models = {"b": make_construction("balanced", vocab_size=2).model()}
    game = make_game("windowed_complement", vocab_size=2, window=1, max_length=300)
    tokens = game.play(1, np.random.default_rng(0))
    mask = game.get_valid_next_token_mask(tokens)
    long = predictions.get_table(tokens[0], mask[0], models)
    assert long["length"].max() == predictions.MAX_STEPS
    over = predictions.get_table(tokens[0], np.zeros_like(mask[0]), models)
    assert over.empty
    assert "is over after one token" in predictions.draw(over, "g").get_suptitle()
    figure, grid = new_figure(1, 1, 2, 2)
    letter(grid[0, 0], 27, "after z comes")
    figure.draw_without_rendering()
    assert "bb" in grid[0, 0].get_title(loc="left")


def test_branching_table_and_figure():
    rows = [("g", 0, 3, 4), ("g", 1, 0, 1), ("g", 1, 1, 1), ("g", 1, 3, 2), ("g", 2, 0, 3)]
    counts = pd.DataFrame(rows, columns=["game", "ply", "num_legal", "num_games"])
    table = branching_factor.get_table(counts)
    assert table["ply"].tolist() == [0, 1]  # at ply 2 all games are over
    last = table.iloc[1]
    assert (last["num_games"], last["share_running"]) == (3, 0.75)
    assert last["mean"] == pytest.approx(np.mean([1, 3, 3]))
    assert last["std"] == pytest.approx(np.std([1, 3, 3]))
    assert (last["min"], last["median"], last["max"]) == (1, 3, 3)
    assert isinstance(branching_factor.draw(table), Figure)


def test_a_kind_looks_the_same_everywhere():
    for kind in KINDS:
        assert look(kind, [kind]) == look(kind, ["new", kind, *KINDS])
    assert look("new", ["new"]) not in [look(kind, []) for kind in KINDS]


def test_images_are_the_same_bytes_every_time_and_carry_their_job():
    table = branching_factor.get_table(
        pd.DataFrame({"game": ["g"], "ply": [0], "num_legal": [3], "num_games": [4]})
    )
    paths = ["x.png", "x.svg"]
    first, again = (render(branching_factor.draw(table), paths, "the job") for _ in range(2))
    assert first == again
    assert all(b"the job" in content for content in first.values())
