"""What the Snakefile needs: rules from stages, and what happens before, during and after a run."""

import contextlib
import json
import logging
import os
import shlex
import shutil
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.figures.cards import choose_cards
from gamecircuits.kinds import suggest
from gamecircuits.pipeline.captions import make_renderer
from gamecircuits.pipeline.config.load import DEFAULT_CONFIG, load_config
from gamecircuits.pipeline.graph import PARTS
from gamecircuits.pipeline.plan import Job, Plan, with_sources
from gamecircuits.pipeline.provenance import SOURCE
from gamecircuits.pipeline.run.cluster import get_group, get_memory, get_minutes
from gamecircuits.pipeline.run.heartbeat import Heartbeat
from gamecircuits.pipeline.run.job import check_input
from gamecircuits.pipeline.run.lock import is_at_work, lock_node, lock_run
from gamecircuits.pipeline.run.snakemake_records import remove_damaged
from gamecircuits.pipeline.stage import STAGES, Stage, as_list
from gamecircuits.storage.tables import read_frame
from gamecircuits.training.hypotheses import VERDICTS

SHOWN = {
    "index.html": "to look at and play with: open it in a browser",
    "README.md": "what each file holds",
    "figures/length_generalization.png": "the first figure to look at",
    "claims.html": "the theory, claim by claim",
    "figures/hypotheses/forest.png": "what was claimed before the run, and what was found",
}
COMMANDS = (  # of run.py
    *("report", "figure", "diagnose", "audit", "export"),
    *("docs", "course", "test", "python"),
)
NAMED = 10  # stale results that are named one by one


