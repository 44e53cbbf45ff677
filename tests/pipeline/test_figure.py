"""The command `figure`: every figure of a run at true size, and one clear error for the rest."""

import contextlib
import importlib
import re
import zlib
from pathlib import Path

import pytest
import yaml
from overlaps import find_faults
from pipeline_tools import do_all

from gamecircuits.figures.layout import fit
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.graph import STAGES
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.run import figure as command
from gamecircuits.pipeline.run.figure import list_figures, main, redraw
from gamecircuits.storage.tables import read_frame

CONFIG = {
    "games": {
        "sets": {"kind": "set_complement", "vocab_size": 5, "num_games": 60},
        "board": {"kind": "mnk", "rows": 2, "columns": 3, "in_a_row": 2, "num_games": 20},
    },
    "models": {
        "by_hand": {"kind": "balanced", "vocab_size": 5},
        "normed": {"kind": "attention_norm", "vocab_size": 5, "max_illegal_rate": 0.001},
    },
    "evaluations": {
        "whole": {"game": "sets", "models": ["by_hand", "normed"], "contexts": "all"},
        "some": {"game": "sets", "models": ["by_hand"]},
    },
    "experiments": {"e": {"kind": "parallel_resistors", "vocab_size": 4, "num_models": 1}},
}
SEARCH = {
    "game": "sets", "length": 2, "steps": 8, "checkpoints": 4, "trials": 2, "test_games": 20,
    "space": {"batch_size": 4, "d_model": 4, "d_k": 4, "d_v": 4},
    "variants": {"plain": {}, "attention_norm": {"norm": "attention", "gain": 3.0}},
}  # fmt: skip
FILES = ["--configfile", "c.yaml"]


def make_run(folder: Path, config: dict) -> Plan:
    """Everything that figures are made of, and the figures."""
    with contextlib.chdir(folder):
        Path("c.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        plan = Plan(load_config("c.yaml"))
        do_all(plan, *STAGES)
    return plan


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run, and its plan."""
    folder = tmp_path_factory.mktemp("run")
    return folder, make_run(folder, CONFIG)


@pytest.fixture(autouse=True)
def in_run(run, monkeypatch):
    monkeypatch.chdir(run[0])


def say(capsys, *arguments: str) -> str:
    """What the command says of a mistake."""
    assert main([*arguments, *FILES]) == 1
    return capsys.readouterr().err


def read_pdf(path: str) -> tuple[float, str]:
    """Width of the page in inches, and everything that is drawn on it."""
    content = Path(path).read_bytes()
    width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)[1]) / 72
    parts = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    drawn = b""
    for part in parts:
        with contextlib.suppress(zlib.error):
            drawn += zlib.decompress(part)
    return width, drawn.decode("latin-1")


@pytest.mark.parametrize("width", [7.0, 3.4])
def test_every_figure_has_its_width_and_text_and_no_faults(run, width):
    figures = list_figures(run[1])
    assert {"length_generalization", "branching_factor", "experiments/e"} <= set(figures)
    for name, job in figures.items():
        table = read_frame(next(path for path in job.files if path.endswith(".parquet")))
        figure = redraw(job, table)
        fit(figure, width)
        assert find_faults(figure) == [], name
        assert main([name, "--width", str(width), "--out", "x.pdf", *FILES]) == 0
        found, drawn = read_pdf("x.pdf")
        assert found == pytest.approx(width, abs=1e-3), name
        assert " Tf" in drawn, f"{name} has no text as text"


@pytest.mark.slow
def test_figures_of_searches_are_redrawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    importlib.import_module("gamecircuits.pipeline.stages.train_trials")  # sets variables of jobs
    plan = make_run(tmp_path, CONFIG | {"searches": {"s": SEARCH}})
    names = [name for name in list_figures(plan) if name.startswith("searches/s/")]
    assert names
    for name in names:
        assert main([name, "--width", "3.4", "--out", "x.svg", *FILES]) == 0
        assert "<text" in Path("x.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", command.FORMATS)
def test_the_same_command_gives_the_same_bytes(ending):
    for name in ("a", "b"):
        assert main(["length_generalization", "--out", f"{name}.{ending}", *FILES]) == 0
    assert Path(f"a.{ending}").read_bytes() == Path(f"b.{ending}").read_bytes()


def test_rows_are_chosen_and_the_file_has_a_name(run, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(
        command, "redraw", lambda job, table: drawn.append(table) or redraw(job, table)
    )
    chosen = ["--models", "by_hand", "--evaluations", "whole", "--format", "svg"]
    assert main(["length_generalization", *chosen, *FILES]) == 0
    assert capsys.readouterr().out == "length_generalization.svg\n"
    (table,) = drawn
    assert set(table["model"]) == {"by_hand"}
    assert set(table["evaluation"]) == {"whole"}
    assert main(["predictions/sets", "--models", "by_hand", *FILES]) == 0
    assert set(drawn[1]["model"]) == {"target", "by_hand"}, "the target is always there"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["length_generalisation"], "did you mean 'length_generalization'?"),
        (["nothing"], "branching_factor, "),
        (
            ["displacement", "--models", "by_hnd"],
            "allowed: by_hand, normed; did you mean 'by_hand'?",
        ),
        (["branching_factor", "--models", "by_hand"], "models cannot be chosen in this figure"),
        (["displacement", "--models", "normed", "--evaluations", "some"], "no row of the table"),
        (["displacement", "--width", "nan"], "allowed: 2 to 20 inches"),
        (["displacement", "--height", "0"], "allowed: 1 to 40 inches"),
        (["displacement", "--out", "x.gif"], "out = 'x.gif' is not possible; allowed: a file that"),
        (["displacement", "--out", "x.png", "--format", "pdf"], "ends in: pdf"),
        (
            ["displacement", "--config", "seed=7"],
            "make it: python3 run.py --configfile c.yaml --con",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, message, capsys):
    said = say(capsys, *arguments)
    assert message in said
    assert said.count("\n") == 1


def test_what_is_missing_or_changed_is_refused_with_its_command(run, capsys):
    image = Path(next(p for p in list_figures(run[1])["displacement"].files if p.endswith("png")))
    content = image.read_bytes()
    try:
        image.write_bytes(content[:-1])
        assert "is damaged, or was changed by hand" in say(capsys, "displacement")
        image.unlink()
        wanted = f"{image} is not there; make it: python3 run.py --configfile c.yaml {image}"
        assert wanted in say(capsys, "displacement")
    finally:
        image.write_bytes(content)


def test_the_last_part_of_a_name_is_enough_if_it_is_the_only_one():
    known = dict.fromkeys(["a/x", "b/x", "b/y", "z"])
    assert [command.find_figure(name, known) for name in ("a/x", "y", "z")] == ["a/x", "b/y", "z"]
    with pytest.raises(ValueError, match="several figures are called 'x': a/x, b/x"):
        command.find_figure("x", known)
