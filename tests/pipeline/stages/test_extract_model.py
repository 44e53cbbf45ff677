"""Trained models as entries of the config: taken out of a tiny search, and evaluated."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from gamecircuits.games.datasets import tokens_to_table
from gamecircuits.games.splits import SPLITS
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.provenance import code_closure
from gamecircuits.pipeline.stages import (
    compute_masks,
    evaluate_model,
    extract_model,
    measure_trials,
    train_trials,
)
from gamecircuits.randomness import get_rng
from gamecircuits.storage.parquet import write_parquet
from gamecircuits.training.streams import iter_split
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
        Path("c.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
        plan = Plan(load_config("c.yaml"))
        for group in plan.config.searches["s"].group_names:
            about = {"search": "s", "group": group}
            trials, weights, trajectory = plan.outputs("train_trials", **about)
            words = ["--output", trials, "--weights", weights, "--trajectory", trajectory]
            words += ["--checkpoint", "checkpoint", "--job", plan.job("train_trials", **about)]
            assert train_trials.main(words) == 0
            measured = plan.outputs("measure_trials", **about)
            files = zip(["--output", "--dynamics", "--noise", "--circuits"], measured, strict=True)
            words = ["--trials", trials, *(word for pair in files for word in pair)]
            assert measure_trials.main(["--job", plan.job("measure_trials", **about), *words]) == 0
        yield plan


def extract(plan: Plan, model: str) -> int:
    words = ["--trials", plan.path("train_trials", **plan.trained_in(model))]
    words += ["--output", plan.path("extract_model", model=model)]
    return extract_model.main(["--job", plan.job("extract_model", model=model), *words])


@pytest.mark.parametrize(
    ("name", "group", "key", "norm"),
    [
        ("plain", "group-0000", "plain/0/last", "none"),
        ("before", "group-0000", "hot/0/start", "none"),  # a draw starts from the same weights
        ("normed", "group-0001", "norm/1/ema", "attention"),
    ],
)
def test_an_extracted_model_is_the_trained_one(plan, name, group, key, norm):
    assert extract(plan, name) == 0
    found = read_model(plan.path("extract_model", model=name))
    wanted = load_file(f"results/searches/s/{group}/weights.safetensors")
    for matrix, weights in found.parameters._asdict().items():
        assert weights.dtype == np.float64
        assert (weights == wanted[f"{key}/{matrix}"]).all()
    assert (found.norm, found.gain, found.sink) == (norm, wanted[f"{key}/gain"], 0.0)
    assert (found.gain == 1.0) == (norm == "none")


def test_an_evaluation_finds_what_the_search_found(plan):
    """On the games of the search, here in place of the game's own."""
    assert extract(plan, "normed") == 0
    named, shard = plan.games["g"], {"game": "g", "shard": "shard-00000"}
    tokens = next(iter_split(named.game, "test", 20, named.splits, get_rng(0, "s test")))
    games, masks = plan.path("generate_games", **shard), plan.path("compute_masks", **shard)
    table = tokens_to_table(tokens, np.full(20, SPLITS.index("test")))
    write_parquet(games, [table], plan.job("generate_games", **shard))
    job = plan.job("compute_masks", **shard)
    assert compute_masks.main(["--job", job, "--games", games, "--output", masks]) == 0
    about = {"evaluation": "e", "model": "normed"}
    words = ["--model", plan.path("extract_model", model="normed"), "--games", games]
    words += ["--masks", masks, "--threads", "1", "--output", plan.path("evaluate_model", **about)]
    assert evaluate_model.main(["--job", plan.job("evaluate_model", **about), *words]) == 0

    found = pd.read_parquet(plan.path("evaluate_model", **about))
    assert (found["kind"] == "trained").all()
    assert found["closed_form"].isna().all()
    wanted = pd.read_parquet("results/searches/s/group-0001/metrics.parquet")
    wanted = wanted[(wanted["number"] == 1) & (wanted["average"] == "ema")]
    columns = ["length", "metric", "count", "mean", "std", "min", "max"]
    pd.testing.assert_frame_equal(found[columns], wanted[columns].reset_index(drop=True))


def test_weights_that_diverged_are_refused(plan, capsys):
    assert extract(plan, "hot") == 1
    wanted = "error: model hot: hot/0/last of the search s diverged in training; choose another"
    assert wanted in capsys.readouterr().err
    assert not Path(plan.path("extract_model", model="hot")).exists()


def test_damaged_weights_are_refused(plan, capsys):
    path = Path("results/searches/s/group-0000/weights.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        assert extract(plan, "plain") == 1
    finally:
        path.write_bytes(content)
    assert f"{path} is damaged; delete it and run again" in capsys.readouterr().err


def test_no_training_code_but_where_it_trains(plan):
    """What depends on a trained model depends on the files of training, not on its modules."""
    assert not any(
        "training" in name for name in code_closure("gamecircuits.pipeline.stages.extract_model")
    )
    job = plan.job("evaluate_model", evaluation="e", model="normed")
    assert json.loads(job)["modules"] == ["gamecircuits.games.set_complement"]
    assert plan.files("construct_model") == []
