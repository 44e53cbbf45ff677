"""Trained models as entries of the config: taken out of a tiny search, and evaluated."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pipeline_tools import do, do_all
from safetensors.numpy import load_file

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.games.datasets import tokens_to_table
from gamecircuits.games.splits import SPLITS
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.provenance import code_closure
from gamecircuits.pipeline.stages.extract_model import extract_model
from gamecircuits.randomness import get_rng
from gamecircuits.storage.files import REPAIR
from gamecircuits.storage.parquet import write_parquet
from gamecircuits.training.streams import iter_split
from gamecircuits.transformer.gpt import Design
from gamecircuits.transformer.gpt_weights import name_weights
from gamecircuits.transformer.weights import read_model

CONFIG = {
    "games": {"g": {"kind": "set_complement", "vocab_size": 5, "num_games": 20}},
    "models": {
        "plain": {"kind": "trained", "search": "s"},
        "before": {"kind": "trained", "search": "s", "average": "start"},
        "normed": {"kind": "trained", "search": "s", "variant": "norm", "number": 1,
                   "average": "ema"},
        "hot": {"kind": "trained", "search": "s", "variant": "hot"},
    },
    "evaluations": {"e": {"game": "g", "models": ["normed"]}},
    "searches": {
        "s": {
            "game": "g", "length": 2, "steps": 8, "checkpoints": 4, "trials": 2, "test_games": 20,
            "space": {"batch_size": 4, "d_model": 4, "d_k": 4, "d_v": 4},
            "variants": {"plain": {}, "norm": {"norm": "attention", "gain": 3.0},
                         "hot": {"learning_rate": 1e18}},
            "averages": {"last": {"kind": "last"}, "ema": {"kind": "ema", "decay": 0.5}},
        }
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """The plan, in whose folder the trials are trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("trained"))
        Path("c.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False), encoding="utf-8")
        plan = Plan(load_config("c.yaml"))
        do_all(plan, "train_trials", "measure_trials")
        yield plan


def extract(plan: Plan, model: str) -> str:
    """The path of the model."""
    (path,) = do(plan.job("extract_model", model=model)).files
    return path


def trained(plan: Plan, file: str, variant: str = "plain", number: int = 0) -> str:
    """Path of a file of the group to which the trial belongs."""
    group = plan.config.searches["s"].group_of(variant, number)
    stage = "measure_trials" if file == "metrics" else "train_trials"
    return plan.job(stage, search="s", group=group).writes[file]


@pytest.mark.parametrize(
    ("name", "trial", "key", "norm"),
    [
        ("plain", ("plain", 0), "plain/0/last", "none"),
        ("before", ("hot", 0), "hot/0/start", "none"),  # a draw starts from the same weights
        ("normed", ("norm", 1), "norm/1/ema", "attention"),
    ],
)
def test_an_extracted_model_is_the_trained_one(plan, name, trial, key, norm):
    found = read_model(extract(plan, name))
    wanted = load_file(trained(plan, "weights", *trial))
    for matrix, weights in found.parameters._asdict().items():
        assert weights.dtype == np.float64
        assert (weights == wanted[f"{key}/{matrix}"]).all()
    assert (found.norm, found.gain, found.sink) == (norm, wanted[f"{key}/gain"], 0.0)
    assert (found.gain == 1.0) == (norm == "none")


def test_an_evaluation_finds_what_the_search_found(plan, monkeypatch):
    """On the games of the search, here in place of the game's own."""
    named = plan.config.games["g"]
    tokens = next(iter_split(named.game, "test", 20, named.splits, get_rng(0, "s test")))
    table = tokens_to_table(tokens, np.full(20, SPLITS.index("test")))

    def write(games, *, job, **_):
        write_parquet(games, [table], job)

    monkeypatch.setattr("gamecircuits.pipeline.stages.generate_games.generate_games", write)
    do_all(plan, "generate_games", "compute_masks")
    extract(plan, "normed")
    (path,) = do(plan.job("evaluate_model", evaluation="e", model="normed")).files

    found = pd.read_parquet(path)
    assert (found["kind"] == "trained").all()
    assert found["closed_form"].isna().all()
    wanted = pd.read_parquet(trained(plan, "metrics", "norm", 1))
    wanted = wanted[(wanted["number"] == 1) & (wanted["average"] == "ema")]
    columns = ["length", "metric", "count", "mean", "std", "min", "max"]
    pd.testing.assert_frame_equal(found[columns], wanted[columns].reset_index(drop=True))


def test_a_deeper_model_is_extracted_and_evaluated(tmp_path, monkeypatch):
    """A model file has an axis for heads, the weights of a search have not."""
    monkeypatch.chdir(tmp_path)
    space = {"batch_size": 4, "d_model": 6, "num_heads": 3, "d_mlp": 5, "placement": "after"}
    search = CONFIG["searches"]["s"] | {"architecture": "gpt", "space": space, "trials": 1}
    searches = {"s": search | {"variants": {"plain": {}}}}
    models = {"deep": {"kind": "trained", "search": "s", "average": "ema"}}
    evaluations = {"e": {"game": "g", "models": ["deep"]}}
    config = CONFIG | {"searches": searches, "models": models, "evaluations": evaluations}
    Path("c.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    plan = Plan(load_config("c.yaml"))
    do_all(plan, "train_trials", "extract_model", "generate_games", "compute_masks")
    do_all(plan, "evaluate_model")
    found = read_model(plan.job("extract_model", model="deep").writes["model"])
    assert found.design == Design(3, "layer", "after", "learned")
    group = load_file(plan.job("train_trials", search="s", group="plain-0000").writes["weights"])
    named = name_weights(found.parameters)
    assert len(named) == len(group) / 3 == 3 + 1 + 2 * 16  # before training and two averages
    for name, weight in named.items():
        np.testing.assert_array_equal(weight, group[f"plain/0/ema/{name}"])
    table = pd.read_parquet(plan.job("evaluate_model", evaluation="e", model="deep").files[0])
    assert table["length"].unique().tolist() == [1, 2, 3, 4]
    rates = table[table["metric"] == "illegal_token_rate"]
    assert ((rates["mean"] > 0) & (rates["mean"] < 1)).all()


def test_weights_that_diverged_are_refused(plan):
    wanted = "model hot: hot/0/last of the search s diverged in training; choose another"
    with pytest.raises(GamecircuitsError, match=wanted):
        extract(plan, "hot")
    assert not any(map(os.path.exists, plan.job("extract_model", model="hot").files))


@pytest.mark.parametrize("place", [0, 9, -1])  # the size of the header, the header, the weights
def test_damaged_weights_are_refused(plan, place):
    path = Path(trained(plan, "weights"))
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[place] ^= 1
    path.write_bytes(damaged)
    try:
        with pytest.raises(ArtefactError, match=f"{path} is damaged, .*; {REPAIR}"):
            extract(plan, "plain")
    finally:
        path.write_bytes(content)


def test_weights_without_the_trial_are_refused(plan, tmp_path):
    """Also by the stage itself, which says which file it is."""
    with pytest.raises(ArtefactError, match=rf"{trained(plan, 'weights')} is damaged .*; {REPAIR}"):
        extract_model(
            trained(plan, "weights"), tmp_path / "m.safetensors", job="{}", name="m", search="s",
            variant="none", number=0, average="last",
            architecture="one_layer", trial={},
        )  # fmt: skip


def test_no_training_code_but_where_it_trains(plan):
    """What depends on a trained model depends on the files of training, not on its modules.

    Taking it out needs what the weights are, and nothing that trains.
    """
    modules = json.loads(plan.job("extract_model", model="normed").text)["modules"]
    code = code_closure("gamecircuits.pipeline.stages.extract_model", *modules)
    of_training = {name.partition("training.")[2] for name in code if "training." in name}
    assert of_training == {"trial", "architectures", "architectures.one_layer"}
    job = plan.job("evaluate_model", evaluation="e", model="normed")
    assert json.loads(job.text)["modules"] == ["gamecircuits.games.set_complement"]
    assert not any("training" in name for name in code_closure(*json.loads(job.text)["modules"]))
    assert not any(job.stage.name == "construct_model" for job in plan.jobs)
