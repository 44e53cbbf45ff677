"""How far a whole run is, for those who have no terminal: Snakemake draws its bars only in one."""

import logging
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent


class Heartbeat(logging.Handler):
    """Follows a run by Snakemake's messages, and writes a line every few seconds.

    A line has the jobs that are done, how long that took, how long the others will take at this
    rate, and what the job that wrote to its log last said there.
    """

    def __init__(self, logs: str, stream=sys.stderr, pause: float = 5.0):
        super().__init__()
        self.logs, self.stream, self.pause = Path(logs), stream, pause
        self.begin, self.since = time.monotonic(), time.time()
        self.done = self.total = 0
        threading.Thread(target=self._beat, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == LogEvent.PROGRESS:
            self.done, self.total = vars(record)["done"], vars(record)["total"]
            if self.done == self.total:
                self._write()

    def _beat(self) -> None:
        while True:
            time.sleep(self.pause)
            if self.done < self.total or not self.total:
                self._write()

    def _write(self) -> None:
        spent = time.monotonic() - self.begin
        jobs = f"{self.done} of {self.total}" if self.total else "0"  # none has ended so far
        line = f"{jobs} jobs after {_clock(spent)}"
        if 0 < self.done < self.total:
            line += f", about {_clock(spent * (self.total / self.done - 1))} left"
        if self.done < self.total or not self.total:
            line += self._last_words()
        print(line, file=self.stream, flush=True)

    def _last_words(self) -> str:
        """The newest line of the newest log of this run."""
        try:
            times = {path: path.stat().st_mtime for path in self.logs.glob("*/*.log")}
            newest = max(times, key=times.__getitem__)
            words = newest.read_text(errors="replace").splitlines()
            if times[newest] < self.since or not words:
                return ""
            return f"; {newest.parent.name} {newest.stem}: {words[-1][:120]}"
        except (OSError, ValueError):
            return ""


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
