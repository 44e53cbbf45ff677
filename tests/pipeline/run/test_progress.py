"""Lines for logs and for those who wait."""

import io
import logging
import os
import time

from snakemake_interface_logger_plugins.common import LogEvent

from gamecircuits.pipeline.run import progress
from gamecircuits.pipeline.run.heartbeat import Heartbeat
from gamecircuits.pipeline.run.progress import Progress


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


def test_a_heartbeat_says_how_far_the_run_is_and_what_its_jobs_say(tmp_path):
    def wait_for(words):
        deadline = time.monotonic() + 10
        while words not in stream.getvalue():
            assert time.monotonic() < deadline, stream.getvalue()
            time.sleep(0.01)

    def happen(event, **values):
        record = logging.makeLogRecord({"event": event, **values})
        heartbeat.handle(record)

    old, new = tmp_path / "stage/old.log", tmp_path / "stage/new.log"
    old.parent.mkdir()
    old.write_text("of an earlier run\n")
    os.utime(old, (1, 1))
    stream = io.StringIO()
    heartbeat = Heartbeat(str(tmp_path), stream, pause=0.05)
    wait_for("0 jobs after 0:00:00\n")
    happen(LogEvent.JOB_FINISHED, job_id=1)
    happen(LogEvent.PROGRESS, done=1, total=4)
    wait_for("1 of 4 jobs after 0:00:00, about 0:00:0")
    new.write_text("first line\nhalf way\n")
    wait_for("; stage new: half way\n")
    happen(LogEvent.PROGRESS, done=4, total=4)
    assert stream.getvalue().endswith("4 of 4 jobs after 0:00:00\n")
    time.sleep(0.2)
    assert stream.getvalue().count("4 of 4") == 1
    assert "earlier" not in stream.getvalue()
