"""run.py, from anywhere: paths are the user's, and neither locale nor encoding matters."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml

from gamecircuits.pipeline.config.load import load_config
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.weights import write_model

ROOT = Path(__file__).parents[1]
MODELS = {
    "games": {"g": {"kind": "set_complement", "vocab_size": 4, "num_games": 10}},
    "models": {"m": {"kind": "balanced", "vocab_size": 4}},
}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}


def load_run(path: Path):
    """run.py as a module."""
    specification = importlib.util.spec_from_file_location("run_py", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The project where no letter is safe, with a `.venv` that takes what is installed here."""
    folder = tmp_path_factory.mktemp("checkouts") / "Übung mit Maß"
    folder.mkdir()
    for name in ("Snakefile", "run.py", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "workflow", "profiles", "config", "course"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    module = load_run(folder / "run.py")
    venv.create(module.VENV, symlinks=True)
    subprocess.run([module.PYTHON, "-c", module.ADD_SOURCE], cwd=folder, check=True)
    [added] = folder.glob(".venv/lib/*/site-packages/gamecircuits.pth")
    installed = [path for path in sys.path if path.endswith("site-packages")]
    added.with_name("installed.pth").write_text("\n".join(installed), encoding="ascii")
    module.STAMP.write_bytes(module.make_stamp())
    return folder


@pytest.fixture
def user(tmp_path):
    """A folder with files whose names others have, too."""
    folder = tmp_path / "mein Ordner"
    (folder / "config").mkdir(parents=True)
    for name in ("my config.yaml", "config/config.yaml"):
        text = f"# η\n{yaml.safe_dump(MODELS)}"
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("numpy.py", "yaml.py", "gamecircuits.py", "pip.py"):
        (folder / name).write_text("raise SystemExit('a file of the user')", encoding="utf-8")
    (folder / "default").mkdir()
    return folder


def call(run_py: Path, *arguments: str, cwd: Path, check: bool = True, **environment: str):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LC_", "LANG"))}
    run = subprocess.run(
        [sys.executable, str(run_py), *arguments],
        cwd=cwd,
        env=known | environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert "setting up" not in run.stderr
    assert "Traceback" not in run.stderr
    if check:
        assert run.returncode == 0, run.stderr
    return run


@pytest.mark.parametrize("config", ["my config.yaml", "config/config.yaml"])
def test_paths_are_those_of_the_user(checkout, user, config):
    run = call(checkout / "run.py", "--configfile", config, "models", "-n", cwd=user)
    assert re.search(r"construct model +1\s", run.stderr), "not the ten models of the checkout"
    run = call(checkout / "run.py", "--configfile", "my.yaml", "-n", cwd=user, check=False)
    assert run.returncode == 1
    assert run.stderr == "my.yaml: there is no such config file\n"


def test_what_is_left_out_is_that_of_the_checkout(checkout, user, tmp_path):
    link = tmp_path / "run"
    link.symlink_to(checkout / "run.py")
    run = call(link, "models", "-n", cwd=user)
    models = load_config(ROOT / "config/config.yaml").models.values()
    number = sum(model.origin == "construction" for model in models)
    assert re.search(rf"construct model +{number}\s", run.stderr)
    (user / "bad.yaml").write_text("gams: {}", encoding="utf-8")
    run = call(link, "--configfile", "bad.yaml", "-n", cwd=user, check=False)
    assert "bad.yaml:1: gams: unknown key" in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, ASCII], ids=["utf-8", "ascii"])
def test_a_run_from_elsewhere_in_any_locale(checkout, user, environment):
    target = "results/models/m.safetensors"
    run_py, options = checkout / "run.py", ("--configfile", "my config.yaml", "--cores", "1")
    run = call(run_py, *options, target, cwd=user, **environment)
    assert (user / target).is_file()
    assert "1 of 1 jobs after" in run.stderr
    assert not (checkout / "results").exists()
    run = call(run_py, *options, target, cwd=user, **environment)
    assert "Nothing to be done" in run.stderr
    run = call(run_py, "diagnose", target, "--csv", "t.csv", cwd=user, **environment)
    assert ("η:" in run.stdout) is not bool(environment)
    assert ("\\u03b7:" in run.stdout) is bool(environment)
    assert (user / "t.csv").is_file()
    (user / "script.py").write_text("import gamecircuits as g; print(ascii(g.__path__))")
    run = call(run_py, "python", "-P", "script.py", cwd=user, **environment)
    assert ascii(str(checkout / "src/gamecircuits")) in run.stdout


def test_a_venv_in_a_path_with_umlauts_is_not_made_again(checkout, user):
    for environment in ({}, ASCII, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}):
        run = call(
            checkout / "run.py", "python", "-P", "-c", "import gamecircuits; print('\\u03b7')",
            cwd=user, **environment,
        )  # fmt: skip
        assert run.stdout.strip() in ("η", "\\u03b7")


def test_diagnose_reads_and_writes_where_the_user_is(checkout, user):
    model = make_construction("balanced", vocab_size=4).model()
    write_model(user / "m.safetensors", model, "{}")
    call(checkout / "run.py", "diagnose", "m.safetensors", "--csv", "t.csv", cwd=user)
    assert (user / "t.csv").is_file()
    run = call(checkout / "run.py", "diagnose", "none.safetensors", cwd=user, check=False)
    assert run.stderr.startswith("error: none.safetensors")


def test_the_course_is_run_from_anywhere(checkout, user):
    run = call(checkout / "run.py", "course", "softmax", cwd=user, check=False, **ASCII)
    assert run.returncode == 1
    assert run.stdout.startswith("  1 softmax: not written yet\n\nNext: 1 softmax, line ")
    assert not run.stderr


@pytest.mark.parametrize(
    ("given", "are_named"),
    [
        ("", False),
        ("-m slow -n 2", False),
        ("-k config", False),  # also a folder here
        ("-x config", False),  # then all are run, this folder's too
        ("config/test_a.py::test_b", True),
        ("-x config/test_a.py", True),
        ("config -q", True),
        ("missing.py", False),
    ],
)
def test_tests_are_the_projects_unless_some_are_named(tmp_path, monkeypatch, given, are_named):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/test_a.py").touch()
    monkeypatch.chdir(tmp_path)
    arguments = load_run(ROOT / "run.py").name_tests(given.split())
    start = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *given.split()]
    assert arguments == start + ([] if are_named else [str(ROOT / "tests")])


def test_a_set_up_that_takes_long_says_so(capfd, monkeypatch):
    module = load_run(ROOT / "run.py")
    monkeypatch.setattr(module, "PAUSE", 0.2)
    assert module.run(sys.executable, "-c", "import time; time.sleep(0.7)")
    assert "gamecircuits: still at work on .venv after " in capfd.readouterr().err
    assert not module.run(sys.executable, "-c", "raise SystemExit(1)")
    assert not module.run("no such program")
