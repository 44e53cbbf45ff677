"""Locks between processes, which end in every way."""

import signal
import subprocess
import sys

import pytest

from gamecircuits.pipeline.run.lock import is_at_work

pytest.importorskip("fcntl")
RUN = """
import os, sys
from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.run.lock import LOCK, lock_run
try:
    lock_run(sys.argv[1], lambda message: print(message, flush=True))
except GamecircuitsError as error:
    print(error, flush=True)
else:
    print(os.environ[LOCK], flush=True)
    sys.stdin.read()
"""
JOB = """
import sys
from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.run.lock import lock_job
try:
    lock_job()
except GamecircuitsError as error:
    print(error, flush=True)
else:
    print("works", flush=True)
    sys.stdin.read()
"""


NO_LOCKS = """
import errno, fcntl
def lockf(*arguments):
    raise OSError(errno.ENOLCK, "no locks available")
fcntl.lockf = lockf
"""


@pytest.fixture
def start(tmp_path):
    """Start a process that waits for its end; it, and the first line that it prints."""
    processes = []

    def start(code, lock=None):
        process = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "results/.lock"],
            env={"PYTHONPATH": ":".join(sys.path), **({"GAMECIRCUITS_LOCK": lock} if lock else {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_second_run_is_refused_until_the_first_ends(start, tmp_path):
    first, lock = start(RUN)
    refused = f"another run is at work in {tmp_path}/results; let it finish or stop it"
    assert start(RUN)[1].startswith(refused)
    kill(first)
    assert start(RUN)[1] not in (lock, "")
    assert start(RUN)[1].startswith(refused)


def test_a_run_at_work_is_seen_and_keeps_its_lock(start, tmp_path):
    path = str(tmp_path / "results/.lock")
    assert not is_at_work(path)
    first, _ = start(RUN)
    assert is_at_work(path)
    assert start(RUN)[1].startswith("another run is at work in "), "asking changes nothing"
    kill(first)
    assert not is_at_work(path)
    assert " " in start(RUN)[1], "nor does asking where none is at work"


def test_a_run_waits_for_the_jobs_of_a_killed_one(start):
    first, lock = start(RUN)
    jobs = [start(JOB, lock) for _ in range(2)]
    assert [said for _, said in jobs] == ["works"] * 2
    kill(first)
    second, said = start(RUN)
    assert said.startswith("Waiting for jobs in ")
    assert start(RUN)[1].startswith("another run is at work in ")
    kill(jobs[0][0])
    jobs[1][0].communicate()  # ends by itself
    assert second.stdout.readline().endswith("/results/.lock\n")


def test_a_job_that_comes_too_late_does_not_begin(start):
    first, lock = start(RUN)
    kill(first)
    _, later = start(RUN)
    assert start(JOB, lock)[1] == "the run of this job was killed, and a later one has begun"
    assert start(JOB, later)[1] == "works"
    assert start(JOB)[1] == "works"  # by hand, without a run


def test_without_locks_a_job_still_knows_whether_its_run_is_over(start):
    """As on some network file systems; then runs are not kept apart."""
    _, lock = start(NO_LOCKS + RUN)
    assert start(NO_LOCKS + JOB, lock)[1] == "works"
    _, later = start(NO_LOCKS + RUN)
    assert start(NO_LOCKS + JOB, lock)[1].startswith("the run of this job was killed")
    assert start(NO_LOCKS + JOB, later)[1] == "works"


def test_a_job_may_begin_in_another_folder_than_its_run(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, lock = start(RUN.replace("sys.argv[1]", "'results/.lock'"))
    assert lock.split(" ", 1)[1] == f"{tmp_path}/results/.lock"
    monkeypatch.chdir("/")
    assert start(JOB, lock)[1] == "works"
