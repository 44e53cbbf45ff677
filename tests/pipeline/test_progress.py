from gamecircuits.pipeline.run import progress
from gamecircuits.pipeline.run.progress import Progress


def test_progress_is_told_once_a_second_and_at_the_end(monkeypatch):
    now, lines = 100.0, []
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    counter = Progress(10_000, lines.append, done=4000)  # of an earlier run
    for second, games in [(0.5, 500), (1.5, 1000), (2.0, 1000), (4.0, 500), (4.1, 3000)]:
        now = 100 + second
        counter.add(games)
    assert lines == [
        "5,500 of 10,000 games, 1,000 games/s, 0:00:04 left",
        "7,000 of 10,000 games, 750 games/s, 0:00:04 left",
        "10,000 of 10,000 games, 1,463 games/s, 0:00:00 left",
    ]
