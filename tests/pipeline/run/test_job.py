"""Jobs check what they read, and record what they wrote."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pipeline_tools import do, do_all

from gamecircuits.errors import ArtefactError, GamecircuitsError, StorageError
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.run.job import main, run_job
from gamecircuits.storage.files import REPAIR
from gamecircuits.storage.parquet import read_job

MNK = {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3, "num_games": 3}
LARGE = {"kind": "set_complement", "vocab_size": 200, "num_games": 50}
SHARD = {"game": "g", "shard": "shard-00000"}


def make_plan(seed=0, **games):
    Path("c.yaml").write_text(yaml.safe_dump({"seed": seed, "games": games}), encoding="utf-8")
    return Plan(load_config("c.yaml"))


def read_all():
    return {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}


@pytest.fixture
def masks(tmp_path, monkeypatch):
    """A job that is done, and what it reads: three games."""
    monkeypatch.chdir(tmp_path)
    plan = make_plan(g=MNK)
    do_all(plan, "generate_games", "compute_masks")
    return plan.job("compute_masks", **SHARD)


def flips(content: bytes):
    """The content with one bit flipped, once for every byte."""
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        yield bytes(flipped)


def test_a_record_lists_every_file_with_its_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = make_plan(g=MNK, h=LARGE)
    do_all(plan, "generate_games", "compute_masks", "measure_branching", "plot_games")
    done = [job for job in plan.jobs if Path(job.record).exists()]
    assert {job.stage.name for job in done} == {
        "generate_games", "compute_masks", "measure_branching", "plot_games"
    }  # fmt: skip
    for job in done:
        record = json.loads(Path(job.record).read_text(encoding="utf-8"))
        assert record["job"] == json.loads(job.text)
        assert record["digest"] == job.digest
        assert record["files"] == {
            path.removeprefix("results/"): hashlib.sha256(Path(path).read_bytes()).hexdigest()
            for path in job.files
        }
    shards = (job for job in done if job.stage.name in ("generate_games", "compute_masks"))
    assert all(read_job(path) == job.text for job in shards for path in job.files)


def test_a_job_refuses_inputs_that_another_job_made(masks, capsys):
    """Masks of other games, even of the same game and number, are found before they do harm."""
    plan = make_plan(g=MNK)
    other = make_plan(g=MNK, seed=1)
    before = read_all()
    assert plan.job("compute_masks", **SHARD).text == masks.text
    with pytest.raises(ArtefactError, match="made by another configuration or other code than"):
        do(other.job("compute_masks", **SHARD))
    assert read_all() == before
    do(other.job("generate_games", **SHARD))
    before = read_all()
    with pytest.raises(ArtefactError, match=f"games/g/shard-00000.parquet was made .*; {REPAIR}"):
        do(masks)
    assert read_all() == before
    Path("task.json").write_text(masks.describe(None), encoding="utf-8")
    assert main(["task.json"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch("error: .* was made by another configuration or other code than .*", last)
    do(plan.job("generate_games", **SHARD))
    assert main(["task.json"]) == 0
    assert re.search(r"^done in \d+\.\d s, \d+ MiB at most$", capsys.readouterr().err, re.MULTILINE)


def test_a_job_refuses_a_file_that_nothing_says_what_made(masks):
    record = Path(masks.reads["games"][0][1].record)
    content = json.loads(record.read_text(encoding="utf-8"))
    for wrong in ("", "{", "[]", "{}", json.dumps({**content, "files": {}})):
        record.write_text(wrong, encoding="utf-8")
        before = read_all()
        with pytest.raises(ArtefactError, match="nothing says what made results/games/g/shard-"):
            do(masks)
        assert read_all() == before
    record.unlink()
    before = read_all()
    with pytest.raises(ArtefactError, match="nothing says what made"):
        do(masks)
    assert read_all() == before


def test_a_job_refuses_a_file_that_is_missing(masks):
    Path(masks.inputs[0]).unlink()
    before = read_all()
    with pytest.raises(ArtefactError, match=r"results/games/g/shard-00000\.parquet does not exist"):
        do(masks)
    assert read_all() == before


def test_a_folder_in_the_place_of_a_record_is_named(masks):
    Path(masks.record).unlink()
    Path(masks.record, "x").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"jobs/\S+json cannot be replaced \(Is a d.*; remove"):
        do(masks)


def test_a_job_refuses_a_flipped_bit(masks):
    """Of header, pages and footer alike."""
    path, before, task = Path(masks.inputs[0]), read_all(), json.loads(masks.describe(None))
    content = path.read_bytes()
    for flipped in flips(content):
        path.write_bytes(flipped)
        with pytest.raises(ArtefactError, match="is damaged, or was changed by hand"):
            run_job(task)
    path.write_bytes(content)
    assert read_all() == before
    do(masks)
    assert read_all() == before


def test_a_flipped_bit_of_a_record_is_refused_or_does_no_harm(masks):
    path, before, task = Path(masks.reads["games"][0][1].record), read_all(), masks.describe(None)
    content, refused = path.read_bytes(), 0
    wanted = json.loads(content)
    for flipped in flips(content):
        path.write_bytes(flipped)
        try:
            run_job(json.loads(task))
        except ArtefactError:
            refused += 1
        else:
            found = json.loads(flipped)
            assert (found["digest"], found["files"]) == (wanted["digest"], wanted["files"])
    path.write_bytes(content)
    assert read_all() == before
    assert refused > 64, "all digits of a file's digest at least"


def test_a_job_refuses_source_that_changed_after_planning(masks):
    task, before = json.loads(masks.describe(None)), read_all()
    task["source"] = "0"  # of a comment, say
    run_job(task)
    assert read_all() == before
    task["job"] = task["job"].replace('"code":"', '"code":"0')
    with pytest.raises(GamecircuitsError, match="the source was changed after this job was pl"):
        run_job(task)
    assert read_all() == before


def test_a_job_that_fails_leaves_no_record(masks, monkeypatch):
    """So its files, of which some may be old and others new, count as made by nothing."""

    def fail(*_, **__):
        raise KeyboardInterrupt

    before = read_all()
    monkeypatch.setattr("gamecircuits.pipeline.stages.compute_masks.compute_masks", fail)
    Path("task.json").write_text(masks.describe(None), encoding="utf-8")
    assert main(["task.json"]) == 130
    assert read_all() == {p: text for p, text in before.items() if str(p) != masks.record}
    (stale,) = make_plan(g=MNK).find_stale().items()
    assert (stale[0].record, stale[1]) == (masks.record, "nothing says what made it")


WITH_LITTLE_SPACE = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
runpy.run_module("gamecircuits.pipeline.run.job", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("stage", ["generate_games", "compute_masks", "plot_games"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, stage):
    """Files cannot grow beyond half of what is to be written."""
    pytest.importorskip("resource")
    monkeypatch.chdir(tmp_path)
    plan = make_plan(g=LARGE)
    plan.write_tasks({})
    before = ("generate_games", "compute_masks", "measure_branching", "plot_games")
    do_all(plan, *before[: before.index(stage)])
    job = next(job for job in plan.jobs if job.stage.name == stage)

    def run(size):
        command = [sys.executable, "-c", WITH_LITTLE_SPACE, str(size), job.task]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run(1 << 30).returncode == 0
    wanted = read_all()
    for path in (*job.files, job.record):
        Path(path).unlink()
    last = Path(job.files[-1])
    failed = run(len(wanted[last]) // 2)
    assert failed.returncode == 1
    line = r"error: results/[\w/.-]+ cannot be written \(File too large\); free space .*"
    assert re.fullmatch(line, failed.stderr.strip().splitlines()[-1])
    assert "Traceback" not in failed.stderr
    found = read_all()
    assert found.items() < wanted.items()
    assert last not in found
    assert Path(job.record) not in found
    assert run(1 << 30).returncode == 0
    assert read_all() == wanted