class Workflow:
    """The plan of this call of snakemake, and the state of the results."""

    stages: ClassVar[list[Stage]] = list(STAGES.values())
    parts: ClassVar[list[str]] = PARTS

    def __init__(
        self,
        config_files: Iterable[str],
        overrides: Mapping[str, Any],
        *,
        is_main: bool,
        makes_report: bool,
    ):
        self.config_files = [_from_here(path) for path in config_files]
        files = self.config_files or [_from_here(DEFAULT_CONFIG)]
        config = load_config(*files, overrides=overrides)
        self.plan, self.results = Plan(config), config.results
        self.overrides, self.is_main, self.makes_report = overrides, is_main, makes_report
        self._usable: set[Job] = set()  # when it was decided what is to be made

    def prepare(self, targets: Iterable[str] = ()) -> list[str]:
        """Tell Snakemake which results are up to date, by the times of the tasks.

        Args:
            targets: of this call; none means all.

        Returns:
            messages about results that are not to be used, and about a disk that may be too small.
        """
        if not self.is_main:  # a job on a node of a cluster, whose run may be dead
            lock_node()
            return []
        stale = self.plan.find_stale()
        self._usable = self._find_usable(stale)
        if stale and self.makes_report:
            listed = "\n".join(_explain(job, reason) for job, reason in stale.items())
            raise GamecircuitsError(f"These results must be made again; run first:\n{listed}")
        is_beside = is_at_work(f"{self.results}/.lock")
        if not is_beside:
            self.plan.correct_times()
        self.plan.write_tasks(stale, only_new=is_beside)
        if is_beside:
            first = [f"A run is at work in {self.results}; what follows is of this moment."]
        else:
            damaged = remove_damaged(Path(".snakemake"))
            first = [f"{path} was damaged, and is removed; no result is lost." for path in damaged]
        messages = first + _describe_stale(stale) + self._describe_space(targets)
        if others := self.plan.find_others():
            messages.append(
                f"{self.results} also has results that this configuration does not ask for "
                f"({_list_counts(others)}); they stay as they are."
            )
        return messages

    def _describe_space(self, targets: Iterable[str]) -> list[str]:
        """Whether what is to be made may not fit on the disk."""
        wanted = {*map(os.path.relpath, targets), *targets} or {"all"}
        jobs = with_sources(
            job
            for job in self.plan.jobs
            if not wanted.isdisjoint(("all", job.stage.name, *job.stage.parts, *job.files))
        )
        need = sum(job.work.size for job in jobs - self._usable)
        folder = Path(self.results).absolute()
        free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.is_dir())).free
        if need <= free:
            return []
        return [
            f"Games and masks that are to be made take up to {need / 1e9:,.0f} GB, before "
            f"compression, and the disk of {self.results} has {free / 1e9:,.0f} GB left. "
            "What is finished when a disk is full stays, and the same command goes on."
        ]

    def check_targets(self, given: Namespace) -> None:
        """Raise GamecircuitsError for a rule or file that is asked for but not in the plan.

        Args:
            given: arguments of this call of snakemake.
        """
        names = [*self.parts, "all", "cards", *(stage.name for stage in self.stages)]
        files = self.plan.files()
        logs = [self.log(job.stage).format_map(job.names) for job in self.plan.jobs]
        known, places = {*names, *files, *logs}, {os.path.abspath(path): path for path in files}
        for target in map(str, [*given.targets, *given.until, *given.omit_from, *given.forcerun]):
            if target in COMMANDS:
                raise GamecircuitsError(
                    f"error: {target} is a command of run.py and stands first: run.py {target} ..."
                )
            path = target if os.path.isabs(target) else os.path.relpath(target)
            if target not in known and path not in known:
                meant = places.get(os.path.abspath(target), target)
                raise GamecircuitsError(
                    f"error: there is no target {target!r}"
                    f"{suggest(meant, [*names, *COMMANDS, *files])}\n"
                    f"The targets are all, {', '.join(self.parts)}; and any file that the "
                    f"configuration makes, as {files[0]}"
                )

    # Parts of rules.

    def job(self, stage: Stage, names: Mapping[str, str]) -> Job:
        return self.plan.job(stage, **dict(names))

    def outputs(self, stage: Stage, report: Callable) -> dict[str, list[str]]:
        """Patterns of the files of a stage; what the report shows is marked for it."""

        def mark(pattern: str) -> str:
            path = f"{self.results}/{pattern}"
            if stage.shown is None or not pattern.endswith((".png", ".html")):
                return path
            labels = {name: f"{{{name}}}" for name in stage.wildcards}
            return report(
                path,
                caption="workflow/report/figure.rst",
                category=stage.shown,
                labels=labels or {"page": pattern},
            )

        return {argument: [mark(p) for p in as_list(ps)] for argument, ps in stage.writes.items()}

    def list_cards(self) -> list[str]:
        """Images and pages that the report shows unless it is asked for others."""
        shown = [path for job in self.plan.jobs if job.stage.shown for path in job.files]
        pages = [path for path in shown if path.endswith(".html")]
        start = f"{self.results}/"
        figures = [p[len(start) : -4] for p in shown if p.endswith(".png")]
        return [f"{start}{path}.png" for path in choose_cards(figures)] + pages

    def wildcard_constraints(self, stage: Stage) -> dict[str, str]:
        """The values of each name: a file has one rule, whatever the names are."""
        jobs = self._jobs_by_stage.get(stage.name, [])
        values = {name: {job.names[name] for job in jobs} for name in stage.wildcards}
        if "shard" in values:  # Snakemake goes through a list of thousands for every job
            values["shard"] = {r"shard-\d{5}"}
        return {name: "|".join(sorted(found)) or "(?!)" for name, found in values.items()}

    @cached_property
    def _jobs_by_stage(self) -> dict[str, list[Job]]:
        found: dict[str, list[Job]] = {}
        for job in self.plan.jobs:
            found.setdefault(job.stage.name, []).append(job)
        return found

    def log(self, stage: Stage) -> str:
        return f"{self.results}/logs/{stage.name}/{stage.label}.log"

    def priority(self, stage: Stage, names: Mapping[str, str]) -> int:
        return int(self.job(stage, names) in self.plan.urgent)

    def resources(self, stage: Stage) -> dict[str, Callable]:
        """What a cluster is asked for; on one machine nothing is limited by it."""
        return {
            "cpus_per_task": lambda wildcards: self.job(stage, wildcards).work.threads,
            "mem_mb": lambda wildcards, attempt: get_memory(self.job(stage, wildcards), attempt),
            "runtime": lambda wildcards, attempt: get_minutes(self.job(stage, wildcards), attempt),
        }

    def group(self, stage: Stage, names: Mapping[str, str]) -> str | None:
        return get_group(self.job(stage, names))

    def captions(self) -> dict[str, str]:
        """Captions by the file that they belong to, if this call makes a report."""
        if not self.makes_report:
            return {}
        captions, render = {}, make_renderer(self.plan.config.raw)
        for job in self.plan.jobs:
            for path in job.files:
                if job.stage.shown and path.endswith((".png", ".html")):
                    assert job.work.caption is not None  # what is shown has one
                    captions[path] = render(job.work.caption, job.names)
        return captions

    # Hooks.

    def begin(self, logger: logging.Logger, heartbeat: Heartbeat, handlers: Iterable[Any]) -> None:
        """Before the first job: keep other runs out, and say how far this one is.

        Args:
            handlers: Snakemake's of its messages; one may draw bars in a panel of the terminal.
        """
        lock_run(f"{self.results}/.lock", logger.warning)
        # What is to be made was decided before the lock was held; jobs of a killed run may have
        # changed files since then.
        if lost := self._usable - self._find_usable(self.plan.find_stale()):
            path = min(job.files[0] for job in lost)
            raise GamecircuitsError(f"a killed run's jobs have changed {path} just now; run again")
        self.plan.remove_leftovers()
        panel = None
        for handler in handlers:
            if hasattr(handler, "live_display") and handler.console.is_interactive:
                panel = handler.live_display.get_renderable()
        heartbeat.start(f"{self.results}/logs", panel)

    def _find_usable(self, stale: Mapping[Job, str]) -> set[Job]:
        """The jobs whose files are there, and as they should be."""
        jobs = set(self.plan.jobs) - set(stale)
        return {job for job in jobs if all(os.path.isfile(path) for path in job.files)}

    def describe_results(self) -> str:
        """What a finished run has to show."""
        files = self.plan.files()
        lines = [self._describe_claims(), self._describe_hypotheses()]
        lines.append(f"The results are in {os.path.abspath(self.results)}:")
        for name, holds in SHOWN.items():
            path = f"{self.results}/{name}"
            if path in files and Path(path).exists():
                lines.append(f"  {path}   {holds}")
        command = ["python3", _from_here(SOURCE.parent / "run.py"), "report"]
        if self.config_files:
            command += ["--configfile", *self.config_files]
        if self.overrides:
            command.append("--config")
            for key, value in self.overrides.items():
                command.append(f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        lines.append(f"  {shlex.join(command)}   makes one page of all figures")
        return "\n".join(filter(None, lines))

    def _describe_claims(self) -> str:
        """How many claims hold, if this plan has some and they are checked."""
        checked = self._read_made("check_claims")
        if checked is None or self._read_made("confirm_claims") is None:
            return ""
        return (
            f"All {checked['claim'].nunique()} claims of the theory hold, in all "
            f"{len(checked)} random instances."
        )

    def _describe_hypotheses(self) -> str:
        """How many hypotheses have which verdict, if this plan has some and they are judged."""
        judged = self._read_made("check_hypotheses")
        if judged is None:
            return ""
        counts = judged["verdict"].value_counts()
        found = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts]
        return f"Of the hypotheses, {', '.join(found)}."

    def _read_made(self, stage: str) -> pd.DataFrame | None:
        """The table of a stage's job, if this plan has one and the table is as it should be."""
        for job in self.plan.jobs:
            if job.stage.name == stage:
                with contextlib.suppress(ArtefactError):
                    check_input(job.files[0], job.record, job.digest)
                    return read_frame(job.files[0])
        return None


class Epilogue(logging.Handler):
    """Has a run that finds everything done say what it has to show, too."""

    def __init__(self, flow: Workflow, logger: logging.Logger):
        super().__init__()
        self.flow, self.logger = flow, logger

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Nothing to be done"):
            self.logger.info(self.flow.describe_results())


def _from_here(path: str | Path) -> str:
    """The path as seen from here, if it is below."""
    found = os.path.relpath(path)
    return str(path) if found.startswith(os.pardir) else found


def _explain(job: Job, reason: str) -> str:
    """A line that names a file of the job, and why it is not to be used."""
    path = os.path.normpath(job.files[0])
    return f"  {reason}" if reason.startswith(f"{job.results}/") else f"  {path}: {reason}"


def _list_counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).items())


def _describe_stale(stale: Mapping[Job, str]) -> list[str]:
    if not stale:
        return []
    lines = [_explain(job, reason) for job, reason in list(stale.items())[:NAMED]]
    if len(stale) > NAMED:
        others = _list_counts(job.stage.name for job in list(stale)[NAMED:])
        lines.append(f"  and {len(stale) - NAMED} others ({others})")
    header = "These results are not what the plan would make; where needed they are made again:"
    return ["\n".join([header, *lines])]
