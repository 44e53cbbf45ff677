"""A tiny search over GPTs on Othello, as the workflow measures it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pipeline_tools import do_all

from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.training.mechanisms import QUANTITIES

SEARCH = {
    "game": "g",
    "architecture": "gpt",
    "length": 4,
    "steps": 8,
    "checkpoints": 8,
    "trials": 2,
    "test_games": 300,
    "space": {"batch_size": 4, "d_model": 8, "d_mlp": 8, "learning_rate": 0.01},
    "variants": {"plain": {}, "wild": {"learning_rate": 1e18, "norm": "none"}},
    "averages": {name: {"kind": "ema", "decay": 0.1 * n} for n, name in enumerate("abc", 1)},
}
GAME = {"kind": "othello", "board_size": 4, "num_games": 10}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A reader of the tables of a search of which one variant diverges."""
    folder = tmp_path_factory.mktemp("search")
    config = {"games": {"g": GAME}, "searches": {"s": SEARCH}}
    (folder / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    plan = Plan(load_config(folder / "c.yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        do_all(plan, "train_trials", "measure_trials", "collect_search")
    return lambda table: pd.read_parquet(Path(folder, f"results/searches/s/{table}.parquet"))


def test_tables_hold_what_a_gpt_has(read):
    metrics, dynamics = read("metrics"), read("dynamics")
    assert metrics["variant"].unique().tolist() == ["plain"]
    assert metrics["standard_form"].isna().all()
    assert read("scaled").empty
    assert read("circuits").empty
    assert not [column for column in dynamics if column.startswith(("x_", "beta_"))]
    shares = dynamics.loc[dynamics["variant"] == "plain"].filter(regex="^entropy_share_[01]_")
    assert shares.shape == (2 * 8, 2 * 3)
    assert shares.apply(lambda column: column.between(0.9, 1)).all(axis=None)  # little training
    quantities = read("mechanisms")["quantity"]
    assert set(quantities) == {n for n, q in QUANTITIES.items() if "gpt" in q.architectures}
    effects = read("effects")
    assert set(effects["strength"]) == {"as_trained"}
    lost = effects[effects["variant"] == "wild"]
    assert (lost["num_diverged"] == 2).all()


def test_tables_by_length_agree_with_the_metrics(read):
    keys = ["variant", "number", "average", "length", "metric"]
    both = read("matched").merge(read("metrics"), on=keys, suffixes=("", "_plain"))
    assert len(both) == len(read("matched")) > 0
    np.testing.assert_allclose(both["mean"], both["mean_plain"], rtol=1e-5)
    assert both["count"].tolist() == both["count_plain"].tolist()
    baselines = read("baselines").set_index(["baseline", "metric", "length"])["mean"].sort_index()
    assert baselines[("games", "num_legal", 1)] == 3
    untrained, uniform = (baselines[(b, "illegal_token_rate")] for b in ("untrained", "uniform"))
    assert (abs(untrained - uniform) < 0.1).all()


def test_the_inside_is_that_of_the_first_and_the_middle_average(read):
    attention, illegal = read("attention"), read("illegal")
    assert set(attention["average"]) == set(illegal["average"]) == {"a", "b"}
    per_model = attention.groupby(["number", "average"]).size()
    lengths = read("metrics")["length"].nunique()
    assert per_model.tolist() == [2 * 2 * lengths] * 4  # layers and heads
    assert attention["count"].max() == 200
    rates = read("metrics").query("metric == 'illegal_token_rate' and length == 1")
    masses = illegal[illegal["length"] == 1].groupby(["number", "average"])["mass"].sum()
    wanted = rates.set_index(["number", "average"])["mean"].reindex(masses.index)
    np.testing.assert_allclose(masses, wanted, atol=0.05)  # of 200 of the 300 games
