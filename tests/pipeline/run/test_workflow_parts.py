"""What the Snakefile is given: parts of rules, captions, and messages about results."""

import itertools
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from pipeline_tools import do_all
from snakemake.cli import get_argument_parser

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import DEFAULT_CONFIG
from gamecircuits.pipeline.graph import PARTS
from gamecircuits.pipeline.run import __main__ as run_module
from gamecircuits.pipeline.run.__main__ import main, targets_first
from gamecircuits.pipeline.run.lock import LOCK
from gamecircuits.pipeline.run.workflow import COMMANDS, Workflow
from gamecircuits.storage.tables import read_frame

CONFIG = {
    "games": {"a": {"kind": "mnk", "rows": 2, "columns": 2, "in_a_row": 2, "num_games": 10},
              "b": {"kind": "set_complement", "vocab_size": 4, "num_games": 10}},
    "models": {"m": {"kind": "balanced", "vocab_size": 4}, "t": {"kind": "trained", "search": "s"}},
    "evaluations": {"e": {"game": "b", "models": ["m", "t"]}},
    "claims": {"vocab_sizes": [4], "instances": 1},
    "experiments": {"x": {"kind": "remedies"}, "y": {"kind": "precision"}},
    "searches": {"s": {"game": "b", "length": 2}},
}  # fmt: skip


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A Workflow in an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False), encoding="utf-8")
    return lambda **given: Workflow(
        ["c.yaml"], {}, **{"is_main": True, "makes_report": False} | given
    )


def test_a_file_matches_the_rule_that_makes_it_and_no_other(make):
    flow = make()
    patterns = []
    for stage in flow.stages:
        constraints = flow.wildcard_constraints(stage)
        for pattern in stage.patterns:
            regex = re.escape(f"results/{pattern}")
            for name, values in constraints.items():
                regex = regex.replace(re.escape(f"{{{name}}}"), f"(?:{values})")
            patterns.append((stage.name, re.compile(regex)))
    for job in flow.plan.jobs:
        for path in job.files:
            makers = {name for name, regex in patterns if regex.fullmatch(path)}
            assert makers == {job.stage.name}, path


def test_every_image_and_page_of_the_report_has_a_caption(make):
    assert make().captions() == {}
    flow = make(makes_report=True)
    captions = flow.captions()
    marked = []
    for stage in flow.stages:
        flow.outputs(stage, lambda path, **_: marked.append(path) or path)
    shown = {path for job in flow.plan.jobs if job.stage.shown for path in job.files}
    assert set(captions) == {path for path in shown if path.endswith((".png", ".html"))}
    assert len(marked) == len({stage.name for stage in flow.stages if stage.shown})
    assert all(text.strip() and "{" not in text for text in captions.values())
    caption = captions["results/figures/models/m.png"]
    assert caption.startswith("**Inside m.**")
    assert "The balanced construction, set complement solved exactly" in " ".join(caption.split())
    assert (
        captions["results/figures/experiments/x.png"]
        != captions["results/figures/experiments/y.png"]
    )


def test_the_report_shows_cards_and_pages(make):
    flow = make()
    cards = flow.list_cards()
    assert cards[0] == "results/figures/length_generalization.png"
    assert {"results/figures/models/m.png", "results/claims.html"} <= set(cards)
    assert set(cards) <= set(flow.plan.files())
    assert "results/figures/branching_factor.png" not in cards


def test_the_first_figure_and_what_it_waits_for_come_first(make):
    flow = make()
    urgent = {job.stage.name for job in flow.plan.jobs if flow.priority(job.stage, job.names)}
    assert urgent == {
        *("generate_games", "compute_masks", "train_trials", "extract_model", "construct_model"),
        *("evaluate_model", "collect_metrics", "plot_metrics"),
    }
    assert not flow.priority(
        *next((j.stage, j.names) for j in flow.plan.jobs if "a" in j.names.values())
    )


def test_results_that_are_not_to_be_used_are_named(make):
    flow = make()
    assert flow.prepare() == []
    do_all(flow.plan, "generate_games", "compute_masks", "construct_model")
    assert make().prepare() == []
    Path("results/masks/a/shard-00000.parquet").write_bytes(b"")
    (message,) = make().prepare()
    assert message.splitlines()[1:] == [
        "  results/masks/a/shard-00000.parquet is damaged, or was changed by hand"
    ]
    with pytest.raises(
        GamecircuitsError, match="must be made again; run first:\n  results/masks/a"
    ):
        make(makes_report=True).prepare()


