"""What a cluster is asked for: memory, time, which jobs go together, and how they are watched.

`python -m gamecircuits.pipeline.run.cluster [CONFIG ...]` prints memory and time of its stages.
"""

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import DEFAULT_CONFIG, load_config
from gamecircuits.pipeline.plan import Job, Plan

# What is asked for, over what was measured (`Work`): other libraries and processors, a busy disk.
MEMORY_MARGIN, TIME_MARGIN = 1.5, 5
SNAKEMAKE_MEMORY = 300  # MiB of the Snakemake that runs jobs on a node
SNAKEMAKE_TIME = 60  # seconds that it takes to begin, from a slow disk

SHORT, SMALL = 30, 2500  # seconds, and MiB to ask for, of jobs that share a submission with others
LONGEST_CHECK = 180  # seconds between two looks of the Slurm plugin at its jobs, at most


def get_memory(job: Job, attempt: int = 1) -> int:
    """Memory to ask for, in MiB; more after each failure."""
    return attempt * math.ceil(SNAKEMAKE_MEMORY + MEMORY_MARGIN * job.work.memory)


def get_minutes(job: Job, attempt: int = 1) -> int:
    """Time to ask for, in minutes; more after each failure."""
    return attempt * math.ceil((SNAKEMAKE_TIME + TIME_MARGIN * job.work.seconds) / 60)


def get_group(job: Job) -> str | None:
    """The name that short jobs share which may be submitted as one; None for any other job.

    The name counts the long jobs on the way to this one: no long job can lie between two jobs of
    one name, so that no group waits for itself.
    """
    return None if _is_long(job) else f"short-{_count_long(job)}"


def _is_long(job: Job) -> bool:
    return job.work.seconds > SHORT or job.work.threads > 1 or get_memory(job) > SMALL


@cache
def _count_long(job: Job) -> int:
    """The most long jobs on one way to this job, without itself."""
    sources = {source for files in job.reads.values() for _, source in files}
    return max((_count_long(source) + _is_long(source) for source in sources), default=0)


def leave_job_step(arguments: list[str]) -> list[str] | None:
    """The arguments with which the Snakemake of a Slurm job does the job's work by itself.

    The plugin would have it start another Snakemake for each job of a group, one after the other.

    Returns:
        None where the plugin has not said so, or the arguments are these already.
    """
    step = ["--executor", "slurm-jobstep", "--jobs", "1"]
    for n in range(len(arguments)):
        if arguments[n : n + len(step)] == step and "SLURM_CPUS_PER_TASK" in os.environ:
            cores = os.environ["SLURM_CPUS_PER_TASK"]
            rest = [*arguments[:n], *arguments[n + len(step) :], "--cores", cores]
            if memory := os.environ.get("SLURM_MEM_PER_NODE"):
                rest += ["--resources", f"mem_mb={memory}"]
            return rest
    return None


def list_requests(plan: Plan) -> list[str]:
    """Rows of a table: for each stage its jobs, and the most MB and minutes that one asks for."""
    asked: dict[str, list[tuple[int, int]]] = {}
    for job in plan.jobs:
        asked.setdefault(job.stage.name, []).append((get_memory(job), get_minutes(job)))
    rows = ["| stage | jobs | MB | minutes |", "|---|---|---|---|"]
    for stage, requests in asked.items():
        memory, minutes = map(max, zip(*requests, strict=True))
        rows.append(f"| `{stage}` | {len(requests)} | {memory} | {minutes} |")
    return rows


def choose_status_command(settings: Any, log: Callable[[str], None]) -> None:
    """Let the Slurm plugin ask `squeue` for the state of jobs if accounting does not answer.

    It asks `sacct` otherwise, and would wait for ever.

    Args:
        settings: of Snakemake's executor; those of another one stay as they are.

    Raises:
        GamecircuitsError: neither command can tell which jobs have ended.
    """
    if not hasattr(settings, "status_command") or _ask("sacct", "-X", "-n", "-j", "1") is not None:
        return
    age = re.search(r"^MinJobAge += (\d+)", _ask("scontrol", "show", "config") or "", re.MULTILINE)
    if age is None or int(age[1]) <= LONGEST_CHECK:
        raise GamecircuitsError(
            "Slurm's accounting (sacct) does not answer, and squeue would miss jobs that end: "
            f"MinJobAge is {age[1] if age else 'not known'}, and must be over {LONGEST_CHECK} s; "
            "ask those who run the cluster for one or the other"
        )
    settings.status_command = "squeue"
    log("Slurm's accounting (sacct) does not answer; squeue says which jobs have ended.")


def _ask(*command: str) -> str | None:
    """What a command answers, None if it fails."""
    try:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


if __name__ == "__main__":
    try:
        plan = Plan(load_config(*(sys.argv[1:] or [DEFAULT_CONFIG])))
    except GamecircuitsError as error:
        sys.exit(str(error))
    print("\n".join(list_requests(plan)))
