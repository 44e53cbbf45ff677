"""What a cluster is asked for, and what its nodes do; tests/slurm tries it on a real Slurm."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_workflow import Project

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.run import cluster
from gamecircuits.pipeline.run.lock import LOCK

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def plan_of(name: str = "config.yaml", **overrides) -> Plan:
    return Plan(load_config(ROOT / "config" / name, overrides=overrides))


@pytest.mark.parametrize("name", CONFIGS)
def test_no_group_waits_for_itself(name, monkeypatch):
    """Groups of one name may be one submission: between them and the other jobs is no circle."""
    monkeypatch.chdir(ROOT)
    plan = plan_of(name)
    waits_for: dict[object, set] = {}
    for job in plan.jobs:
        unit = cluster.get_group(job) or job
        sources = {source for files in job.reads.values() for _, source in files}
        found = {cluster.get_group(source) or source for source in sources}
        waits_for.setdefault(unit, set()).update(found - {unit})
    while free := {unit for unit, others in waits_for.items() if not others}:
        waits_for = {u: others - free for u, others in waits_for.items() if u not in free}
    assert waits_for == {}


def test_what_is_asked_for_follows_the_work():
    jobs = {job.stage.name: job for job in plan_of().jobs}
    job = jobs["check_claims"]
    large = plan_of(claims={"vocab_sizes": [14], "instances": 1}).job("check_claims")
    assert cluster.get_memory(large) > 2000 > 2 * cluster.get_memory(job)
    assert cluster.get_minutes(large) > 2 * cluster.get_minutes(job)
    assert cluster.get_memory(job, 3) == 3 * cluster.get_memory(job)
    assert cluster.get_minutes(job, 2) == 2 * cluster.get_minutes(job)
    many = plan_of("othello_20m.yaml")
    assert cluster.get_group(many.job("plot_board", game="othello")) == "short-2"
    for stage in ("generate_games", "compute_masks"):
        asked = {
            (cluster.get_memory(j), cluster.get_group(j))
            for j in many.jobs
            if j.stage.name == stage
        }
        assert asked == {(cluster.get_memory(jobs[stage]), None)}, "long, but no larger"


def test_the_documentation_says_what_is_asked_for():
    text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    plan = plan_of()
    assert "\n".join(["", *cluster.list_requests(plan), ""]) in text
    submissions = {cluster.get_group(job) or job for job in plan.jobs}
    words = f"configuration of {len(plan.jobs)} jobs takes {len(submissions)} submissions"
    assert words in " ".join(text.split())


STEP = ["--jobs", "1", "--executor", "slurm-jobstep", "--jobs", "1", "--mode", "remote"]


def test_a_slurm_job_does_its_work_by_itself(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "900")
    own = ["--jobs", "1", "--mode", "remote", "--cores", "4", "--resources", "mem_mb=900"]
    assert cluster.leave_job_step(STEP) == own
    assert cluster.leave_job_step(own) is None
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert cluster.leave_job_step(STEP) is None, "this is no node of Slurm"


@pytest.mark.parametrize(
    ("sacct", "config", "wanted"),
    [
        ("", "", "sacct"),
        (None, "Foo = 1\nMinJobAge               = 300 sec\n", "squeue"),
        (None, "MinJobAge               = 60 sec\n", "MinJobAge is 60, and must be over 180 s"),
        (None, "MinJobAge               = 0 sec\n", "MinJobAge is 0,"),
        (None, None, "MinJobAge is not known"),
    ],
)
def test_where_accounting_does_not_answer_squeue_is_asked(monkeypatch, sacct, config, wanted):
    answers, said = {"sacct": sacct, "scontrol": config}, []
    monkeypatch.setattr(cluster, "_ask", lambda command, *rest: answers[command])
    settings = SimpleNamespace(status_command="sacct")
    if "MinJobAge" in wanted:
        with pytest.raises(GamecircuitsError, match=wanted):
            cluster.choose_status_command(settings, said.append)
    else:
        cluster.choose_status_command(settings, said.append)
        assert settings.status_command == wanted
        assert len(said) == (wanted == "squeue")
    cluster.choose_status_command(None, said.append)  # another executor has no such settings


def on_a_node(project: Project, lock: str | None, *jobs: str) -> subprocess.CompletedProcess:
    """What a node does for jobs of a run, by the command that Snakemake's executors give to it."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", project.folder / "Snakefile"]
    command += ["--target-jobs", *jobs, "--allowed-rules", *{job.split(":")[0] for job in jobs}]
    command += ["--cores", "2", "--attempt", "1", "--force-use-threads", "--force", "--no-hooks"]
    command += ["--target-files-omit-workdir-adjustment", "--max-inventory-time", "0", "--nolock"]
    command += ["--ignore-incomplete", "--rerun-triggers", "mtime", "--mode", "remote"]
    environment = {**project.environment(), LOCK: lock}
    if lock is None:
        del environment[LOCK]
    return subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )


