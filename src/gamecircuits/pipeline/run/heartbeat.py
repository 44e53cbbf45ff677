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
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from gamecircuits.pipeline.run.progress import read_share

ENDED = r"CalledProcessError[\s\S]*(?:exit status (\d+)|died with \D*(\d+)>?)\.\s*$"


@dataclass
class _Running:
    """A job at work: its stage, its log, and when it began."""

    stage: str
    log: Path | None
    begin: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        return time.monotonic() - self.begin

    def left(self, expected: float | None) -> float | None:
        """Seconds by its own count of what is done, or else by those that such jobs take."""
        words = _read_lines(self.log)[-1:] if self.log else []
        if share := read_share("".join(words)):
            return self.spent * (1 / share - 1)
        return None if expected is None else max(expected - self.spent, 0.0)


class Heartbeat(logging.Handler):
    """Follows a run by Snakemake's messages, and says every few seconds how far it is.

    That is: the jobs that are done, how long that took, their rate, how long the others will take,
    and what the job that wrote to its log last said there. A job that has not begun is taken to
    need as long as others of its stage, in this run or else in earlier ones.

    Args:
        logs: folder of the jobs' logs.
        panel: its title has the line, where a terminal shows one; else lines are written.
    """

    def __init__(self, logs: str, stream=sys.stderr, pause: float = 5.0):
        super().__init__()
        self.logs, self.stream, self.pause = Path(logs), stream, pause
        self.panel: Any = None
        self.begin, self.since = time.monotonic(), time.time()
        self.done = self.total = 0
        self.jobs: Counter[str] = Counter()  # that have not begun, by stage
        self.running: dict[int, _Running] = {}
        self.seconds: dict[str, list[float]] = {}  # of finished jobs, by stage
        self.earlier: dict[str, list[float]] = {}
        threading.Thread(target=self._beat, daemon=True).start()

    def start(self, panel: Any = None) -> None:
        """The first job is about to begin."""
        self.panel, self.begin = panel, time.monotonic()
        self.pause = min(self.pause, 1.0) if panel else self.pause
        for path in self.logs.glob("*/*.log"):
            if found := re.match(r"done in ([\d.]+) s", "".join(_read_lines(path)[-1:])):
                self.earlier.setdefault(path.parent.name, []).append(float(found[1]))

    def emit(self, record: logging.LogRecord) -> None:
        event, values = getattr(record, "event", None), vars(record)
        if event == LogEvent.RUN_INFO:
            self.jobs = Counter(values["stats"])
            self.total = self.jobs.pop("total", 0)
        elif event == LogEvent.JOB_INFO:
            stage, logs = values["rule_name"], values["log"]
            self.jobs[stage] -= 1
            self.running[values["jobid"]] = _Running(stage, Path(logs[0]) if logs else None)
        elif event == LogEvent.JOB_ERROR:
            self.running.pop(values["jobid"], None)
        elif event == LogEvent.JOB_FINISHED:
            if job := self.running.pop(values["job_id"], None):
                self.seconds.setdefault(job.stage, []).append(job.spent)
        elif event == LogEvent.PROGRESS:
            self.done, self.total = values["done"], values["total"]
            if self.done == self.total:
                self._write()

    def _beat(self) -> None:
        while True:
            time.sleep(self.pause)
            if self.done < self.total or not self.total:
                self._write()

    def _write(self) -> None:
        spent = time.monotonic() - self.begin
        line = f"{self.done} of {self.total} jobs after" if self.total else "planning for"
        line += f" {clock(spent)}"
        if self.done:
            line += f", {self.done / spent * 60:.3g}/min"
        if self.done < self.total:
            left = self._left(spent)
            line += "" if left is None else f", about {clock(left)} left"
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
        running = [job.left(known.get(job.stage, usual)) for job in list(self.running.values())]
        ahead = [seconds for seconds in running if seconds is not None]
        if usual is None:
            usual = fmean(ahead) if ahead else None
        if usual is None:
            return None
        waiting = [known.get(stage, usual) * n for stage, n in list(self.jobs.items()) if n > 0]
        worked = sum(map(sum, self.seconds.values()))
        worked += sum(job.spent for job in list(self.running.values()))
        at_once = max(worked / spent, 1.0)  # jobs, on average so far
        return max([sum(waiting + ahead) / at_once, *ahead])

    def _last_words(self) -> str:
        """The newest line of the newest log of this run."""
        try:
            times = {path: path.stat().st_mtime for path in self.logs.glob("*/*.log")}
            newest = max(times, key=times.__getitem__)
            words = _read_lines(newest)
            if times[newest] < self.since or not words:
                return ""
            return f"; {newest.parent.name} {newest.stem}: {words[-1][:120]}"
        except (OSError, ValueError):
            return ""


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
    if shutil.disk_usage(log.parent).free < 1 << 20:  # then logs are cut off, too
        return f"the disk of {log.parent} is full; free space and run again"
    by = f" by {signal.Signals(ended_by).name}" if ended_by in list(signal.Signals) else ""
    memory = ", probably for want of memory" if ended_by == signal.SIGKILL else ""
    last = f'; the last it said was "{lines[-1]}"' if lines else ""
    return f"the job was stopped{by}{memory}{last}"


def _read_lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
