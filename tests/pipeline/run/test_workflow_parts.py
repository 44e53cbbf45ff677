"""What the Snakefile is given: parts of rules, captions, and messages about results."""

import logging
import re
from pathlib import Path

import pytest
import yaml
from pipeline_tools import do_all

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.run import workflow
from gamecircuits.pipeline.run.__main__ import targets_first
from gamecircuits.pipeline.run.lock import LOCK
from gamecircuits.pipeline.run.workflow import Workflow

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
    Path("c.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
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
    assert "**Circuits of m.**" in captions["results/figures/circuits/m.png"]
    assert (
        captions["results/figures/experiments/x.png"]
        != captions["results/figures/experiments/y.png"]
    )


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


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_what_jobs_of_a_killed_run_change_before_a_run_begins_is_seen(make, monkeypatch, harm):
    """What is to be made was decided before; what they did since then would go unnoticed."""
    monkeypatch.setattr(workflow, "Heartbeat", lambda logs: logging.NullHandler())
    monkeypatch.setenv(LOCK, "")  # what it is set to is gone after the test
    monkeypatch.delenv(LOCK)
    flow = make()
    do_all(flow.plan, "construct_model")
    flow.prepare()
    do_all(flow.plan, "generate_games")  # what is done is no harm
    flow.begin(logging.getLogger("quiet"))
    flow = make()
    flow.prepare()
    harm(Path("results/models/m.safetensors"))
    with pytest.raises(GamecircuitsError, match=r"have changed results/models/m.safe\w+ just"):
        flow.begin(logging.getLogger("quiet"))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", ""),
        ("theory -n", "theory -n"),
        ("--config seed=1 theory", "theory --config seed=1"),
        ("-n --configfile a.yaml theory figures", "theory figures -n --configfile a.yaml"),
        ("--forceall --until games", "--forceall --until games"),
        ("--config seed=1", "--config seed=1"),
    ],
)
def test_targets_may_come_after_options_that_take_many_values(given, wanted):
    assert targets_first(given.split()) == wanted.split()
