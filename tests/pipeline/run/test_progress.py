"""Lines for logs and for those who wait."""

import io
import logging
import time
import types

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from gamecircuits.pipeline.run import heartbeat, progress
from gamecircuits.pipeline.run.progress import Progress, read_count


def test_progress_is_told_once_a_second_and_at_the_end(monkeypatch):
    now, lines = 100.0, []
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    counter = Progress(6000, "games", lines.append)
    for second, games in [(0.5, 500), (1.5, 1000), (2.0, 1000), (4.0, 500), (4.1, 3000)]:
        now = 100 + second
        counter.add(games)
    assert lines == [
        "1,500 of 6,000 games, 1,000 games/s, 0:00:04 left",
        "3,000 of 6,000 games, 750 games/s, 0:00:04 left",
        "6,000 of 6,000 games, 1,463 games/s, 0:00:00 left",
    ]


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ("step 1,000 of 2,000: mean loss 0.1234 nats", (1000, 2000)),
        ("length 3 of 11", (3, 11)),
        ("1,500 of 6,000 games, 1,000 games/s, 0:00:04 left", (1500, 6000)),
        ("done in 4.0 s, 3 MiB at most", None),
        ("7 of 3", None),
        ("one of many, of course", None),
    ],
)
def test_counts_are_read_from_what_jobs_say(message, count):
    assert read_count(message) == count


class Run:
    """A run that a heartbeat follows, with a clock that the test turns."""

    def __init__(self, folder, monkeypatch, **jobs):
        self.now, self.stream, self.folder = 1000.0, io.StringIO(), folder
        monkeypatch.setattr(heartbeat.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(heartbeat.threading, "Thread", lambda **_: types.SimpleNamespace(
            start=lambda: None
        ))  # fmt: skip
        self.heartbeat = heartbeat.Heartbeat(self.stream)
        self.total, self.done = sum(jobs.values()), 0
        self.happen(LogEvent.RUN_INFO, stats={**jobs, "total": self.total})

    def happen(self, event, **values):
        self.heartbeat.handle(logging.makeLogRecord({"event": event, **values}))

    def begin(self, number, stage):
        """A job; its log."""
        log = self.folder / stage / f"{number}.log"
        log.parent.mkdir(exist_ok=True)
        self.happen(LogEvent.JOB_INFO, jobid=number, rule_name=stage, log=[str(log)])
        return log

    def end(self, number):
        self.done += 1
        self.happen(LogEvent.JOB_FINISHED, job_id=number)
        self.happen(LogEvent.PROGRESS, done=self.done, total=self.total)

    def after(self, seconds):
        """What is written when so many seconds have passed."""
        self.now += seconds
        before = len(self.stream.getvalue())
        self.heartbeat._write()
        return self.stream.getvalue()[before:].strip()


def test_a_heartbeat_tells_done_rate_and_time_left(tmp_path, monkeypatch):
    run = Run(tmp_path, monkeypatch, quick=3, slow=1)
    assert run.after(7) == "preparing for 0:00:07"
    run.heartbeat.start(str(tmp_path))
    run.begin(1, "quick")
    assert run.after(5) == "0 of 4 jobs after 0:00:05, time left not known yet"
    run.end(1)
    assert run.after(0) == "1 of 4 jobs after 0:00:05, 12/min, about 0:00:15 left"
    run.begin(2, "quick")
    log = run.begin(3, "slow")
    log.write_text("first line\nstep 5 of 100: half way\n", encoding="utf-8")
    run.after(1)
    log.write_text("step 10 of 100: on\n", encoding="utf-8")
    assert run.after(2) == (
        "1 of 4 jobs after 0:00:08, 7.5/min, about 0:00:36 left; slow 3: step 10 of 100: on, 2.5/s"
    ), "the longest job decides"
    for number in (2, 4):
        run.end(number)
    run.end(3)
    assert run.stream.getvalue().endswith("4 of 4 jobs after 0:00:08, 30/min\n")


def test_a_job_that_says_nothing_is_named(tmp_path, monkeypatch):
    run = Run(tmp_path, monkeypatch, loop=1, short=1)
    run.heartbeat.start(str(tmp_path))
    assert run.after(40).endswith("time left not known yet")
    run.begin(1, "loop")
    run.now += 20
    run.begin(2, "short")
    assert run.after(5).endswith("time left not known yet")
    assert run.after(10).endswith("time left not known yet; loop 1: no word for 0:00:35")


def test_earlier_runs_say_how_long_a_stage_takes(tmp_path, monkeypatch):
    for number, seconds in enumerate((30.0, 50.0)):
        (tmp_path / "train").mkdir(exist_ok=True)
        log = tmp_path / f"train/{number}.log"
        log.write_text(f"step 1 of 1\ndone in {seconds} s, 3 MiB at most\n", encoding="utf-8")
    run = Run(tmp_path, monkeypatch, train=2)
    run.heartbeat.start(str(tmp_path))
    run.begin(7, "train")
    assert run.after(10) == "0 of 2 jobs after 0:00:10, about 0:01:10 left"


def test_on_a_terminal_the_line_is_the_title_of_the_panel(tmp_path, monkeypatch):
    run = Run(tmp_path, monkeypatch, a=2)
    panel = types.SimpleNamespace(title="Workflow Progress")
    run.heartbeat.start(str(tmp_path), panel)
    run.begin(1, "a")
    run.now += 4
    run.end(1)
    assert run.after(0) == ""
    assert panel.title == "1 of 2 jobs after 0:00:04, 15/min, about 0:00:04 left"


def test_a_heartbeat_beats_by_itself():
    stream = io.StringIO()
    heartbeat.Heartbeat(stream, pause=0.02)
    deadline = time.monotonic() + 10
    while "preparing for 0:00:0" not in stream.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("log", "ended", "reason"),
    [
        ("done so far\nerror: the disk is full\n", "exit status 1", "the disk is full"),
        ("error: 1 FAILS:\n  details\n", "exit status 1", "1 FAILS:"),
        (
            "x\nTraceback (most recent call last):\n  File\nValueError: no η\n",
            "exit status 1",
            "ValueError: no η",
        ),
        (
            "step 1 of 2\n",
            "died with <Signals.SIGKILL: 9>",
            'the job was stopped by SIGKILL, probably for want of memory; the last it said was "'
            'step 1 of 2"',
        ),
        ("", "exit status 137", "the job was stopped by SIGKILL, probably for want of memory"),
        ("", "died with <Signals.SIGTERM: 15>", "the job was stopped by SIGTERM"),
        ("", "exit status 9", "the job was stopped"),
    ],
)
def test_the_reason_of_a_failed_job_comes_first(tmp_path, log, ended, reason):
    (tmp_path / "job.log").write_text(log, encoding="utf-8")
    said, logger = [], logging.Logger("run")
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger.addHandler(handler)
    logger.addFilter(heartbeat.Reasons(logger))
    verb = "returned non-zero " if "exit" in ended else ""
    command = f"RuleException:\nCalledProcessError in file \"x\":\nCommand 'y' {verb}{ended}."
    logger.error(command, extra={"event": LogEvent.ERROR})
    logger.error("Error in x", extra={"event": LogEvent.JOB_ERROR, "log": [f"{tmp_path}/job.log"]})
    assert said == [f"error: {reason}\n  (more in {tmp_path}/job.log)", "Error in x"]
    logger.error("another", extra={"event": LogEvent.ERROR})
    assert said[-1] == "another"
