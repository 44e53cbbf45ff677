"""What the Snakefile needs: rules from stages, and what happens before, during and after a run."""

import logging
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import jinja2

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.graph import PARTS
from gamecircuits.pipeline.plan import Job, Plan
from gamecircuits.pipeline.provenance import PACKAGE, SOURCE
from gamecircuits.pipeline.run.cluster import get_group, get_memory, get_minutes
from gamecircuits.pipeline.run.heartbeat import Heartbeat
from gamecircuits.pipeline.run.lock import is_at_work, lock_node, lock_run
from gamecircuits.pipeline.stage import STAGES, Stage, as_list

DEFAULT_CONFIG = "config/config.yaml"
REPORT = (SOURCE / PACKAGE / "figures", SOURCE.parent / "workflow/report")  # captions
SHOWN = {
    "README.md": "what each file holds",
    "figures/length_generalization.png": "the first figure to look at",
    "claims.html": "the theory, claim by claim",
}
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
        config = load_config(*(config_files or [DEFAULT_CONFIG]), overrides=overrides)
        self.plan, self.results = Plan(config), config.results
        self.is_main, self.makes_report = is_main, makes_report
        self._usable: set[Job] = set()  # when it was decided what is to be made

    def prepare(self) -> list[str]:
        """Tell Snakemake which results are up to date, by the times of the tasks.

        Returns:
            messages about results that are not to be used.
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
        self.plan.write_tasks(stale, only_new=is_beside)
        beside = [f"A run is at work in {self.results}; what follows is of this moment."]
        return beside * is_beside + _describe_stale(stale)

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

    def wildcard_constraints(self, stage: Stage) -> dict[str, str]:
        """The values of each name: a file has one rule, whatever the names are."""
        jobs = self._jobs_by_stage.get(stage.name, [])
        return {
            name: "|".join(sorted({job.names[name] for job in jobs})) or "(?!)"  # matches nothing
            for name in stage.wildcards
        }

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
        captions, templates = {}, jinja2.Environment(loader=jinja2.FileSystemLoader(REPORT))
        for job in self.plan.jobs:
            for path in job.files:
                if job.stage.shown and path.endswith((".png", ".html")):
                    assert job.work.caption is not None  # what is shown has one
                    named = SimpleNamespace(config=self.plan.config.raw, wildcards=job.names)
                    caption = templates.get_template(job.work.caption)
                    captions[path] = caption.render(snakemake=named)
        return captions

    # Hooks.

    def begin(self, logger: logging.Logger) -> None:
        """Before the first job: keep other runs out, and say how far this one is."""
        lock_run(f"{self.results}/.lock", logger.warning)
        if lost := self._usable - self._find_usable(self.plan.find_stale()):
            path = min(job.files[0] for job in lost)
            raise GamecircuitsError(f"a killed run's jobs have changed {path} just now; run again")
        self.plan.remove_leftovers()
        if not sys.stderr.isatty():
            logger.addHandler(Heartbeat(f"{self.results}/logs"))

    def _find_usable(self, stale: Mapping[Job, str]) -> set[Job]:
        """The jobs whose files are there, and as they should be."""
        jobs = set(self.plan.jobs) - set(stale)
        return {job for job in jobs if all(os.path.isfile(path) for path in job.files)}

    def describe_results(self) -> str:
        """What a finished run has to show."""
        lines = [f"The results are in {self.results}. To begin with:"]
        for path, holds in SHOWN.items():
            if Path(self.results, path).exists():
                lines.append(f"  {self.results}/{path}   {holds}")
        return "\n".join([*lines, "  python3 run.py report   makes one page of all figures"])

    def explain(self, logger: logging.Logger) -> None:
        """After a failure: name its cause if no log can."""
        if shutil.disk_usage(self.results).free < 1 << 20:  # then logs are cut off, too
            logger.error(f"The disk of {self.results} is full; free space and run again")


def _explain(job: Job, reason: str) -> str:
    """A line that names a file of the job, and why it is not to be used."""
    path = os.path.normpath(job.files[0])
    return f"  {reason}" if reason.startswith(f"{job.results}/") else f"  {path}: {reason}"


def _describe_stale(stale: Mapping[Job, str]) -> list[str]:
    if not stale:
        return []
    lines = [_explain(job, reason) for job, reason in list(stale.items())[:NAMED]]
    if len(stale) > NAMED:
        counts = Counter(job.stage.name for job in list(stale)[NAMED:])
        others = ", ".join(f"{name} {count}" for name, count in counts.items())
        lines.append(f"  and {len(stale) - NAMED} others ({others})")
    header = "These results are not what the plan would make; where needed they are made again:"
    return ["\n".join([header, *lines])]
