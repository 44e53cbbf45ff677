"""The plan: which jobs a change touches, what is up to date, and what a run may remove.

Expected sets of jobs are written out, so a job too many fails as one too few does. That Snakemake
runs just these jobs is tested in test_workflow.py.
"""

import copy
import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

import pytest
import yaml
from pipeline_tools import OURS, do_all, keep_ours

from gamecircuits.errors import ArtefactError
from gamecircuits.figures.searches._made_for import is_made_for
from gamecircuits.games.datasets import GameDataset
from gamecircuits.kinds import list_modules
from gamecircuits.pipeline import plan as plan_module
from gamecircuits.pipeline import provenance
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.graph import STAGES
from gamecircuits.pipeline.plan import Plan

TINY = {
    "games": {
        "a": {"kind": "set_complement", "vocab_size": 4, "num_games": 30, "games_per_shard": 20},
        "b": {"kind": "windowed_complement", "vocab_size": 4, "window": 2, "num_games": 30},
    },
    "models": {
        "m": {"kind": "balanced", "vocab_size": 4},
        "u": {"kind": "untrained", "vocab_size": 4},
        "t": {"kind": "trained", "search": "s"},
    },
    "evaluations": {
        "whole": {"game": "a", "models": ["m", "u"], "contexts": "all"},
        "some": {"game": "b", "models": ["m"], "lengths": [1, 2]},
    },
    "claims": {"vocab_sizes": [4], "instances": 1},
    "experiments": {"e": {"kind": "parallel_resistors", "vocab_size": 4, "num_models": 1}},
    "searches": {
        "s": {"game": "a", "length": 2, "trials": 3, "trials_per_job": 2,
              "variants": {"plain": {}, "norm": {"norm": "attention"}}},
    },
}  # fmt: skip

SHARDS = {"a": ("0", "1"), "b": ("0",)}


def names_of(plan: Plan) -> dict[str, str]:
    """Digest of every job, by its stage and names: generate_games:a:0."""
    return {
        ":".join([job.stage.name, *job.names.values()]).replace("shard-0000", ""): job.digest
        for job in plan.jobs
    }


def make_plan(folder: Path, config: dict) -> Plan:
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return Plan(load_config(path))


def test_our_stages_are_there():
    assert set(STAGES) >= OURS


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return keep_ours({name for name, digest in after.items() if before.get(name) != digest})


def edited(**changes) -> dict:
    """TINY with entries replaced: games__b__window=1 stands for config["games"]["b"]["window"]."""
    config = copy.deepcopy(TINY)
    for path, value in changes.items():
        *parents, key = path.split("__")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        section[key] = value
    return config


def rename(section: str, old: str, new: str) -> dict:
    """TINY with an entry renamed, in its place."""
    config = copy.deepcopy(TINY)
    config[section] = {new if key == old else key: v for key, v in config[section].items()}
    return config


A = {f"{stage}:a:{n}" for stage in ("generate_games", "compute_masks") for n in "01"}
B = {"generate_games:b:0", "compute_masks:b:0"}


def figures(family: str) -> list[str]:
    return list_modules(f"gamecircuits.figures.{family}")


GAME_FIGURES = {f"plot_games:{name}" for name in figures("games")}
METRIC_FIGURES = {f"plot_metrics:{name}" for name in figures("metrics")}
AFTER_EVALUATION = {"collect_metrics", *METRIC_FIGURES}
ON_B = {"measure_branching:b", "plot_predictions:b", "evaluate_model:some:m", *GAME_FIGURES}
OF_M = {f"{stage}:m" for stage in ("construct_model", "diagnose_model", "plot_model")}
OF_M |= {"evaluate_model:whole:m", "evaluate_model:some:m"}
OF_U = {f"{stage}:u" for stage in ("construct_model", "diagnose_model", "plot_model")}
OF_U |= {"evaluate_model:whole:u"}
OF_T = {f"{stage}:t" for stage in ("extract_model", "diagnose_model", "plot_model")}
CLAIMS = {"check_claims", "confirm_claims"}
EXPERIMENT = {"run_experiment:e", "plot_experiment:e"}
PLAIN, NORM = ("s:plain-0000", "s:plain-0002"), ("s:norm-0000", "s:norm-0002")
TRAIN = {f"train_trials:{group}" for group in (*PLAIN, *NORM)}
MEASURE = {f"measure_trials:{group}" for group in (*PLAIN, *NORM)}
SEARCH_FIGURES = {  # scatter needs more trials
    f"plot_search:s:{name}"
    for name in figures("searches")
    if name != "scatter" and is_made_for(name, "one_layer")
}
COLLECT = {"collect_search:s", *SEARCH_FIGURES}
RUN = {"describe_run"}


