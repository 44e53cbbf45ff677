"""How many games are done, how fast, and how long the others will take."""

import time
from collections.abc import Callable
from datetime import timedelta


class Progress:
    """Counts games; says so at most once in `pause` seconds, and when all are done.

    The `done` ones that were there before count as done, but not for the speed.
    """

    def __init__(self, total: int, say: Callable[[str], None], *, done: int = 0, pause: float = 1):
        self.total, self.say, self.pause = total, say, pause
        self.before = self.done = done
        self.begin = self.said = time.perf_counter()

    def add(self, games: int) -> None:
        self.done += games
        now = time.perf_counter()
        if games == 0 or (now < self.said + self.pause and self.done < self.total):
            return
        self.said = now
        speed = (self.done - self.before) / (now - self.begin)
        left = timedelta(seconds=round((self.total - self.done) / speed))
        self.say(f"{self.done:,} of {self.total:,} games, {speed:,.0f} games/s, {left} left")
