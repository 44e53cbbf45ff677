"""One run at a time in a results folder, and none beside the jobs that a killed one left behind.

The locks are the operating system's, which lets go of them however a process ends. They are two
bytes of one file. A run holds the first as long as it lives, and its jobs share the second. On a
cluster, the Snakemake that begins jobs on their node shares it, too. The file names the run, so
that a job whose run was killed before the job began does not begin. Where there are no such locks
(some network file systems) runs are not kept apart, but jobs still know whether a later run has
begun.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from gamecircuits.errors import GamecircuitsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # it is a module elsewhere

LOCK = "GAMECIRCUITS_LOCK"  # the environment variable that tells jobs their run and the file
RUN, JOBS = 0, 1  # bytes of the file


def _is_held(file: int, byte: int) -> bool:
    """Take a byte for this process alone, unless another process has it."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except (BlockingIOError, PermissionError):  # POSIX allows either
        return True
    except OSError:  # no such locks here
        return False
    return False


def lock_run(path: str, log: Callable[[str], None]) -> None:
    """Keep other runs out of the folder of this file until this process ends.

    Jobs of a run that was killed may still write: wait for them.
    """
    if fcntl is None:
        return
    folder = Path(path).parent
    with contextlib.suppress(OSError):  # jobs will say so
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # never closed: that would unlock it
        if _is_held(file, RUN):
            raise GamecircuitsError(
                f"another run is at work in {folder}; let it finish or stop it, then run again"
            )
        if _is_held(file, JOBS):
            log(f"Waiting for jobs in {folder} that a killed run has left behind ...")
            fcntl.lockf(file, fcntl.LOCK_EX, 1, JOBS)
        run = os.urandom(8).hex()
        os.pwrite(file, run.encode(), 0)
        os.fsync(file)  # so that other machines see it, too
        os.environ[LOCK] = f"{run} {os.path.abspath(path)}"
        fcntl.lockf(file, fcntl.LOCK_UN, 1, JOBS)


def is_at_work(path: str) -> bool:
    """Whether another process holds the lock of a run; to be asked before `lock_run`."""
    try:
        with open(path, "rb+") as file:  # closing it lets go of the byte again
            return fcntl is not None and _is_held(file.fileno(), RUN)
    except OSError:
        return False


def lock_job() -> None:
    """Let later runs wait for this process, if it is a job of a run.

    Raises:
        GamecircuitsError: a later run than that of this process has begun.
    """
    if fcntl is None or LOCK not in os.environ:
        return
    run, path = os.environ[LOCK].split(" ", 1)
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDONLY)  # never closed: that would unlock it
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_SH, 1, JOBS)
        if os.pread(file, len(run), 0) != run.encode():
            raise GamecircuitsError("the run of this job was killed, and a later one has begun")


def lock_node() -> None:
    """The same for the Snakemake that a run had started on a node of a cluster.

    To be called when it reads the Snakefile: it removes a job's files when the job begins, and
    when the job fails.
    """
    if LOCK not in os.environ:
        raise GamecircuitsError(
            f"{LOCK} is not set: the environment of a run must reach its jobs on the cluster"
        )
    lock_job()
