"""The workflow, run for real: what reruns after which change, and what survives which accident.

Every test works on a copy of the project, with a tiny experiment. Expected job sets are written
out, so a job too many fails as one too few does.
"""

import base64
import copy as copy_module
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from pipeline_tools import OURS, keep_ours

from gamecircuits.claims.claim import load_claims
from gamecircuits.kinds import list_modules
from gamecircuits.pipeline.graph import PARTS, STAGES

NUM = sum(claim.smallest <= 4 for claim in load_claims().values())  # of claims in TINY

ROOT = Path(__file__).parents[2]
TINY = {
    "games": {
        "a": {"kind": "set_complement", "vocab_size": 4, "num_games": 30, "games_per_shard": 20},
        "b": {"kind": "windowed_complement", "vocab_size": 4, "window": 2, "num_games": 30},
    },
    "models": {
        "m": {"kind": "balanced", "vocab_size": 4},
        "u": {"kind": "untrained", "vocab_size": 4},
    },
    "evaluations": {
        "whole": {"game": "a", "models": ["m", "u"], "contexts": "all"},
        "some": {"game": "b", "models": ["m"], "lengths": [1, 2]},
    },
    "claims": {"vocab_sizes": [4], "instances": 1},
    "experiments": {"e": {"kind": "parallel_resistors", "vocab_size": 4, "num_models": 1}},
}
GAME_FIGURES = {f"plot_games:{name}" for name in list_modules("gamecircuits.figures.games")}


