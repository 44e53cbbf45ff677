"""One run at a time in a results folder, and none beside the jobs that a killed one left behind.

The locks are the operating system's, which lets go of them however a process ends. They are two
bytes of one file: a run holds the first as long as it lives, and its jobs share the second. The
file names the run, so that a job whose run was killed before the job began does not begin. Where
there are no such locks (Windows, some network file systems) runs are not kept apart.
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
    return False


def lock_run(path: str, log: Callable[[str], None]) -> None:
    """Keep other runs out of the folder of this file until this process ends.

    Jobs of a run that was killed may still write: wait for them.
    """
    if fcntl is None:
        return
    folder = Path(path).parent
    with contextlib.suppress(OSError):  # no such locks; and if it is the folder, jobs will say so
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
        fcntl.lockf(file, fcntl.LOCK_UN, 1, JOBS)
        os.environ[LOCK] = f"{run} {path}"


def is_at_work(path: str) -> bool:
    """Whether another process holds the lock of a run; to be asked before `lock_run`."""
    try:
        with open(path, "rb+") as file:  # closing it lets go of the byte again
            return fcntl is not None and _is_held(file.fileno(), RUN)
    except OSError:
        return False


def _open_lock() -> tuple[int, bool] | None:
    """The lock of the run that this process belongs to, and whether that run still has it."""
    if fcntl is None or LOCK not in os.environ:
        return None
    run, path = os.environ[LOCK].split(" ", 1)
    try:
        file = os.open(path, os.O_RDONLY)
        return file, os.pread(file, len(run), 0) == run.encode()
    except OSError:
        return None


def check_run() -> None:
    """Raise GamecircuitsError if a later run than that of this process has begun.

    To be asked before anything is done for a job: Snakemake removes a job's files when it begins.
    """
    if (found := _open_lock()) and not found[1]:
        raise GamecircuitsError("the run of this job was killed, and a later one has begun")


def lock_job() -> None:
    """Let later runs wait for this process, if it is a job of a run; not if one has begun."""
    if found := _open_lock():
        with contextlib.suppress(OSError):
            fcntl.lockf(found[0], fcntl.LOCK_SH, 1, JOBS)
    check_run()
