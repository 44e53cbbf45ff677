"""What surrounds a job changes no byte of what it makes, unless its text says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pipeline_tools import do_all

from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.variables import fix_variables

CONFIG = {
    "games": {"g": {"kind": "set_complement", "vocab_size": 4, "num_games": 30}},
    "models": {"m": {"kind": "balanced", "vocab_size": 4}},
    "evaluations": {"e": {"game": "g", "models": ["m"]}},
    "searches": {
        "s": {
            "game": "g",
            "length": 2,
            "steps": 20,
            "checkpoints": 2,
            "trials": 1,
            "space": {"d_model": 4, "d_k": 4, "d_v": 4, "batch_size": 4, "attention_dropout": 0.5},
        }
    },
}
HOSTILE = {
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DISABLE_JIT": "1",
    "NUMBA_DISABLE_JIT": "1",
    "NUMBA_BOUNDSCHECK": "1",
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
    "FREETYPE_PROPERTIES": "truetype:interpreter-version=35",
    "PYTHONHASHSEED": "7",
    "PYTHONOPTIMIZE": "1",
    "MPLBACKEND": "svg",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Asia/Tokyo",
    "SOURCE_DATE_EPOCH": "1",
}


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return Plan(load_config("c.yaml"))


def test_a_job_has_the_variables_of_its_text_alone():
    environ = {**HOSTILE, "PATH": "/bin", "NUMBA_CACHE_DIR": "/x", "XLA_FLAGS": "--other"}
    environ |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "OPENBLAS_CORETYPE": "Haswell"}
    fix_variables({"XLA_FLAGS": "--mine"}, environ)
    assert environ["XLA_FLAGS"] == "--mine"
    assert environ["OMP_NUM_THREADS"] == environ["OPENBLAS_NUM_THREADS"] == "1"
    assert not {"JAX_ENABLE_X64", "NUMBA_DISABLE_JIT", "OPENBLAS_CORETYPE"} & environ.keys()
    assert {"PATH", "NUMBA_CACHE_DIR", "XLA_PYTHON_CLIENT_PREALLOCATE"} <= environ.keys()


def test_variables_that_select_how_numbers_are_computed_are_part_of_the_job(plan, monkeypatch):
    def changed(name, value):
        with monkeypatch.context() as patch:  # another test may have set the variable
            patch.setenv(name, value)
            pairs = zip(plan.jobs, Plan(plan.config).jobs, strict=True)
            return {job.stage.name for job, again in pairs if job.text != again.text}

    trained = {"train_trials", "measure_trials", "collect_search", "plot_search", "make_page"}
    assert changed("JAX_PLATFORMS", "cuda") == trained
    assert changed("XLA_FLAGS", "--xla_cpu_enable_fast_math=true") == trained
    assert changed("NPY_DISABLE_CPU_FEATURES", "AVX2") >= {"construct_model", "generate_games"}
    assert changed("JAX_ENABLE_X64", "1") == changed("HOME", "/nowhere") == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage", ["train_trials", "generate_games", "evaluate_model", "plot_games"]
)
def test_a_hostile_environment_changes_no_byte(plan, monkeypatch, stage):
    plan.write_tasks({})
    job = next(job for job in plan.jobs if job.stage.name == stage)
    before = ("generate_games", "compute_masks", "measure_branching", "construct_model")
    do_all(plan, *before)
    Path("matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\n", encoding="utf-8")

    def run(**variables):
        command = [sys.executable, "-m", "gamecircuits.pipeline.run.job", job.task]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
        subprocess.run(command, env=environment, check=True)
        return [Path(path).read_bytes() for path in (*job.files, job.record)]

    assert run(**HOSTILE) == run()
