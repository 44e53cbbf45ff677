"""From a config to jobs: the text of every job, its files, and which of them are up to date.

For each job the plan writes a task, a small file that says all about it, which is an input of
Snakemake's rule. Its time of change tells Snakemake what to do: a task whose results are as they
should be is older than these, any other one is new. So whatever makes a result unusable (another
setting, other code, damage, a file of somebody else) has one consequence, and nothing needs to be
deleted. When a job is done it leaves a *record*: its text, and the digest of every file it wrote.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gamecircuits.errors import ArtefactError
from gamecircuits.pipeline import provenance
from gamecircuits.pipeline.config.named import Config
from gamecircuits.pipeline.graph import STAGES, find_loads
from gamecircuits.pipeline.provenance import (
    check_arguments,
    code_closure,
    describe_job,
    job_digest,
    source_digest,
)
from gamecircuits.pipeline.stage import File, Names, Paths, Stage, Work, as_list
from gamecircuits.storage.files import (
    check_recorded,
    file_digest,
    read_record,
    record_path,
    write_files,
    written_file,
)

HOUR = 3600  # seconds
GRAIN = 2_000_000_000  # ns: the coarsest clock of a file system
FIRST_FIGURE = ("plot_metrics", {"figure": "length_generalization"})  # is made before all others


@dataclass(frozen=True, eq=False)
class Job:
    """One job of the plan.

    Attributes:
        stage, names: which one.
        work: what it reads, and its settings.
        text: what makes its results.
        reads: files by argument, with the jobs that make them.
        closure: modules that it runs.
        results: the results folder.
    """

    stage: Stage
    names: Names
    work: Work
    text: str
    reads: dict[str, list[tuple[str, "Job"]]]
    closure: tuple[str, ...]
    results: str

    @cached_property
    def digest(self) -> str:
        return job_digest(self.text)

    @cached_property
    def label(self) -> str:
        """Its names as a file name."""
        return self.stage.label.format_map(self.names)

    def _fill(self, patterns: Mapping[str, Paths]) -> dict[str, Paths]:
        """Paths by argument, with the names of the job in them."""
        return {
            argument: [self.path(p) for p in paths] if isinstance(paths, list) else self.path(paths)
            for argument, paths in patterns.items()
        }

    def path(self, pattern: str) -> str:
        return f"{self.results}/{pattern.format_map(self.names)}"

    @cached_property
    def writes(self) -> dict[str, Paths]:
        """Paths by argument."""
        return self._fill(self.stage.writes)

    @cached_property
    def scratch(self) -> dict[str, str]:
        """Paths by argument, of files that outlive a job that fails, and no other."""
        return {argument: self.path(pattern) for argument, pattern in self.stage.scratch.items()}

    @property
    def files(self) -> list[str]:
        """All files that it writes."""
        return [path for paths in self.writes.values() for path in as_list(paths)]

    @property
    def inputs(self) -> list[str]:
        """All files that it reads."""
        return [path for files in self.reads.values() for path, _ in files]

    @property
    def record(self) -> str:
        """Where it says what it wrote."""
        return record_path(self.results, self.stage.name, self.label)

    @property
    def task(self) -> str:
        """Where the plan says what is to be done. Two configs never share one."""
        return f"{self.results}/.plan/{self.stage.name}/{self.label}-{self.digest}.json"

    def describe(self, reason: str | None) -> str:
        """Content of the task: all that the job needs to know, and why it is not up to date."""
        reads = {
            argument: [[path, job.record, job.digest] for path, job in files]
            for argument, files in self.reads.items()
        }
        single = [argument for argument, f in self.work.reads.items() if isinstance(f, File)]
        task = {
            "job": self.text,
            "closure": self.closure,
            "source": source_digest(*self.closure),
            "reads": reads,
            "single": single,
            "writes": self.writes,
            "files": self.files,
            "scratch": self.scratch,
            "record": self.record,
            "reason": reason,
        }
        return json.dumps(task, indent=1)


def with_sources(jobs: Iterable[Job]) -> set[Job]:
    """The jobs, and all that they read from, directly or not."""
    found: set[Job] = set()
    todo = list(jobs)
    while todo:
        job = todo.pop()
        if job not in found:
            found.add(job)
            todo += [source for files in job.reads.values() for _, source in files]
    return found


class Plan:
    """All jobs of a config."""

    def __init__(self, config: Config):
        self.config = config
        self._jobs: dict[tuple, Job] = {}
        self.jobs = [
            self.job(stage, **names) for stage in STAGES.values() for names in stage.each(config)
        ]

    def job(self, stage: Stage | str, **names: str) -> Job:
        """The job of a stage for these names."""
        stage = STAGES[stage] if isinstance(stage, str) else stage
        names = {name: names[name] for name in stage.wildcards}  # in the order of its paths
        key = (stage.name, *names.values())
        if key not in self._jobs:
            work = stage.work(self.config, **names)
            reads = {
                argument: [
                    self._locate(file) for file in (files if isinstance(files, list) else [files])
                ]
                for argument, files in work.reads.items()
            }
            check_arguments(
                stage.name,
                [*work.reads, *work.settings, *stage.writes, *stage.scratch, "job"]
                + ["threads"] * (work.threads > 1),
            )
            inputs = {name: [job.digest for _, job in files] for name, files in reads.items()}
            loads = [*work.loads, *find_loads(work.settings)]
            text = describe_job(stage.name, work.settings, loads, inputs)
            closure = code_closure(f"{provenance.STAGES}.{stage.name}", *loads)
            self._jobs[key] = Job(stage, names, work, text, reads, closure, self.config.results)
        return self._jobs[key]

    def _locate(self, file: File) -> tuple[str, Job]:
        job = self.job(file.stage, **dict(file.names))
        argument = file.argument or next(iter(job.stage.writes))
        paths = as_list(job.writes[argument])
        return next(path for path in paths if path.endswith(file.suffix)), job

    def files(self, part: str | None = None) -> list[str]:
        """All files of a part of the pipeline, or of the whole."""
        return [
            path
            for job in self.jobs
            if part is None or part in job.stage.parts
            for path in job.files
        ]

    @cached_property
    def urgent(self) -> set[Job]:
        """The jobs that the first figure waits for."""
        stage, names = FIRST_FIGURE
        return with_sources(j for j in self.jobs if (j.stage.name, dict(j.names)) == (stage, names))

    def find_stale(self) -> dict[Job, str]:
        """The jobs whose files, or some of them, are there but not to be used, with the reason.

        A file that has not changed (in size, times and inode) since it was last compared with its
        record is not read again.
        """
        memory = _Memory(f"{self.config.results}/{provenance.VERIFIED}")
        reasons = {job: _why_stale(job, memory) for job in self.jobs}
        memory.save()
        for job, path, _ in self.find_surplus_shards():
            reasons[job] = reasons[job] or f"{path} is left from a configuration with more games"
        return {job: reason for job, reason in reasons.items() if reason}

    def why_not_current(self, job: Job) -> str | None:
        """Why the files of a job are not to be used, or not there; None if they are as they should.

        It does not matter whether what they were made from is still there.
        """
        for path in job.files:
            if not os.path.lexists(path):
                return f"{path} is not there"
        reason = _why_stale(job, _Memory(f"{self.config.results}/{provenance.VERIFIED}"))
        return reason and f"{job.files[0]}: {reason}"

    def correct_times(self) -> None:
        """Set times of results that are ahead of the clock to now: Snakemake goes by times."""
        now = time.time()
        for path in (path for job in self.jobs for path in job.files):
            with contextlib.suppress(OSError):
                if os.lstat(path).st_mtime > now:
                    os.utime(path, (now, now), follow_symlinks=False)

    def write_tasks(self, stale: dict[Job, str], *, only_new: bool = False) -> None:
        """Write the tasks of all jobs; those of stale ones as of now, the others as of long ago.

        Args:
            only_new: leave those that are there as they are, since a run is at work with them.
        """
        for job in self.jobs:
            path, reason = Path(job.task), stale.get(job)
            if only_new and path.exists():
                continue
            if reason:  # a text that was never there: Snakemake knows those of before by digest
                reason = f"{reason} (seen at {time.time_ns()})"
            content = job.describe(reason).encode()
            try:
                is_there = path.read_bytes() == content
            except OSError:
                is_there = False
            if not is_there:
                write_files({path: content})
            if not reason and (not is_there or path.stat().st_mtime):
                os.utime(path, (0, 0))

    def remove_leftovers(self) -> None:
        """Remove what earlier runs of this plan left: tasks, temporary files, surplus shards.

        Only for the run that holds the lock. Nothing is touched but files that jobs of this plan,
        or of the same plan with more games, can have made. Tasks of the last hour stay: somebody
        may look at another plan.
        """
        tasks = {job.task for job in self.jobs}
        for path in Path(self.config.results, ".plan").glob("*/*"):
            with contextlib.suppress(OSError):  # it is gone, or no file
                if str(path) not in tasks and time.time() - path.stat().st_ctime > HOUR:
                    path.unlink()
        names: dict[str, set[str]] = {}
        for job in self.jobs:
            for name in (*job.files, *job.scratch.values(), job.record):
                names.setdefault(os.path.dirname(name), set()).add(os.path.basename(name))
        for folder, known in names.items():
            for path in Path(folder).glob(".*.tmp"):
                if written_file(path) in known:
                    path.unlink(missing_ok=True)
        for _, path, record in self.find_surplus_shards():
            path.unlink(missing_ok=True)
            record.unlink(missing_ok=True)

    def find_surplus_shards(self) -> Iterator[tuple[Job, Path, Path]]:
        """Shards beyond a game's number of games, which readers would take for its.

        Each with its record, after the job of the game's last shard, which is made again so that a
        run begins.
        """
        for stage in ("generate_games", "compute_masks"):
            for game in self.config.games.values():
                job = self.job(stage, game=game.name, shard=game.shards[-1])
                for path in sorted(Path(job.files[0]).parent.glob("shard-*.parquet")):
                    record = Path(job.record).with_name(f"{game.name}-{path.stem}.json")
                    if path.stem not in game.shards and record.is_file():
                        with contextlib.suppress(ArtefactError):  # then it is somebody else's
                            check_recorded(path, record)
                            yield job, path, record

    def find_others(self) -> list[str]:
        """Names of the stages whose results are there though the plan does not ask for them."""
        ours, results = {job.record for job in self.jobs}, Path(self.config.results)
        found = []
        for record in sorted(results.glob("jobs/*/*.json")):
            if str(record) not in ours:
                made = read_record(record)
                if made and any(results.joinpath(path).exists() for path in made.files):
                    found.append(record.parent.name)
        return found


class _Memory:
    """Digests of files, kept together with the size, times and inode that they were taken at."""

    def __init__(self, path: str):
        self.path = path
        self.known: dict[str, Any] = {}
        self.now: dict[str, list[str]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
            self.known = dict(json.loads(Path(path).read_text(encoding="utf-8")))

    def digest(self, path: str) -> str:
        found = os.stat(path)
        times = found.st_mtime_ns, found.st_ctime_ns  # a program can set the former, not the latter
        state = f"{found.st_size} {times[0]} {times[1]} {found.st_ino}"
        match self.known.get(path):
            case [before, str(digest)] if before == state:
                pass
            case _:
                begin = time.time_ns()
                digest = file_digest(path)
                if begin - max(times) < GRAIN:  # another change may have the same times
                    return digest
        self.now[path] = [state, digest]
        return digest

    def save(self) -> None:
        if self.now != self.known:
            write_files({self.path: json.dumps(self.now).encode()})


def _why_stale(job: Job, memory: _Memory) -> str | None:
    there = [path for path in job.files if os.path.lexists(path)]
    if not there:
        return None
    for path in there:
        if not os.path.isfile(path):
            return f"{path} is no file"
    record = read_record(job.record)
    if not record:
        return "nothing says what made it"
    if json.dumps(record.job, sort_keys=True, separators=(",", ":")) != job.text:
        return "made by another configuration or other code"
    if record.digest != job.digest:  # by which jobs know it
        return f"{job.record} is damaged, or was changed by hand"
    for path in there:
        if memory.digest(path) != record.files.get(os.path.relpath(path, job.results)):
            return f"{path} is damaged, or was changed by hand"
    return None
