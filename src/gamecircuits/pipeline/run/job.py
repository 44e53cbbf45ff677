"""Run one job: `python -m gamecircuits.pipeline.run.job TASK [THREADS]`.

TASK is a file that the plan wrote (gamecircuits.pipeline.plan). The files that the job reads are
compared with the records of the jobs that made them; when it is done it leaves a record of its own.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from gamecircuits.errors import ArtefactError, GamecircuitsError, StorageError
from gamecircuits.pipeline.provenance import (
    PACKAGE,
    STAGES,
    VERIFIED,
    check_code,
    is_machinery,
    job_digest,
)
from gamecircuits.pipeline.run.lock import lock_job
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.variables import fix_variables
from gamecircuits.storage.files import REPAIR, Record, check_recorded, file_digest, write_files


def run_job(task: dict, threads: int = 1, *, is_alone: bool = False) -> None:
    """Check what the job reads, do it, and record what it wrote.

    Args:
        task: content of the file.
        threads: how many the job may use.
        is_alone: nothing else ran in this process, so that what was loaded is the job's.
    """
    job, record = json.loads(task["job"]), Path(task["record"])
    lock_job()
    check_code(job, task["closure"], task["source"])
    try:
        for files in task["reads"].values():
            for path, made_by, digest in files:
                check_input(path, made_by, digest)
    except ArtefactError:  # what the plan believes unread is not so: the next one reads all files
        record.parents[2].joinpath(VERIFIED).unlink(missing_ok=True)
        raise
    try:
        record.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{record} cannot be replaced ({error.strerror}); remove it") from None
    arguments = {
        argument: files[0][0] if argument in task["single"] else [path for path, *_ in files]
        for argument, files in task["reads"].items()
    }
    arguments |= job["settings"] | task["writes"] | task["scratch"] | {"job": task["job"]}
    if threads > 1:
        arguments["threads"] = threads
    function = getattr(importlib.import_module(f"{STAGES}.{job['stage']}"), job["stage"])
    function(**arguments)
    if is_alone:
        functions = sys.modules.get(f"{PACKAGE}.storage.functions")
        theirs: set[str] = getattr(functions, "IMPORTED", set())  # by somebody's own function
        check_modules(sys.modules.keys() - theirs, task["closure"])
    results = record.parents[2]
    files = {os.path.relpath(path, results): file_digest(path) for path in task["files"]}
    content = Record(job, job_digest(task["job"]), files)._asdict()
    write_files({record: json.dumps(content, indent=1, sort_keys=True).encode()})


def check_input(path: str, record: str, digest: str) -> None:
    """Raise ArtefactError unless the file is as the job of this digest wrote it."""
    if check_recorded(path, record) != digest:
        raise ArtefactError(
            f"{path} was made by another configuration or other code than the plan's; {REPAIR}"
        )


def check_modules(loaded: Iterable[str], closure: Iterable[str]) -> None:
    """Raise AssertionError if code was loaded that the job lacks: its change would go unseen."""
    ours = {name for name in loaded if name.split(".")[0] == PACKAGE and not is_machinery(name)}
    unseen = sorted(ours - set(closure))
    assert not unseen, f"{', '.join(unseen)} was loaded by name; name it in pipeline/graph.py"


def main(argv: list[str], *, is_alone: bool = False) -> int:
    begin = time.monotonic()
    try:
        task = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
        if is_alone:
            fix_variables(json.loads(task["job"])["environment"], os.environ)
        run_job(task, *map(int, argv[1:]), is_alone=is_alone)
    except GamecircuitsError as error:
        log(f"error: {error}")
        return 1
    except KeyboardInterrupt as error:
        log(f"interrupted {error}".strip())
        return 130
    log(f"done in {time.monotonic() - begin:.1f} s, {_peak_memory()}")
    return 0


def _peak_memory() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return "memory unknown"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB at most"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], is_alone=True))
