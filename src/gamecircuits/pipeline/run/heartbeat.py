"""How far a whole run is, and why a job failed: what Snakemake does not say by itself."""

import contextlib
import logging
import re
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from gamecircuits.pipeline.run.progress import clock, read_count

SILENCE = 30.0  # seconds after which a job that says nothing is named
ENDED = r"CalledProcessError[\s\S]*(?:exit status (\d+)|died with \D*(\d+)>?)\.\s*$"


class _Running:
    """A job at work: what it says in its log, and how fast it goes."""

    def __init__(self, stage: str, log: Path):
        self.stage, self.log, self.begin = stage, log, time.monotonic()
        self.first: tuple[float, int] | None = None  # when it told a count, and which
        self.words, self.told, self.rate = "", 0.0, 0.0
        self.left: float | None = None  # seconds

    @property
    def spent(self) -> float:
        return time.monotonic() - self.begin

    def look(self, expected: float | None) -> None:
        """Read the log; `expected` is how many seconds such jobs take."""
        self.words = "".join(_read_lines(self.log)[-1:])
        with contextlib.suppress(OSError):
            self.told = self.log.stat().st_mtime
        self.left = None if expected is None else max(expected - self.spent, 0.0)
        if count := read_count(self.words):
            done, total = count
            now = time.monotonic()
            self.first = self.first or (now, done)
            since, before = self.first if done > self.first[1] else (self.begin, 0)
            self.rate = (done - before) / max(now - since, 1e-3)
            self.left = (total - done) / self.rate if self.rate else self.left


class Heartbeat(logging.Handler):
    """Follows a run by Snakemake's messages, and says every few seconds how far it is.

    It says which jobs are done, how long that took, their rate, and how long the others will take.
    It adds what the job that wrote to its log last said there. A job that has not begun is taken to
    need as long as others of its stage, in this run or else in earlier ones.
    """

    def __init__(self, stream=sys.stderr, pause: float = 5.0):
        super().__init__()
        self.stream, self.pause = stream, pause
        self.panel: Any = None
        self.begin = time.monotonic()
        self.is_planning = True
        self.done = self.total = 0
        self.jobs: Counter[str] = Counter()  # that have not begun, by stage
        self.running: dict[int, _Running] = {}
        self.seconds: dict[str, list[float]] = {}  # of finished jobs, by stage
        self.earlier: dict[str, list[float]] = {}
        threading.Thread(target=self._beat, daemon=True).start()

    def start(self, logs: str, panel: Any = None) -> None:
        """The first job is about to begin.

        Args:
            logs: folder of the jobs' logs, those of earlier runs too.
            panel: its title has the line, where a terminal shows one; else lines are written.
        """
        self.is_planning, self.panel, self.begin = False, panel, time.monotonic()
        self.pause = self.pause if panel is None else 1.0
        for path in Path(logs).glob("*/*.log"):
            if found := re.match(r"done in ([\d.]+) s", "".join(_read_lines(path)[-1:])):
                self.earlier.setdefault(path.parent.name, []).append(float(found[1]))

    def emit(self, record: logging.LogRecord) -> None:
        event, values = getattr(record, "event", None), vars(record)
        if event == LogEvent.RUN_INFO:
            self.jobs = Counter(values["stats"])
            self.total = self.jobs.pop("total", 0)
        elif event == LogEvent.JOB_INFO:
            self.jobs[values["rule_name"]] -= 1
            for log in values["log"]:  # one; targets such as `all` have none
                self.running[values["jobid"]] = _Running(values["rule_name"], Path(log))
        elif event == LogEvent.JOB_ERROR:
            self.running.pop(values["jobid"], None)
        elif event == LogEvent.JOB_FINISHED:
            if job := self.running.pop(values["job_id"], None):
                self.seconds.setdefault(job.stage, []).append(job.spent)
        elif event == LogEvent.PROGRESS:
            self.done = values["done"]  # its total counts jobs that --until leaves out
            if self.done == self.total:
                self._write()

    def _beat(self) -> None:
        while True:
            time.sleep(self.pause)
            if self.done < self.total or not self.total:
                self._write()

    def _write(self) -> None:
        spent = time.monotonic() - self.begin
        if self.is_planning:
            if not self.stream.isatty():  # there, something turns
                print(f"preparing for {clock(spent)}", file=self.stream, flush=True)
            return
        line = f"{self.done} of {self.total} jobs after {clock(spent)}"
        if self.done:
            line += f", {self.done / spent * 60:.3g}/min"
        if self.done < self.total:
            left = self._left(spent)
            line += ", time left not known yet" if left is None else f", about {clock(left)} left"
        if self.panel is not None:
            self.panel.title = line
            return
        if self.done < self.total:
            line += self._last_words()
        print(line, file=self.stream, flush=True)

    def _left(self, spent: float) -> float | None:
        """Seconds until the end, None if nothing is known about any job."""
        known = {stage: fmean(seconds) for stage, seconds in (self.earlier | self.seconds).items()}
        usual = fmean(known.values()) if known else None
        ahead, running = [], list(self.running.values())
        for job in running:
            job.look(known.get(job.stage, usual))
            if job.left is not None:
                ahead.append(job.left)
                known.setdefault(job.stage, job.spent + job.left)
        if not known:
            return None
        waiting = [
            known.get(stage, usual or 0.0) * n for stage, n in list(self.jobs.items()) if n > 0
        ]
        worked = sum(map(sum, self.seconds.values())) + sum(job.spent for job in running)
        at_once = max(worked / spent, 1.0)  # jobs, on average so far
        return max([sum(waiting + ahead) / at_once, *ahead])

    def _last_words(self) -> str:
        """What the job that wrote to its log last has said, and its rate; or who is long silent."""
        running = list(self.running.values())
        told = [job for job in running if job.words]
        if not told:
            silent = max(running, key=lambda job: job.spent, default=None)
            if silent is None or silent.spent < SILENCE:
                return ""
            return f"; {silent.stage} {silent.log.stem}: no word for {clock(silent.spent)}"
        job = max(told, key=lambda job: job.told)
        rate = f", {job.rate:,.{job.rate < 10:d}f}/s" if job.rate and "/s" not in job.words else ""
        return f"; {job.stage} {job.log.stem}: {job.words[:120]}{rate}"