@pytest.mark.parametrize(
    ("config", "jobs"),
    [
        (TINY, set()),
        # a parameter of one game
        (edited(games__b__window=1), B | ON_B | AFTER_EVALUATION | RUN),
        # more games of a: the first shard stays, and nothing that is trained on fresh ones
        (
            edited(games__a__num_games=31),
            {"generate_games:a:1", "compute_masks:a:1", "measure_branching:a"} | GAME_FIGURES | RUN,
        ),
        # a board game on its own
        (
            edited(games__c={"kind": "mnk", "rows": 2, "columns": 2, "in_a_row": 2}),
            {"generate_games:c:0", "compute_masks:c:0", "measure_branching:c"}
            | {"measure_legality:c", "plot_board:c"}
            | GAME_FIGURES | RUN,
        ),
        # a parameter of one model
        (
            edited(models__m__max_illegal_rate=0.01),
            OF_M | {"plot_predictions:a", "plot_predictions:b"} | AFTER_EVALUATION | RUN,
        ),
        # written out, a default is no change
        (edited(models__m__max_illegal_rate=0.001), RUN),
        # a model that is not drawn
        (edited(models__u__figures=False), RUN),
        # the game of a diagnosis; set complement needs no entry
        (
            edited(models__m={"kind": "balanced", "vocab_size": 4, "game": "b"}),
            {"diagnose_model:m", "plot_model:m"} | RUN,
        ),
        (edited(models__m={"kind": "balanced", "vocab_size": 4, "game": "a"}), RUN),
        # lengths of one evaluation
        (
            edited(evaluations__some__lengths=[1, 3]),
            {"evaluate_model:some:m"} | AFTER_EVALUATION | RUN,
        ),
        (
            edited(evaluations__whole__dtype="float32"),
            {"evaluate_model:whole:m", "evaluate_model:whole:u"} | AFTER_EVALUATION | RUN,
        ),
        # a new model on its own
        (
            edited(models__n={"kind": "minimal", "vocab_size": 4}),
            {"construct_model:n", "diagnose_model:n", "plot_model:n"} | RUN,
        ),
        # another trial as a model
        (edited(models__t__number=1), OF_T | RUN),
        # another seed: all but what no chance is in
        (
            {**TINY, "seed": 5},
            A | B | ON_B | AFTER_EVALUATION | CLAIMS | EXPERIMENT | RUN
            | {"measure_branching:a", "plot_predictions:a"}
            | {f"{stage}:{model}" for stage in ("diagnose_model", "plot_model") for model in "mu"}
            | TRAIN | MEASURE | COLLECT | OF_T,
        ),
        # the theory
        (edited(claims__instances=2), CLAIMS | RUN),
        (edited(experiments__e__num_models=2), EXPERIMENT | RUN),
        # names: those of games, experiments and searches are part of their seed
        (
            rename("experiments", "e", "f"),
            {"run_experiment:f", "plot_experiment:f"} | RUN,
        ),
        (
            rename("models", "u", "v") | {"evaluations": {}},
            {"construct_model:v", "diagnose_model:v", "plot_model:v"} | RUN,
        ),
        # training: more trials leave full groups alone
        (
            edited(searches__s__trials=4),
            {f"{stage}:s:{variant}-0002" for stage in ("train_trials", "measure_trials")
             for variant in ("plain", "norm")} | COLLECT | RUN,
        ),
        # a variant in the middle retrains no other
        (
            edited(searches__s__variants={"plain": {}, "hot": {"learning_rate": 0.1},
                                          "norm": {"norm": "attention"}}),
            {f"{stage}:s:hot-000{n}" for n in (0, 2)
             for stage in ("train_trials", "measure_trials")}
            | COLLECT | RUN,
        ),
        # a hyperparameter of one variant
        (
            edited(searches__s__variants__norm={"norm": "residual"}),
            {f"{stage}:{group}" for stage in ("train_trials", "measure_trials") for group in NORM}
            | COLLECT | RUN,
        ),
        # how trials are measured, not how they are trained
        (edited(searches__s__test_games=50), MEASURE | COLLECT | RUN),
        # the same, called otherwise: all is made anew elsewhere, nothing of it here
        (edited(results="elsewhere"), RUN),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_a_change_of_the_config_touches_what_depends_on_it(tmp_path, config, jobs):
    before = names_of(make_plan(tmp_path, TINY))
    assert changed(before, names_of(make_plan(tmp_path, config))) == jobs


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the source to edit, and its jobs before."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(provenance.SOURCE, folder, dirs_exist_ok=True)
    return folder, names_of(make_plan(folder, TINY))


@pytest.mark.parametrize(
    ("path", "old", "new", "jobs"),
    [
        ("analysis/metrics.py", "import numpy", "# a comment\nimport numpy", set()),
        ("analysis/metrics.py", '"""How far', '"""Documentation. How far', set()),
        # what only plans and runs jobs
        ("pipeline/run/lock.py", "RUN, JOBS = 0, 1", "RUN, JOBS = 2, 3", set()),
        ("pipeline/run/job.py", "begin = ", "start = begin = ", set()),
        ("pipeline/run/progress.py", "pause: float = 1", "pause: float = 2", set()),
        ("pipeline/plan.py", "stage, names = FIRST_FIGURE", "(stage, names) = FIRST_FIGURE", set()),
        ("pipeline/graph.py", "is_construction = ", "is_built = is_construction = ", set()),
        ("pipeline/config/load.py", "import ", "import os  # unused\nimport ", set()),
        (
            "games/windowed_complement.py",
            "rng.integers(num_legal, size=num_games)",
            "rng.integers(0, num_legal, size=num_games)",
            B | ON_B | AFTER_EVALUATION,
        ),
        (
            "transformer/constructions/untrained.py",
            "x=0.0",
            "x=1.0",
            # the untrained model is one of the claims
            OF_U | {"plot_predictions:a"} | CLAIMS | AFTER_EVALUATION,
        ),
        (
            "figures/metrics/displacement.py",
            "low / 2,",
            "low / 3,",
            {"plot_metrics:displacement"},
        ),
        (
            "pipeline/stages/measure_branching.py",
            "counts = np.zeros",
            "counts = counts_by_ply = np.zeros",
            {"measure_branching:a", "measure_branching:b"} | GAME_FIGURES,
        ),
        (
            "experiments/parallel_resistors.py",
            "x = 20 *",
            "x = 21 *",
            EXPERIMENT,
        ),
        (
            "figures/experiments/parallel_resistors.py",
            "SHOWN = 60",
            "SHOWN = 50",
            {"plot_experiment:e"},
        ),
        ("claims/balance.py", "1e-10", "1e-11", CLAIMS),
        ("figures/searches/curves.py", "import ", "X = 1\nimport ", {"plot_search:s:curves"}),
        ("training/effects.py", "import ", "X = 1\nimport ", COLLECT),
        (
            "training/program.py",
            "import ",
            "X = 1\nimport ",
            TRAIN | MEASURE | COLLECT | OF_T,
        ),
        ("training/measure.py", "import ", "X = 1\nimport ", MEASURE | COLLECT),
        (
            "theory/rounding.py",
            "import ",
            "X = 1\nimport ",
            CLAIMS,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".py") else None,
)
def test_a_change_of_the_source_touches_what_depends_on_it(
    source, tmp_path, monkeypatch, path, old, new, jobs
):
    folder, before = source
    file = folder / "gamecircuits" / path
    text = file.read_text()
    lines = text.splitlines(keepends=True)
    if old == "import ":  # the first of them
        place = next(n for n, line in enumerate(lines) if line.startswith(("import ", "from ")))
        lines[place] = new.removesuffix(old) + lines[place]
        file.write_text("".join(lines))
    else:
        assert old in text, f"{old!r} not in {path}"
        file.write_text(text.replace(old, new, 1))
    monkeypatch.setattr(provenance, "SOURCE", folder)
    provenance.forget_source()
    try:
        assert changed(before, names_of(make_plan(tmp_path, TINY))) == jobs
    finally:
        file.write_text(text)
        provenance.forget_source()


def test_new_kinds_touch_nothing(source, tmp_path, monkeypatch):
    folder, before = source
    (folder / "gamecircuits/games/new_game.py").write_text("raise RuntimeError('not imported')\n")
    monkeypatch.setattr(provenance, "SOURCE", folder)
    provenance.forget_source()
    try:
        assert changed(before, names_of(make_plan(tmp_path, TINY))) == set()
    finally:
        provenance.forget_source()


def test_every_file_is_made_by_one_job(tmp_path):
    plan = make_plan(tmp_path, TINY)
    assert len(plan.files()) == len(set(plan.files()))
    assert {job.stage.name for job in plan.jobs} >= set(STAGES) - {
        *("import_model", "measure_legality", "plot_board", "plot_attention"),
        *("check_hypotheses", "plot_hypotheses", "plot_grids"),
        *("probe_model", "edit_model", "attribute_model", "read_first_layer"),
        *("collect_audit", "compare_probes", "plot_audit"),
    }
    made: set[str] = set()
    for job in plan.jobs:
        assert set(job.inputs) <= made, "each job comes after those that make what it reads"
        made.update(job.files)


def test_a_wrong_argument_fails_when_the_plan_is_made(tmp_path, monkeypatch):
    stage = STAGES["compute_masks"]
    work = stage.work

    def misspelt(config, **names):
        made = work(config, **names)
        made.settings["gmae"] = made.settings.pop("game")
        return made

    monkeypatch.setitem(STAGES, "compute_masks", dataclasses.replace(stage, work=misspelt))
    with pytest.raises(TypeError, match="stage compute_masks does not take gmae"):
        make_plan(tmp_path, TINY)


# What is up to date.

GAMES_ONLY = {"games": {"g": {"kind": "mnk", "rows": 2, "columns": 2, "in_a_row": 2,
                              "num_games": 30, "games_per_shard": 20}}}  # fmt: skip
DONE = ("generate_games", "compute_masks", "measure_branching", "plot_games", "describe_run")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a plan of which some stages are done."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        do_all(make_plan(folder, GAMES_ONLY), *DONE)
    return folder


@pytest.fixture
def plan(finished, tmp_path, monkeypatch):
    """A plan in a copy of that folder, times of files and all, to do harm to."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return make_plan(Path(), GAMES_ONLY)


def stale(plan: Plan) -> dict[str, str]:
    return {f"{job.stage.name}:{job.label}": why for job, why in plan.find_stale().items()}


def test_what_was_made_by_the_plan_is_up_to_date(plan):
    assert stale(plan) == {}
    shutil.rmtree("results/.plan", ignore_errors=True)
    for path in Path("results").rglob("*"):
        os.utime(path)
    assert stale(plan) == {}


@pytest.mark.parametrize(
    "path",
    [
        *("games/g/shard-00001.parquet", "masks/g/shard-00000.parquet", "branching/g.parquet"),
        *(
            "figures/branching_factor.csv",
            "figures/branching_factor.png",
            "figures/branching_factor.svg",
        ),
        *("figures/branching_factor.parquet", "config.html", "README.md"),
    ],
)
@pytest.mark.parametrize("how", ["first", "middle", "last", "cut", "empty", "longer"])
def test_damage_is_found_wherever_it_is(plan, path, how):
    file = Path("results", path)
    content = bytearray(file.read_bytes())
    if how in ("first", "middle", "last"):
        content[{"first": 0, "middle": len(content) // 2, "last": -1}[how]] ^= 4
    content = {"cut": content[:-7], "empty": b"", "longer": content + b" "}.get(how, content)
    file.write_bytes(content)
    (reason,) = stale(plan).values()
    assert reason == f"results/{path} is damaged, or was changed by hand"


@pytest.mark.parametrize("what", ["folder", "link to nothing", "link to another"])
def test_what_is_in_the_place_of_a_result_is_named(plan, what):
    file = Path("results/figures/branching_factor.csv")
    file.unlink()
    if what == "folder":
        file.mkdir()
    else:
        file.symlink_to("nothing" if what == "link to nothing" else "branching_factor.png")
    (reason,) = stale(plan).values()
    why = "is damaged, or was changed by hand" if what == "link to another" else "is no file"
    assert reason == f"{file} {why}"
    plan.write_tasks(plan.find_stale())


def test_every_single_bit_of_a_small_shard_counts(plan):
    """For the plan and for whoever reads the shards, however fast they change."""
    file = Path("results/games/g/shard-00001.parquet")
    content = file.read_bytes()
    job = plan.job("generate_games", game="g", shard="shard-00001")
    memory = plan_module._Memory("none")
    for place in range(len(content)):
        assert not plan_module._why_stale(job, memory)
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        assert plan_module._why_stale(job, memory), place
        with pytest.raises(ArtefactError, match="is damaged, or was changed by hand"):
            GameDataset("results/games/g")
        file.write_bytes(content)
    assert GameDataset("results/games/g").num_games == 30


def test_every_single_bit_of_a_record_counts(plan):
    """Else a job would refuse, by the digest, what no run would make again."""
    job = plan.job("measure_branching", game="g")
    content = Path(job.record).read_bytes()
    memory = plan_module._Memory("none")
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        Path(job.record).write_bytes(flipped)
        assert plan_module._why_stale(job, memory), bit
    Path(job.record).write_bytes(content)
    assert stale(plan) == {}


@pytest.mark.parametrize("content", ["", "[]", "{}", "\0", '{"job": 1, "files": 2}', "[" * 100_000])
def test_a_damaged_record_stops_no_plan(plan, content):
    """One of this plan, and one of another."""
    for name in ("g", "other"):
        Path("results/jobs/measure_branching", f"{name}.json").write_text(content, encoding="utf-8")
    Path("results/.plan").mkdir(exist_ok=True)
    Path("results/.plan/verified.json").write_text(content, encoding="utf-8")
    assert stale(plan) == {"measure_branching:g": "nothing says what made it"}
    assert plan.find_others() == []


def test_a_damaged_task_is_written_anew(plan):
    plan.write_tasks({})
    (task,) = {Path(job.task) for job in plan.jobs if job.stage.name == "measure_branching"}
    content = task.read_bytes()
    for damage in (b"", b"\xff\xfe", content[:50]):
        task.write_bytes(damage)
        plan.write_tasks({})
        assert task.read_bytes() == content
        assert task.stat().st_mtime == 0


def test_files_of_others_and_without_records_are_not_used(plan):
    shutil.copy("results/games/g/shard-00000.parquet", "results/games/g/shard-00001.parquet")
    Path("results/jobs/measure_branching/g.json").unlink()
    record = Path("results/jobs/compute_masks/g-shard-00000.json")
    other = record.with_name("g-shard-00001.json")
    record.write_bytes(other.read_bytes())
    Path("results/jobs/plot_games/branching_factor.json").write_text("[]", encoding="utf-8")
    assert stale(plan) == {
        "generate_games:g-shard-00001": "results/games/g/shard-00001.parquet is damaged, or was "
        "changed by hand",
        "measure_branching:g": "nothing says what made it",
        "compute_masks:g-shard-00000": "made by another configuration or other code",
        "plot_games:branching_factor": "nothing says what made it",
    }


def test_what_has_not_changed_is_not_read_again(plan, monkeypatch):
    read = []
    digest = plan_module.file_digest
    monkeypatch.setattr(plan_module, "file_digest", lambda path: read.append(path) or digest(path))
    monkeypatch.setattr(plan_module, "GRAIN", 0)  # as if the files were old
    plan.find_stale()
    assert sorted(read) == sorted(path for path in plan.files() if os.path.exists(path))
    read.clear()
    plan.find_stale()
    assert read == []
    changed = Path("results/branching/g.parquet")
    changed.write_bytes(changed.read_bytes())
    plan.find_stale()
    assert read == [str(changed)]
    read.clear()
    before = changed.stat()
    changed.write_bytes(bytes(len(changed.read_bytes())))
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(stale(plan)) == ["measure_branching:g"]
    assert read == [str(changed)], "whatever says that it has not changed"


def test_what_changes_unseen_is_found_after_a_job_refuses_it(plan, monkeypatch):
    """A disk that forgets changes no time; the job says to run again, and this then helps."""
    monkeypatch.setattr(plan_module, "GRAIN", 0)
    assert stale(plan) == {}
    memory, path = Path("results/.plan/verified.json"), "results/games/g/shard-00000.parquet"
    known = json.loads(memory.read_text(encoding="utf-8"))
    Path(path).write_bytes(Path(path).read_bytes()[::-1])
    now = os.stat(path)
    known[path][0] = f"{now.st_size} {now.st_mtime_ns} {now.st_ctime_ns} {now.st_ino}"
    memory.write_text(json.dumps(known), encoding="utf-8")
    assert stale(plan) == {}
    with pytest.raises(ArtefactError, match="is damaged, or was changed by hand"):
        do_all(plan, "compute_masks")
    assert list(stale(plan)) == ["generate_games:g-shard-00000"]


def test_tasks_of_what_is_stale_are_new_and_all_others_old(plan):
    Path("results/branching/g.parquet").write_bytes(b"")
    found = plan.find_stale()
    plan.write_tasks(found)
    (job,) = found
    task = Path(job.task)
    assert task.stat().st_mtime > Path("results/games/g/shard-00000.parquet").stat().st_mtime
    assert json.loads(task.read_text(encoding="utf-8"))["reason"].startswith(
        "results/branching/g.parquet is dam"
    )
    others = [Path(other.task) for other in plan.jobs if other is not job]
    assert {path.stat().st_mtime for path in others} == {0}
    shutil.copy(job.record, "kept")
    do_all(plan, "measure_branching")
    assert Path("kept").read_bytes() == Path(job.record).read_bytes()
    plan.write_tasks(plan.find_stale())
    assert task.stat().st_mtime == 0
    assert json.loads(task.read_text(encoding="utf-8"))["reason"] is None


def test_times_ahead_of_the_clock_are_corrected(plan):
    """Else Snakemake would take what is stale for new, and refuse what it makes from the file."""
    path = Path("results/games/g/shard-00000.parquet")
    before = Path("results/games/g/shard-00001.parquet").stat().st_mtime
    os.utime(path, (1e10, 1e10))
    plan.correct_times()
    assert abs(path.stat().st_mtime - time.time()) < 60
    assert Path("results/games/g/shard-00001.parquet").stat().st_mtime == before


def test_two_configs_never_share_a_task(plan, tmp_path):
    other = make_plan(tmp_path, {**GAMES_ONLY, "seed": 3})
    assert not {job.task for job in plan.jobs} & {job.task for job in other.jobs}


def test_only_what_the_plan_can_have_made_is_removed(plan, monkeypatch):
    leftovers = [
        "games/g/.shard-00000.parquet.123.tmp",
        "figures/.branching_factor.png.99.tmp",
        "jobs/plot_games/.branching_factor.json.7.tmp",
    ]
    of_others = [
        "x/games/g/.shard-00000.parquet.123.tmp",  # of a run in results/x
        "games/g/.shard-00009.parquet.123.tmp",
        "games/g/.mine.tmp",
        "games/g/.shard-00000.parquet.mine.tmp",
        "games/g/shard-merged.parquet",
        "games/g/shard-00007.parquet",  # of which nothing says who made it
        "games/h/.shard-00000.parquet.123.tmp",
    ]
    for path in (*leftovers, *of_others):
        file = Path("results", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x", encoding="utf-8")
    task = Path("results/.plan/plot_games/branching_factor-0123456789abcdef.json")
    task.parent.mkdir(parents=True)
    task.write_text("of a plan that somebody looks at", encoding="utf-8")
    plan.remove_leftovers()
    assert task.exists()
    monkeypatch.setattr(plan_module, "HOUR", 0)
    plan.remove_leftovers()
    assert not task.exists()
    assert not any(Path("results", path).exists() for path in leftovers)
    assert all(Path("results", path).exists() for path in of_others)
    fewer = copy.deepcopy(GAMES_ONLY)
    fewer["games"]["g"]["num_games"] = 20
    changed = Path("results/masks/g/shard-00001.parquet")
    changed.write_bytes(b"x")
    make_plan(Path(), fewer).remove_leftovers()
    assert not Path("results/games/g/shard-00001.parquet").exists()
    assert not Path("results/jobs/generate_games/g-shard-00001.json").exists()
    assert changed.read_bytes() == b"x", "it is not what a run of ours has made"
    assert Path("results/games/g/shard-00000.parquet").exists()
    assert all(Path("results", path).exists() for path in of_others)


def test_a_long_job_travels_by_file(tmp_path):
    """One argument of a command has at most 128 KiB."""
    many = edited(
        searches__s__trials=400, searches__s__trials_per_job=400, searches__s__variants={"v": {}}
    )
    del many["models"]["t"]
    (job,) = [j for j in make_plan(tmp_path, many).jobs if j.stage.name == "train_trials"]
    assert len(job.text) > 1 << 17
    assert len(job.task) < 200


def test_figures_of_a_search_are_those_of_its_architecture(tmp_path):
    game = "games: {g: {kind: othello, board_size: 4}}"
    path = tmp_path / "c.yaml"
    path.write_text(
        f"{game}\nmodels: {{m: {{kind: trained, search: s}}}}\n"
        "searches: {s: {game: g, architecture: gpt, length: 4, trials: 2}}"
    )
    plan = Plan(load_config(path))
    drawn = {
        job.names["figure"]: set(job.reads) for job in plan.jobs if job.stage.name == "plot_search"
    }
    assert {"curves", "dispersion", "effects", "matched", "progress"} <= set(drawn)
    assert not {"circuits", "mechanisms"} & set(drawn)
    assert {"matched", "baselines", "attention", "illegal"} <= drawn["curves"]
    assert {"plot_attention", "plot_model"} <= {job.stage.name for job in plan.jobs}
