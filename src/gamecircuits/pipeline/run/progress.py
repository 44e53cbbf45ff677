"""How far a stage is: lines for its log."""

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def log(message: str) -> None:
    """Write a line to standard error, which the workflow keeps in the stage's log."""
    print(message, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """As hours:minutes:seconds."""
    return str(timedelta(seconds=round(seconds)))


def read_count(message: str) -> tuple[int, int] | None:
    """What is done and what there is, of a message such as "step 1,000 of 2,000: ..."."""
    if found := re.search(r"(\d[\d,]*) of (\d[\d,]*)", message):
        done, total = (int(number.replace(",", "")) for number in found.groups())
        return (done, total) if done <= total else None
    return None


class Progress:
    """Counts what is done, and logs it at most once in `pause` seconds, and when all is done."""

    def __init__(self, total: int, noun: str, log: Callable[[str], None] = log, pause: float = 1):
        self.total, self.noun, self.log, self.pause = total, noun, log, pause
        self.done = 0
        self.begin = self.logged = time.perf_counter()

    def add(self, count: int) -> None:
        self.done += count
        now = time.perf_counter()
        if count == 0 or (now < self.logged + self.pause and self.done < self.total):
            return
        self.logged = now
        speed = self.done / (now - self.begin)
        left = clock((self.total - self.done) / speed)
        done = f"{self.done:,} of {self.total:,} {self.noun}"
        self.log(f"{done}, {speed:,.0f} {self.noun}/s, {left} left")


def with_progress(batches: "Iterable[pa.Table]", num_games: int) -> "Iterator[pa.Table]":
    """Pass tables of games through, and log how many of `num_games` are done."""
    progress = Progress(num_games, "games")
    for batch in batches:
        yield batch
        progress.add(batch.num_rows)