def test_a_disk_that_may_be_too_small_is_named_before_the_run(make, monkeypatch):
    games, masks = 10 * (4 + 8 + 4 + 8), 10 * (4 * 1 + 8 + 4 * 1 + 8)  # a has 4 moves, b 4 tokens
    for free, targets, warned in [
        (games + masks - 1, [], True),
        (games + masks, ["all"], False),
        (games, ["games"], False),
        (games - 1, ["games"], True),
        (10 * (4 + 8), [os.path.abspath("results/games/a/shard-00000.parquet")], False),
        (0, ["theory"], False),
    ]:
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        assert bool(make().prepare(targets)) is warned, (free, targets)
    do_all(make().plan, "generate_games", "compute_masks")
    assert make().prepare() == [], "what is there needs no space"


def test_results_of_what_was_taken_out_of_the_configuration_are_named(make):
    do_all(make().plan, "generate_games", "compute_masks", "construct_model")
    config = {**CONFIG, "models": {"n": CONFIG["models"]["m"]}}
    config["evaluations"] = {"e": {"game": "b", "models": ["n"]}}
    config["games"] = {"b": CONFIG["games"]["b"]}
    Path("c.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    wanted = "does not ask for (compute_masks 1, construct_model 1, generate_games 1); they stay"
    (message,) = make().prepare()
    assert wanted in message
    Path("results/models/m.safetensors").unlink()
    (message,) = make().prepare()
    assert "construct_model" not in message, "nothing is left of it"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("report", "report is a command of run.py and stands first: run.py report ..."),
        ("thoery", "there is no target 'thoery'; did you mean 'theory'?"),
        ("reprot", "there is no target 'reprot'; did you mean 'report'?"),
        ("results/figures/displacment.png", "did you mean 'results/figures/displacement.png'?"),
        ("--until plot_metriks", "there is no target 'plot_metriks'; did you mean 'plot_metrics'?"),
        (
            "figures nothing_of_the_kind",
            "target 'nothing_of_the_kind'\nThe targets are all, games, ",
        ),
    ],
)
def test_an_unknown_target_is_answered_with_the_nearest(make, asked, answer):
    given = get_argument_parser().parse_args(asked.split())
    with pytest.raises(GamecircuitsError, match=re.escape(answer)):
        make().check_targets(given)


def test_values_that_snakemake_would_misread_are_refused(capsys):
    assert main(["--config", "games.a.num_games=3", "-n"]) == 1
    assert "write 'games={a: {num_games: 3}}'" in capsys.readouterr().err
    assert main(["--cores", "x", "-n"]) == 1
    assert capsys.readouterr().err.startswith("Error parsing number of cores")


def test_options_of_ours_come_before_what_the_user_gives(monkeypatch):
    """What follows "--" is a target, for the run and for its report."""
    calls = []
    monkeypatch.setattr(run_module, "_call", lambda command: calls.append(command[4:]) or 0)
    assert main(["report", "--configfile", DEFAULT_CONFIG, "--", "theory"]) == 0
    ours, given = ["--snakefile", "--workflow-profile"], ["--configfile", DEFAULT_CONFIG]
    assert [word for word in calls[0] if word in ours] == ours
    assert [call[-4:] for call in calls] == 2 * [[*given, "--", "theory"]]
    assert calls[1][4:6] == ["--report", "results/report.html"]


def test_targets_are_parts_stages_files_and_logs(make):
    flow = make()
    assert {"all", *PARTS}.isdisjoint(COMMANDS)
    job = flow.plan.jobs[0]
    log = flow.log(job.stage).format_map(job.names)
    given = [*PARTS, "all", job.stage.name, job.files[0], f"./{job.files[0]}", log]
    flow.check_targets(get_argument_parser().parse_args([*given, "--until", "plot_metrics"]))
    given = get_argument_parser().parse_args([os.path.abspath(job.files[0])])
    with pytest.raises(GamecircuitsError, match=f"did you mean '{job.files[0]}'"):
        flow.check_targets(given)  # for Snakemake, it is another file


