"""Random trainings beside their predicted paths; the closed form itself has its own tests."""

import numpy as np
from matplotlib.figure import Figure

from gamecircuits.experiments import training_path
from gamecircuits.experiments.training_path import TrainingPath
from gamecircuits.figures.experiments.training_path import draw
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.one_layer import OneLayer


def test_the_table_and_its_figure(monkeypatch):
    kinds = {"AdamW, weight decay": training_path.KINDS["AdamW, weight decay"]}
    monkeypatch.setattr(training_path, "KINDS", kinds)
    small = TrainingPath(num_shapes=1, num_held_out=0, num_steps=20, num_checkpoints=2)
    table = small.run(np.random.default_rng(0))
    assert table["run"].nunique() == 2
    assert table.drop(columns=["length", "max_illegal_rate"]).notna().all(axis=None)
    paths = table[table["quantity"] != "longest_length"]
    assert (paths.groupby(["run", "step", "quantity"]).size().to_numpy() <= 2).all()
    assert len(paths) == 2 * 2 * 5
    assert len(table) - len(paths) == 2 * 4
    assert table["weight_decay"].between(0.02, 0.5).all()
    x = table[(table["quantity"] == "x") & (table["step"] == 20)]
    np.testing.assert_allclose(x["predicted"], x["measured"], atol=0.3)  # after so few steps
    figure = draw(table)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()


def test_rates_are_those_of_the_closed_form():
    games = np.random.default_rng(0).permuted(np.tile(np.arange(7), (50, 1)), axis=1)
    rates = training_path.measure_rates(OneLayer(get_set_complement_parameters(7, x=20.0)), games)
    s = np.arange(1, 7)
    odds = s * np.exp(-20 / s) / (7 - s)
    np.testing.assert_allclose(rates, odds / (1 + odds))