def follow(logger: logging.Logger) -> Heartbeat:
    """Have the logger's messages followed, and the reasons of failures among them."""
    heartbeat = Heartbeat()
    logger.addHandler(heartbeat)
    logger.addFilter(Reasons(logger))
    return heartbeat


class Reasons(logging.Filter):
    """Has the reason of a failed job logged before Snakemake's description of the job.

    Snakemake logs first how its command ended, and then, from the same thread, which job it was.
    """

    def __init__(self, logger: logging.Logger):
        super().__init__()
        self.logger = logger
        self.signals: dict[int | None, int] = {}  # that ended a command, by thread

    def filter(self, record: logging.LogRecord) -> bool:
        event, values = getattr(record, "event", None), vars(record)
        if event == LogEvent.ERROR and (found := re.search(ENDED, record.getMessage())):
            self.signals[record.thread] = int(found[2] or 0) or int(found[1]) - 128  # as in shells
            return False  # what it says stands in the description, too
        if event == LogEvent.JOB_ERROR and values["log"]:
            log = values["log"][0]
            reason = explain_failure(Path(log), self.signals.pop(record.thread, None))
            self.logger.error(f"error: {reason}\n  (more in {log})")
        return True


def explain_failure(log: Path, ended_by: int | None) -> str:
    """Why a job failed, in one line.

    Args:
        log: what it left.
        ended_by: number of a signal, if there was one.
    """
    lines = [line for line in _read_lines(log) if line.strip()]
    for line in reversed(lines):
        if line.startswith("error: "):
            return line.removeprefix("error: ")
    if "Traceback (most recent call last):" in lines:
        return lines[-1]
    # Where the disk is full, logs are cut off, too.
    if log.parent.is_dir() and shutil.disk_usage(log.parent).free < 1 << 20:
        return f"the disk of {log.parent} is full; free space and run again"
    by = f" by {signal.Signals(ended_by).name}" if ended_by in list(signal.Signals) else ""
    memory = ", probably for want of memory" if ended_by == signal.SIGKILL else ""
    last = f'; the last it said was "{lines[-1]}"' if lines else ""
    return f"the job was stopped{by}{memory}{last}"


def _read_lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    return []
