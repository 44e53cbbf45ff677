"""A stage opens no file but those that it declares, and writes no other."""

import shutil
from pathlib import Path

import pytest
import yaml
from pipeline_tools import do
from safetensors.numpy import save_file

from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.graph import STAGES
from gamecircuits.pipeline.plan import Plan
from gamecircuits.transformer.constructions.construction import make_construction

pytestmark = pytest.mark.slow

FOUR = str(Path(__file__).parents[2] / "docs/four.py")
CONFIG = {
    "games": {
        "sets": {"kind": "set_complement", "vocab_size": 5, "num_games": 60, "games_per_shard": 40},
        "own": {
            "kind": "file", "path": FOUR, "function": "get_valid_next_token_mask",
            "vocab_size": 5, "num_games": 20,
        },
        "board": {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3, "num_games": 20},
    },
    "models": {
        "constructed": {"kind": "balanced", "vocab_size": 5},
        "trained": {"kind": "trained", "search": "s"},
        "own": {"kind": "file", "path": FOUR, "function": "get_parameters", "vocab_size": 5},
        "on_board": {"kind": "untrained", "vocab_size": 9},
        "deep": {"kind": "trained", "search": "deep"},
        "averaged": {"kind": "trained", "search": "deep", "average": "ema", "figures": False},
    },
    "evaluations": {
        "whole": {"game": "sets", "models": ["constructed", "foreign"], "contexts": "all"},
        "own": {"game": "own", "models": ["own"]},
        "some": {"game": "sets", "models": ["constructed", "trained"]},
        "board": {"game": "board", "models": ["on_board"], "dtype": "float32"},
    },
    "audits": {
        "inside": {
            "game": "board", "models": ["deep", "averaged"], "fit_games": 200, "test_games": 30,
        }
    },
    "claims": {"vocab_sizes": [4], "instances": 1},
    "experiments": {"e": {"kind": "parallel_resistors", "vocab_size": 4, "num_models": 1}},
    "searches": {
        "s": {
            "game": "sets", "data": "dataset", "length": 2, "steps": 8, "checkpoints": 4,
            "trials": 2, "test_games": 20,
            "space": {"batch_size": 4, "d_model": 4, "d_k": 4, "d_v": 4},
            "variants": {"plain": {}, "norm": {"norm": "attention", "gain": 3.0}},
            "averages": {"last": {"kind": "last"}, "ema": {"kind": "ema", "decay": 0.5}},
        },
        "deep": {
            "game": "board", "architecture": "gpt", "length": 3, "steps": 4, "checkpoints": 2,
            "trials": 1, "test_games": 10,
            "space": {"batch_size": 4, "num_layers": 1, "num_heads": 1, "d_model": 4, "d_mlp": 4},
            "grid": {
                "positions": {"learned": {}, "rotary": {"positions": "rotary"}},
                "placement": {"before": {}, "after": {"placement": "after"}},
            },
            "averages": {"last": {"kind": "last"}, "ema": {"kind": "ema", "decay": 0.5}},
        },
    },
    "hypotheses": {
        "h": {
            "claim": "The norm helps.", "search": "s", "measure": "total_variation",
            "length": "longest", "variant": "norm", "versus": {"variant": "plain"},
            "between": [None, 0],
        }
    },
}  # fmt: skip


def read_all(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The plan, and every file of the run: in a folder that is not where it was made."""
    folder = tmp_path_factory.mktemp("whole")
    foreign = tmp_path_factory.mktemp("foreign") / "my model.safetensors"
    parameters = make_construction("minimal", vocab_size=5).parameters()
    save_file(parameters._asdict(), foreign)
    CONFIG["models"]["foreign"] = {"kind": "file", "path": str(foreign)}
    (folder / "c.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    plan = Plan(load_config(folder / "c.yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for job in plan.jobs:
            do(job)
    return plan, folder.rename(folder.with_name("moved"))


def test_the_run_has_every_stage(whole):
    plan, folder = whole
    assert {job.stage.name for job in plan.jobs} == STAGES.keys()
    written = {path for job in plan.jobs for path in (*job.files, job.record)}
    assert read_all(folder).keys() == written | {"c.yaml"}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_job_alone_with_what_it_declares_writes_the_same(whole, stage, tmp_path, monkeypatch):
    plan, folder = whole
    for number, job in enumerate(job for job in plan.jobs if job.stage.name == stage):
        alone = tmp_path / str(number)
        alone.mkdir()
        monkeypatch.chdir(alone)
        declared = {
            p for files in job.reads.values() for path, by in files for p in (path, by.record)
        }
        for path in declared:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / path, path)
        do(job)
        found = read_all(alone)
        assert found.keys() == declared | {*job.files, job.record}
        for path, content in found.items():
            assert content == (folder / path).read_bytes(), path