class Project:
    """A copy of the workflow and its source in a folder of its own."""

    def __init__(self, folder: Path, config: dict = TINY):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("Snakefile", "src", "workflow", "profiles"):
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        self.config(config)

    def config(self, values: dict) -> None:
        (self.folder / "config").mkdir(exist_ok=True)
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def environment(self) -> dict:
        return {**os.environ, "PYTHONPATH": "", "XDG_CACHE_HOME": str(self.folder / ".cache")}

    def run(self, *arguments: str, check: bool = True) -> str:
        run = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and run.returncode:
            raise AssertionError(run.stdout)
        return run.stdout

    def planned(self, *arguments: str) -> set[str]:
        """Jobs that a dry run lists, as rule:wildcards."""
        plain = ("--workflow-profile", "none", "--rerun-incomplete", "--max-checksum-file-size=1GB")
        output = self.run("-n", *plain, "--rerun-triggers", "mtime", *arguments)
        jobs = set()
        for job in re.split(r"\n(?=(?:local)?rule )", output)[1:]:
            rule = re.match(r"(?:local)?rule (\w+):", job)[1]
            wildcards = re.search(r"^ +wildcards: (.*)$", job, flags=re.MULTILINE)
            values = re.findall(r"=([\w-]+)", wildcards[1]) if wildcards else []
            jobs.add(":".join([rule, *values]).replace("shard-0000", ""))
        return keep_ours(jobs - {"all"})

    def results(self) -> dict[str, bytes]:
        """Content of every result but the logs, and of what should not be there."""
        files = (path for path in (self.folder / "results").rglob("*") if path.is_file())
        found = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        others = "results/logs/", "results/.lock", "results/.plan/"
        return {name: content for name, content in found.items() if not name.startswith(others)}

    def start(self, *arguments: str) -> subprocess.Popen:
        """Begin a run in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def change(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{old!r} not in {path}"
        file.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose tiny experiment is complete."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.run()
    return project


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished project, times of files and all, to do harm to."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    project = Project.__new__(Project)
    project.folder = tmp_path / "copy"
    return project


def edited(**changes) -> dict:
    """TINY with entries replaced: games__b__window=1 stands for config["games"]["b"]["window"]."""
    config = copy_module.deepcopy(TINY)
    for path, value in changes.items():
        *parents, key = path.split("__")
        section = config
        for parent in parents:
            section = section[parent]
        section[key] = value
    return config


@pytest.mark.parametrize(
    ("path", "old", "new", "jobs"),
    [
        # a comment, and code that only runs things
        ("analysis/metrics.py", "import numpy", "# a comment\nimport numpy", set()),
        ("pipeline/run/lock.py", "RUN, JOBS = 0, 1", "RUN, JOBS = 2, 3", set()),
        (
            "figures/experiments/parallel_resistors.py",
            "SHOWN = 60",
            "SHOWN = 300",
            {"plot_experiment:e"},
        ),
        (
            "pipeline/stages/measure_branching.py",
            "counts = np.zeros",
            "counts = counts_by_ply = np.zeros",
            {"measure_branching:a", "measure_branching:b"} | GAME_FIGURES,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".py") else None,
)
def test_a_change_of_the_source_runs_the_jobs_of_the_plan(finished, path, old, new, jobs):
    """More changes, of the config too, are in test_plan.py."""
    file = finished.folder / "src/gamecircuits" / path
    before = file.read_text()
    finished.change(f"src/gamecircuits/{path}", old, new)
    try:
        assert finished.planned() == jobs
    finally:
        file.write_text(before)


def test_a_change_of_the_config_runs_the_jobs_of_the_plan(finished):
    jobs = {"generate_games:a:1", "compute_masks:a:1", "measure_branching:a", "describe_run"}
    jobs |= GAME_FIGURES
    finished.config(edited(games__a__num_games=31))
    try:
        assert finished.planned() == jobs
    finally:
        finished.config(TINY)
    assert finished.planned() == set(), "back again, nothing has changed"


def test_rules_have_the_names_of_stages_and_parts(finished):
    rules = set(finished.run("--list-rules", "--quiet").split())
    assert rules >= {*STAGES, *PARTS, "all"}
    assert finished.planned("-R", "plot_metrics") == {
        f"plot_metrics:{name}" for name in list_modules("gamecircuits.figures.metrics")
    }
    until = finished.planned("--forceall", "--until", "compute_masks")
    assert {job.split(":")[0] for job in until} == {"generate_games", "compute_masks"}
    assert "construct_model" in finished.run("--rulegraph")
    everything = finished.planned("--forceall")
    assert {job.split(":")[0] for job in everything} == OURS - {
        "extract_model",
        "import_model",
        "train_trials",
        "measure_trials",
        "collect_search",
        "plot_search",
        "check_hypotheses",
        "plot_hypotheses",
        "plot_grids",
        "measure_legality",
        "plot_board",
    }


def test_touched_files_and_new_kinds_rerun_nothing(copy):
    for path in copy.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
            time.sleep(0.001)
    new = "src/gamecircuits/games/new_game.py"
    (copy.folder / new).write_text("raise RuntimeError('not imported unless used')\n")
    assert copy.planned() == set()
    output = copy.run()
    assert output.index("Nothing to be done") < output.index("The results are in")
    assert f"All {NUM} claims of the theory hold, in all {NUM} random instances." in output
    assert "results/figures/length_generalization.png   the first figure" in output
    assert "the theory hold" not in copy.run("-n")


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_cores(finished, tmp_path):
    other = Project(tmp_path / "other")
    other.run("--cores", "1")
    assert other.results() == finished.results()


@pytest.mark.slow
def test_a_claim_that_fails_stops_the_run_and_says_so(copy):
    """The table stays, with the failure in it; the summary is not made."""
    path = "src/gamecircuits/claims/rounding.py"
    copy.change(path, "return compare(0, spread", "return compare(7, spread")
    output = copy.run(check=False)
    assert "1 of " in output
    assert "did not complete successfully" in output
    assert "latency" not in output, "the job itself fails, not the search for its output"
    reason = f"error: 1 of {NUM} instances of the theory's claims FAIL:"
    assert output.index(reason) < output.index("Failed confirm_claims")
    assert "CalledProcessError" not in output
    assert "one_hot_is_exact (Proposition 26)" in output
    assert "measured 0, should be = 7" in output
    assert not (copy.folder / "results/tables/claims_summary.parquet").exists()
    table = (copy.folder / "results/tables/claims.csv").read_text()
    assert sum(line.endswith(",False") for line in table.splitlines()) == 1
    assert "FAILS in 1 of 1" in (copy.folder / "results/claims.html").read_text()
    copy.change(path, "return compare(7, spread", "return compare(0, spread")
    copy.run()
    assert (copy.folder / "results/tables/claims_summary.parquet").exists()


def test_the_default_targets_are_all_there(finished):
    kinds = {"png", "svg", "csv", "parquet", "safetensors", "html", "md", "json"}
    names = set(finished.results())
    assert {name.rsplit(".")[-1] for name in names} == kinds
    for name in names:
        if name.endswith(".png"):
            stem = name.removesuffix(".png")
            assert {f"{stem}.svg", f"{stem}.csv", f"{stem}.parquet"} <= names


@pytest.mark.slow
def test_snakemake_records_lost(copy):
    """Without .snakemake nothing stale is used, and nothing current is made again."""
    wanted = copy.results()
    shutil.rmtree(copy.folder / ".snakemake")
    assert copy.planned() == set()
    copy.config(edited(evaluations__some__lengths=[1, 3]))
    assert "some/m.parquet: made by another configuration or other code" in copy.run("-n")
    copy.run()
    assert copy.results() != wanted
    shutil.rmtree(copy.folder / ".snakemake")
    copy.config(TINY)
    copy.run()
    assert copy.results() == wanted


def test_damaged_records_of_snakemake_stop_no_run(copy):
    """Those of finished jobs and of interrupted ones; and what was interrupted is made again."""
    records = sorted((copy.folder / ".snakemake/metadata").iterdir())
    garbage = [b"", b"\xff\xfe", b"[1]", b'{"rule": 3}', b'{"rule": "x"', b"null"]
    for record, content in zip(records, garbage, strict=False):
        record.write_bytes(content)
    records[6].unlink()
    records[6].mkdir()
    model = copy.folder / "results/models/m.safetensors"
    name = base64.urlsafe_b64encode(b"results/models/m.safetensors").decode()
    (copy.folder / ".snakemake/incomplete" / name).write_bytes(b"\xff")
    (copy.folder / "results/jobs/construct_model/m.json").unlink()  # as a job does that begins
    model.write_bytes(model.read_bytes()[:100])
    output = copy.run("-n")
    assert output.count("was damaged, and is removed; no result is lost") == 8
    assert "Traceback" not in output
    copy.run("models")
    assert copy.planned("--", "models") == set()
    assert model.stat().st_size > 100


@pytest.mark.slow
def test_a_job_that_is_killed_says_so(copy):
    path = "src/gamecircuits/pipeline/stages/construct_model.py"
    kill = "    import os\n    os.kill(os.getpid(), 9)\n"
    copy.change(path, "    write_model(", f"{kill}    write_model(")
    output = copy.run("models", check=False)
    reason = "error: the job was stopped by SIGKILL, probably for want of memory"
    assert output.index(reason) < output.index("Failed construct_model")
    assert "  (more in results/logs/construct_model/" in output


def flip_in_the_middle(content: bytes) -> bytes:
    """One byte of a column's data, near the start of the file."""
    return content[:40] + bytes([content[40] ^ 1]) + content[41:]