def test_the_commands_are_those_of_run_py():
    text = (Path(__file__).parents[3] / "run.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^    python3 run\.py ([a-z]+) ", text, re.M)) == set(COMMANDS)


def test_the_end_says_which_claims_hold_and_what_to_open(make):
    flow = make()
    assert "hold" not in flow.describe_results()
    do_all(flow.plan, "check_claims", "confirm_claims")
    table = read_frame("results/tables/claims.parquet")
    lines = flow.describe_results().splitlines()
    assert lines == [
        f"All {table['claim'].nunique()} claims of the theory hold, in all {len(table)} random "
        "instances.",
        f"The results are in {Path('results').resolve()}:",
        "  results/claims.html   the theory, claim by claim",
        f"  python3 {Path(__file__).parents[3]}/run.py report --configfile c.yaml   makes one page "
        "of all figures",
    ]
    other = Workflow(["c.yaml"], {"seed": 1}, is_main=True, makes_report=False)
    assert "report --configfile c.yaml --config seed=1   makes" in other.describe_results()
    assert "hold" not in other.describe_results(), "these claims were checked with seed 0"
    Path("results/tables/claims_summary.csv").unlink()
    assert "hold" in flow.describe_results(), "another file of the same job"
    Path("results/tables/claims.parquet").write_bytes(b"")
    assert "hold" not in flow.describe_results(), "that table is not what was checked"


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_what_jobs_of_a_killed_run_change_before_a_run_begins_is_seen(make, monkeypatch, harm):
    """What is to be made was decided before; what they did since then would go unnoticed."""
    given = logging.getLogger("quiet"), SimpleNamespace(start=lambda *_: None), []
    monkeypatch.setenv(LOCK, "")  # what it is set to is gone after the test
    monkeypatch.delenv(LOCK)
    flow = make()
    do_all(flow.plan, "construct_model")
    flow.prepare()
    do_all(flow.plan, "generate_games")  # what is done is no harm
    flow.begin(*given)
    flow = make()
    flow.prepare()
    harm(Path("results/models/m.safetensors"))
    with pytest.raises(GamecircuitsError, match=r"have changed results/models/m.safe\w+ just"):
        flow.begin(*given)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", ""),
        ("theory -n", "theory -n"),
        ("--config seed=1 theory", "theory --config seed=1"),
        ("--config seed=1 theory -n", "theory --config seed=1 -n"),
        ("--config seed=1 results=a thoery", "thoery --config seed=1 results=a"),
        ("--configfile a.yaml theory --cores 1", "theory --configfile a.yaml --cores 1"),
        ("--configfile a.yaml b.yml thoery", "thoery --configfile a.yaml b.yml"),
        ("--configfile games theory", "theory --configfile games"),
        ("-n --configfile a.yaml theory figures", "theory figures -n --configfile a.yaml"),
        ("--config seed=1 results/figures/a.png", "results/figures/a.png --config seed=1"),
        ("--configfile a.yaml results/a.png -n", "results/a.png --configfile a.yaml -n"),
        ("theory -n games --cores 1 masks", "theory games masks -n --cores 1"),
        ("--resources mem_mb=1 results/a.csv", "results/a.csv --resources mem_mb=1"),
        ("--quiet rules theory", "theory --quiet rules"),
        ("--quiet all theory", "theory --quiet all"),  # all is a part, too
        ("-q theory", "theory -q"),
        ("--forceall --until games", "--forceall --until games"),
        ("--config seed=1", "--config seed=1"),
        ("--cores=1 theory", "theory --cores=1"),
        ("-n -- a b", "-n -- a b"),
    ],
)
def test_targets_may_stand_anywhere(given, wanted):
    arguments = targets_first(given.split())
    assert arguments == wanted.split()
    targets = list(get_argument_parser().parse_args(arguments).targets)
    named = wanted.removeprefix("-n -- ").split()
    assert targets == list(itertools.takewhile(lambda word: not word.startswith("-"), named))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_what_stops_the_command_stops_snakemake(tmp_path):
    """SIGTERM, as of `kill` or a batch system, comes to the process in front alone."""
    child = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: exit(7))\n"
        f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", child]
    call = f"from gamecircuits.pipeline.run.__main__ import _call; exit(_call({command!r}))"
    process = subprocess.Popen([sys.executable, "-c", call])
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    process.terminate()
    assert process.wait(30) == 7
