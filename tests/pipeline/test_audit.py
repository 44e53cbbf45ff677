"""The command `audit`: somebody's file becomes a configuration, and that a run."""

import numpy as np
import pytest
import yaml
from gpts import make_gpt

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.othello import Othello
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.run import audit
from gamecircuits.transformer.weights import write_model


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Call the command in an empty folder; what it would run is kept and not run."""
    monkeypatch.chdir(tmp_path)
    commands = []
    monkeypatch.setattr(audit.subprocess, "call", lambda command: commands.append(command) or 0)

    def run(*arguments):
        return audit.main([*arguments]), commands

    return run


def write_gpt(name, **design):
    write_model(name, make_gpt(np.random.default_rng(0), **design), "{}")


def test_the_configuration_makes_every_figure_of_the_model(run):
    write_gpt("my model.safetensors", V=12, num_positions=11)
    code, [command] = run(
        "my model.safetensors", *["--fit-games", "50", "--seed", "3", "--trained-length", "6"]
    )
    assert code == 0
    assert command[-4:] == ["--configfile", "audit_my_model.yaml", "--cores", "all"]
    config = load_config("audit_my_model.yaml")
    assert (config.seed, config.results) == (3, "audit_my_model")
    assert config.games["othello"].game == Othello(4)
    assert config.models["my_model"].settings["vocabulary"] == "playable"
    assert config.audits["audited"].fit_games == 50
    assert config.find_trained_length(config.models["my_model"]) == 6
    figures = {file for file in Plan(config).files() if file.endswith(".png")}
    folder = "audit_my_model/figures/audits/audited/my_model"
    wanted = ("probes", "edits", "attribution", "first_layer")
    assert {f"{folder}/{name}.png" for name in wanted} <= figures
    assert "audit_my_model/figures/length_generalization.png" in figures


def test_other_games_have_no_edits(run):
    write_gpt("brackets.safetensors", V=4, num_positions=8)
    keys = ("num_brackets=2", "max_depth=3", "length=8")
    code, _ = run("brackets.safetensors", "--game", "dyck", *(f"--set={key}" for key in keys))
    assert code == 0
    jobs = {job.stage.name for job in Plan(load_config("audit_brackets.yaml")).jobs}
    assert {"probe_model", "attribute_model", "plot_audit"} <= jobs
    assert not {"edit_model", "read_first_layer"} & jobs


@pytest.mark.parametrize(
    ("design", "missing"),
    [
        ({"num_layers": 1, "d_mlp": None}, {"edit_model"}),
        ({"num_layers": 0}, {"edit_model", "read_first_layer"}),
    ],
)
def test_few_sublayers_leave_out_what_is_between_them(run, design, missing):
    write_gpt("m.safetensors", V=16, num_positions=11, **design)
    assert run("m.safetensors")[0] == 0
    jobs = {job.stage.name for job in Plan(load_config("audit_m.yaml")).jobs}
    assert {"probe_model", "edit_model", "attribute_model", "read_first_layer"} - jobs == missing


@pytest.mark.parametrize(
    ("size", "arguments", "message"),
    [
        (17, ("--game", "othello"), "may be read in 2 ways"),
        (19, ("--game", "othello"), "the model has 19 tokens"),
        (16, ("--game", "otello"), "did you mean 'othello'?"),
        (16, ("--set", "board_size=5"), "board_size"),
        (16, ("--vocabulary", "pad_tokens"), "has 17 tokens"),
        (16, ("--game", "file"), "needs --set path=VALUE"),
        (16, ("--num-heads", "3"), "num_heads is 3"),
        (16, ("--trained-length", "12"), "trained_length = 12: allowed: 1 to 11"),
        (16, ("--seed", "-1"), "seed = -1: allowed"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(run, capsys, size, arguments, message):
    write_gpt("m.safetensors", V=size, num_positions=16)
    code, commands = run("m.safetensors", *arguments)
    assert (code, commands) == (1, [])
    assert message in capsys.readouterr().err


def test_nobodys_file_is_overwritten(run, tmp_path, capsys):
    write_gpt("m.safetensors", V=16, num_positions=11)
    path = tmp_path / "audit_m.yaml"
    path.write_text("mine: 1\n")
    assert run("m.safetensors")[0] == 1
    assert "is not of run.py audit; name another folder by --out" in capsys.readouterr().err
    assert path.read_text() == "mine: 1\n"
    assert run("m.safetensors", "--out", "other")[0] == 0
    assert yaml.safe_load((tmp_path / "other.yaml").read_text())["results"] == "other"
    assert run("m.safetensors", "--out", "other")[0] == 0  # again


def test_names_are_those_that_tables_take():
    assert audit.name_model("a/b/7 my-model.pt") == "model_7_my_model"
    assert audit.name_model("x" * 80 + ".pt") == 60 * "x"


def test_boards_are_found_by_the_number_of_tokens():
    sizes = {60: 8, 61: 8, 66: 8, 36: 6, 33: 6, 12: 4, 18: 4}
    for tokens, size in sizes.items():
        assert audit.choose_game("othello", [], tokens) == Othello(size)
    with pytest.raises(GamecircuitsError, match="needs --set rows"):
        audit.choose_game("mnk", [], 9)