def test_lost_and_damaged_files_are_made_again(copy):
    """And nothing is removed before it is made again; a dry run names the same jobs."""
    wanted = copy.results()
    (copy.folder / "results/masks/b/shard-00000.parquet").unlink()
    (copy.folder / "results/figures/displacement.png").unlink()
    damage = {
        "results/games/a/shard-00001.parquet": lambda content: content[:-100],
        "results/models/m.safetensors": lambda content: content[: len(content) // 2],
        "results/metrics/whole/u.parquet": lambda content: b"",
        "results/experiments/e.parquet": flip_in_the_middle,
        "results/figures/experiments/e.parquet": flip_in_the_middle,
        "results/games/b/shard-00000.parquet": lambda content: content[:-9] + b"x" + content[-8:],
        "results/tables/claims.parquet": flip_in_the_middle,
        "results/tables/metrics.csv": lambda content: content.replace(b"0.5", b"0.4", 1),
        "results/figures/displacement.svg": lambda content: content + b" ",
        "results/config.html": lambda content: b"",
    }
    for path, harm in damage.items():
        (copy.folder / path).write_bytes(harm((copy.folder / path).read_bytes()))
    output = copy.run("-n")
    assert output.count("is damaged, or was changed by hand") == len(damage)
    assert all((copy.folder / path).exists() for path in damage), "a dry run changes nothing"
    planned = copy.planned()
    assert planned >= {"generate_games:a:1", "construct_model:m", "evaluate_model:whole:u"}
    assert planned >= {"compute_masks:b:0", "plot_metrics:displacement", "describe_run"}
    assert "generate_games:a:0" not in planned
    copy.run()
    assert copy.results() == wanted
    assert copy.planned() == set()


@pytest.mark.slow
def test_files_of_another_run_are_not_used(copy, tmp_path):
    """Put in place of ours, with Snakemake's records intact, they are found and made again."""
    wanted = copy.results()
    other = Project(tmp_path / "other", {**TINY, "seed": 1})
    other.run("masks")
    ours, theirs = copy.folder / "results", other.folder / "results"
    foreign = {
        "games/a/shard-00001.parquet": ours / "games/a/shard-00000.parquet",  # another number
        "games/b/shard-00000.parquet": ours / "games/a/shard-00000.parquet",  # another game
        "games/a/shard-00000.parquet": theirs / "games/a/shard-00000.parquet",  # another seed
        "masks/a/shard-00000.parquet": theirs / "masks/a/shard-00000.parquet",
    }
    for path, source in foreign.items():
        shutil.copy(source, ours / path)
    for look in (["-n"], ["-S"], ["--touch"], ["--list-rules"], ["--unlock"]):
        output = copy.run(*look)
        for path in foreign:
            assert f"results/{path} is damaged, or was changed" in output, look
            assert (ours / path).exists(), look
    output = copy.run("--report=results/report.html", check=False)
    assert "must be made again; run first" in output
    copy.run()
    assert copy.results() == wanted


def flip(path: Path) -> None:
    path.write_bytes(flip_in_the_middle(path.read_bytes()))


def make_of_the_future(path: Path) -> None:
    """A damaged file whose time is ahead of every clock."""
    flip(path)
    os.utime(path, (1e10, 1e10))


def make_of_the_past(path: Path) -> None:
    """A damaged file that has its former time."""
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


EVERY = ["--rerun-triggers", "code", "input", "mtime", "params", "software-env"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "harm", "options"),
    [
        ("results/models/m.safetensors", make_of_the_future, []),
        ("results/games/b/shard-00000.parquet", make_of_the_past, []),
        ("results/figures/displacement.png", replace_by_folder, EVERY),
        ("results/models/u.safetensors", replace_by_link, ["--drop-metadata"]),
        ("results/jobs/construct_model/m.json", flip, ["--workflow-profile", "none"]),
        ("results/jobs", shutil.rmtree, ["--max-checksum-file-size", "0"]),
        ("results/games", shutil.rmtree, ["--rerun-triggers", "mtime"]),
        ("config/config.yaml", lambda path: path.write_text("seed: 3\n" + path.read_text()), EVERY),
    ],
)
def test_a_dry_run_names_the_jobs_that_run(copy, path, harm, options):
    """Whatever happened, and with whatever options; then all is as it was, and nothing is left."""
    wanted = copy.results()
    harm(copy.folder / path)
    planned = copy.planned(*options)
    begin = time.time_ns()
    time.sleep(0.02)
    copy.run(*options)
    logs = (copy.folder / "results/logs").rglob("*.log")
    names = [log.parent.name for log in logs if log.stat().st_mtime_ns > begin]
    ran = Counter(name for name in names if name in OURS)
    assert ran == Counter(job.split(":")[0] for job in planned)
    assert copy.planned(*options) == set()
    if not path.startswith("config"):
        assert copy.results() == wanted


