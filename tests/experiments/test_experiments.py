"""Every experiment: the same table every time, what it must show, and a figure that draws."""

import importlib

import numpy as np
import pytest
from matplotlib.figure import Figure

from gamecircuits.errors import ParameterError
from gamecircuits.experiments.experiment import EXPERIMENTS, make_experiment

SMALL = {
    "averaging": {},
    "certificate": {"vocab_size": 5, "noises": [0.0, 0.02], "draws": 1},
    "critical_length": {"vocab_size": 7, "critical_lengths": [3.5], "random_vocab_size": 5},
    "parallel_resistors": {"vocab_size": 5, "num_models": 1},
    "remedies": {"vocab_size": 5},
}


@pytest.fixture(scope="module", params=SMALL)
def run(request):
    experiment = make_experiment(request.param, **SMALL[request.param])
    return request.param, experiment.run(np.random.default_rng(0))


def test_all_experiments_are_tested():
    others = {"dimensions", "precision", "superposition", "training_path"}  # in files of their own
    assert set(SMALL) | others <= set(EXPERIMENTS.kinds())


def test_the_same_table_every_time(run):
    kind, table = run
    again = make_experiment(kind, **SMALL[kind]).run(np.random.default_rng(0))
    assert table.equals(again)


def test_the_figure_draws(run):
    kind, table = run
    figure = importlib.import_module(f"gamecircuits.figures.experiments.{kind}").draw(table)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()


def test_what_the_tables_say(run):
    kind, table = run
    if kind == "averaging":  # the numbers of the first two pages of docs/theory.md
        p = table.pivot(index="length", columns="token", values="probability").to_numpy()
        np.testing.assert_allclose(p[1], [0.024, 0.476, 0.024, 0.476], atol=5e-4)
        np.testing.assert_allclose(p[2], [0.096, 0.711, 0.096, 0.096], atol=5e-4)
        np.testing.assert_allclose(table["logit"], -6 * table["average"])
        np.testing.assert_allclose(table["average"], table["seen"] / table["length"])
        np.testing.assert_allclose(table.groupby("length")["target"].sum(), 1)
    elif kind == "remedies":
        np.testing.assert_allclose(table["lowest"], table["predicted"], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(table["highest"], table["predicted"], rtol=1e-9, atol=1e-12)
        first = table[(table["length"] == 1) & table["quantity"].str.endswith("the last")]
        assert len(first) == 5
        np.testing.assert_allclose(first["mean"], 30)
    elif kind == "certificate":
        upper = table["quantity"].str.endswith("rate") | (table["quantity"] == "absent_spread")
        side = np.where(upper, 1, -1)
        assert (side * (table["certified"] - table["measured"]) >= -1e-9).all()
        exact = table[table["noise"] == 0]
        np.testing.assert_allclose(exact["certified"], exact["measured"], atol=1e-9)
    elif kind == "critical_length":
        tied, random = (table[table["part"] == part] for part in ("tied", "random"))
        np.testing.assert_allclose(tied["lowest"], tied["predicted"], atol=1e-9)
        assert ((tied["predicted"] > 0) == (tied["length"] < tied["critical_length"])).all()
        np.testing.assert_array_equal(random["measured"], random["predicted"])
    else:
        error = np.abs(table["highest"] / table["predicted"] - 1)
        kept = table["hypothesis"] == "holds"
        assert error[kept].max() < 1e-12
        assert error[~kept & (table["length"] > 1)].min() > 1e-4


@pytest.mark.parametrize(
    ("kind", "values", "key"),
    [
        ("averaging", {"tokens": []}, "tokens"),
        ("averaging", {"tokens": [0, 0]}, "tokens"),
        ("averaging", {"tokens": [1, 4]}, "tokens"),
        ("averaging", {"tokens": [0, 1], "vocab_size": 2}, "tokens"),
        ("certificate", {"noises": []}, "noises"),
        ("certificate", {"noises": [0.1, 0.1]}, "noises"),
        ("certificate", {"vocab_size": 13}, "vocab_size"),
        ("critical_length", {"critical_lengths": [400.5]}, "critical_lengths"),
        ("critical_length", {"critical_lengths": [5.0]}, "critical_lengths"),
        ("critical_length", {"critical_lengths": [4.5, 4.5]}, "critical_lengths"),
        ("critical_length", {"num_random": 0}, "num_random"),
        ("parallel_resistors", {"spread": 0.0}, "spread"),
        ("remedies", {"vocab_size": 19}, "vocab_size"),
        ("remedies", {"displacement": -1.0}, "displacement"),
        ("remedies", {"self_weight": 1.0}, "self_weight"),
    ],
)
def test_senseless_values(kind, values, key):
    with pytest.raises(ParameterError) as raised:
        make_experiment(kind, **values)
    assert raised.value.key == key
