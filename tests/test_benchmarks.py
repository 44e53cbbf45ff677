"""The record of the guard, which nobody would miss until a path is slow."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def guard(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "XLA_FLAGS"):
        monkeypatch.setenv(name, "1" if name != "XLA_FLAGS" else "")
    yield importlib.import_module("guard")
    for name in ("guard", "stages"):
        sys.modules.pop(name, None)


def test_every_path_of_the_guard_is_recorded(guard):
    record = guard.read_record()
    assert list(record) == list(guard.PATHS), "write it anew: benchmarks/guard.py --record"
    assert all(
        set(known) == {"ratio", "within"} and known["ratio"] > 0 and 1 < known["within"] <= 2
        for known in record.values()
    )


def test_the_guard_says_which_path_is_slower(guard, capsys):
    known = {"ratio": 2.0, "within": 1.5}
    assert not guard.compare("masks", 3.2, known)
    assert "SLOWER by 1.60 ×" in capsys.readouterr().out
    assert guard.compare("masks", 2.9, known)
    assert guard.compare("masks", 1.0, known)
    assert "faster by 2.00 ×" in capsys.readouterr().out