def wait_until(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_aborted_run_is_taken_up_again(finished, tmp_path, how):
    project = Project(tmp_path / "aborted")
    process = project.start()
    wait_until(lambda: len(list((project.folder / "results").rglob("*.parquet"))) >= 4, process)
    os.killpg(process.pid, how)
    process.wait(60)
    project.run()
    assert project.results() == finished.results()


SHARDS = {
    "games": {
        "g": {
            "kind": "set_complement",
            "vocab_size": 40,
            "num_games": 500000,
            "games_per_shard": 100000,
        }
    }
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("undisturbed"), SHARDS)
    output = project.run("masks")
    line = r"^\d+ of 11 jobs after 0:\d\d:\d\d"
    assert re.search(line, output, flags=re.MULTILINE), "off a terminal, lines say how far it is"
    assert "11 of 11 jobs after" in output
    return project


@pytest.mark.slow
@pytest.mark.parametrize("kill", [os.killpg, os.kill], ids=["all", "only-snakemake"])
def test_a_run_killed_in_the_middle_of_shards_goes_on(undisturbed, tmp_path, kill):
    """Whatever is killed, and when: the same command goes on, and what is finished stays."""
    project = Project(tmp_path / "killed", SHARDS)
    results = project.folder / "results"

    def finished():
        """Those that Snakemake knows to be finished, by the time at which they were."""
        records = project.folder / ".snakemake/metadata"
        return {
            base64.urlsafe_b64decode(path.name).decode(): path.stat().st_mtime_ns
            for path in records.glob("*")
        }

    for at_least in (1, 3, 5):
        process = project.start("masks")
        wait_until(lambda n=at_least: len(finished()) >= n and any(results.rglob("*.tmp")), process)
        if at_least == 1:
            os.killpg(process.pid, signal.SIGSTOP)
            output = project.run("masks", check=False)
            assert "another run is at work in results; let it finish or stop it" in output
            assert "Unlocked" in project.run("--unlock")
            project.run("masks", "-n")
            os.killpg(process.pid, signal.SIGCONT)
        before = finished()
        kill(process.pid, signal.SIGKILL)
        process.wait()
    project.run("masks")
    assert finished().items() >= before.items()
    assert project.results() == undisturbed.results()


SEARCH = {
    "games": {"g": {"kind": "set_complement", "vocab_size": 5, "num_games": 100}},
    "searches": {
        "s": {
            "game": "g",
            "data": "dataset",
            "length": 2,
            "steps": 6000,
            "checkpoints": 20,
            "trials": 2,
            "test_games": 20,
            "space": {"d_model": 4, "d_k": 4, "d_v": 4, "batch_size": 4, "init_scale": [0.5, 1.0]},
            "variants": {"plain": {}, "norm": {"norm": "attention"}},
        }
    },
}


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_and_ends_with_the_same_bits(tmp_path):
    """On another number of cores, too."""

    def start(name):
        project = Project(tmp_path / name, SEARCH)
        often = ("interval: float = 20.0", "interval: float = 0.0")  # seconds between checkpoints
        project.change("src/gamecircuits/training/checkpoint.py", *often)
        return project

    whole, killed = start("whole"), start("killed")
    target = "results/searches/s/metrics.parquet"
    whole.run(target, "--cores", "1")
    process = killed.start(target)
    checkpoints = killed.folder / "results/checkpoints"
    wait_until(lambda: any(checkpoints.glob("*.safetensors")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed.run(target)
    logs = (killed.folder / "results/logs/train_trials").glob("*.log")
    assert any("goes on after step" in path.read_text() for path in logs)
    assert killed.results() == whole.results()
    assert not any("checkpoints" in name for name in killed.results())


def test_an_unknown_target_leaves_everything_as_it_is(copy):
    before = copy.results()
    for asked, meant in {
        "thoery": "theory",
        "results/figures/displacment.png": "results/figures/displacement.png",
    }.items():
        output = copy.run(asked, check=False)
        assert f"error: there is no target {asked!r}; did you mean {meant!r}?" in output
        assert "Job stats" not in output
    assert copy.results() == before


def test_a_wrong_config_leaves_everything_as_it_is(copy):
    before = copy.results()
    config = edited(games__b__window=9)
    config["models"]["m"]["max_illegal_rat"] = 1
    copy.config(config)
    lines = (copy.folder / "config/config.yaml").read_text().splitlines()
    place = f"config/config.yaml:{lines.index('    window: 9') + 1}"
    output = copy.run(check=False)
    assert "2 problems in the configuration:" in output
    assert (
        f"{place}: games.b.window = 9: allowed: an integer from 0 to vocab_size - 1 = 3" in output
    )
    assert "did you mean 'max_illegal_rate'?" in output
    assert "Traceback" not in output
    assert copy.results() == before
    (copy.folder / "config/config.yaml").write_text("games: [")
    output = copy.run(check=False)
    assert "config/config.yaml:1: not valid YAML" in output
    assert copy.results() == before


@pytest.mark.slow
def test_report(copy):
    environment = {**copy.environment(), "PYTHONPATH": str(copy.folder / "src")}
    command = [sys.executable, "-m", "gamecircuits.pipeline.run", "report", "--cores", "2"]
    run = subprocess.run(
        command, cwd=copy.folder, env=environment, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    page = (copy.folder / "results/report.html").read_text()
    for words in (
        *("Length generalization", "models/m.png", "branching_factor", "config.html"),
        *("claims.html", "Balanced models lose certainty"),
    ):
        assert words in page
    assert len(page) > 1_000_000  # everything is inside


def test_shards_beyond_the_number_of_games_are_removed(copy):
    """Readers of the folder would take them for games of the dataset."""
    config = copy_module.deepcopy(TINY)
    config["games"]["a"]["num_games"] = 20
    copy.config(config)
    extra = [copy.folder / f"results/{kind}/a/shard-00001.parquet" for kind in ("games", "masks")]
    assert all(path.exists() for path in extra)
    copy.run("games", "-n")
    assert all(path.exists() for path in extra)
    copy.run("games")
    assert not any(path.exists() for path in extra)
    assert (copy.folder / "results/games/a/shard-00000.parquet").exists()