def times(project: Project) -> dict[str, int]:
    return {name: (project.folder / name).stat().st_mtime_ns for name in project.results()}


def test_a_job_of_a_killed_run_changes_nothing_once_a_later_run_has_begun(tmp_path):
    """Not even by Snakemake, which removes what a job writes before the job can say no."""
    game = {"kind": "set_complement", "vocab_size": 4, "num_games": 30}
    project = Project(tmp_path / "project", {"games": {"g": game}})
    project.run("masks")
    path = project.folder / "results/.lock"
    before, run = times(project), path.read_text()
    jobs = [f"{stage}:game=g,shard=shard-00000" for stage in ("generate_games", "compute_masks")]
    killed = "the run of this job was killed, and a later one has begun"
    for lock, chosen, message in [
        (f"dead {path}", jobs[:1], killed),
        (f"dead {path}", jobs, killed),
        (None, jobs, f"{LOCK} is not set"),
    ]:
        refused = on_a_node(project, lock, *chosen)
        assert refused.returncode
        assert message in refused.stderr + refused.stdout
        assert times(project) == before
    content = project.results()
    done = on_a_node(project, f"{run} {path}", *jobs)
    assert done.returncode == 0, done.stderr + done.stdout
    assert project.results() == content
    assert times(project) != before, "they were made again, as no later run has begun"


FAKES = {
    "sbatch": """#!/bin/sh
# Does the job at once, and says what it was asked for.
printf '%s\\n' "$@" > {folder}/asked-$$
cpus=$(sed -n 's/^--cpus-per-task=//p' {folder}/asked-$$)
state=COMPLETED
SLURM_CPUS_PER_TASK=$cpus SLURM_JOB_ID=$$ sh > {folder}/log-$$ 2>&1 || state=FAILED
echo "$$|$state" >> {folder}/states
echo $$
""",
    "squeue": "#!/bin/sh\ncat {folder}/states\n",
    "sacct": "#!/bin/sh\necho Slurm accounting storage is disabled >&2; exit 1\n",
    "scontrol": "#!/bin/sh\necho 'MinJobAge               = 300 sec'\n",
    "sinfo": "#!/bin/sh\n",
}


@pytest.mark.slow
def test_a_run_on_a_cluster_that_does_what_it_is_asked_for(tmp_path, monkeypatch):
    """Snakemake's plugin asks a fake Slurm: few submissions, of the size that the plan says."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="comes with the extra slurm")
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in FAKES.items():
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    local = Project(tmp_path / "local")
    local.run()
    project = Project(tmp_path / "project")
    options = ("--slurm-init-seconds-before-status-checks=1", "--seconds-between-status-checks=1")
    partition = ("--default-resources", "slurm_partition=mine")
    output = project.run("--profile", "profiles/slurm", *options, *partition)
    assert "squeue says which jobs have ended" in output
    assert project.results() == local.results()

    monkeypatch.chdir(project.folder)
    jobs = Plan(load_config("config/config.yaml")).jobs
    asked = {}
    for path in folder.glob("asked-*"):
        words = path.read_text().splitlines()
        assert "--export=ALL" in words, "so jobs know their run"
        given = dict(pairwise(words))
        assert given["-p"] == "mine"
        asked[given["--comment"].split("_")[1]] = int(given["--mem"]), int(given["-t"])
    assert set(asked) == {"short-0", "run", "short-1"}, "two groups, and run_experiment"
    (long,) = (job for job in jobs if job.stage.name == "run_experiment")
    assert asked["run"] == (cluster.get_memory(long), cluster.get_minutes(long))
    least = max(cluster.get_memory(job) for job in jobs if cluster.get_group(job) == "short-0")
    assert least <= asked["short-0"][0] <= 8 * cluster.SMALL
