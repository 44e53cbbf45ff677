"""The command `diagnose`, on files of ours and of others."""

import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from gamecircuits.pipeline.run import diagnose as command
from gamecircuits.pipeline.run.diagnose import WIDTH, main
from gamecircuits.transformer.constructions.construction import make_construction


def write_foreign(path, **settings):
    parameters = make_construction(**settings).parameters()
    save_file({name: np.ascontiguousarray(m) for name, m in parameters._asdict().items()}, path)


def test_command_line(tmp_path, capsys):
    path = tmp_path / "foreign.safetensors"
    write_foreign(path, kind="tied", vocab_size=8, critical_length=4.5)
    assert main([str(path), "--csv", str(tmp_path / "t.csv")]) == 0
    text, log = capsys.readouterr()
    assert ["critical_length", "5", "5", "tokens"] in [line.split() for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not log, "it takes no time, so there is nothing to wait for"
    assert (tmp_path / "t.csv").read_text().startswith("quantity,unit,length")
    assert main([str(path), "--norm", "attention", "--gain", "3"]) == 0
    assert capsys.readouterr().out.startswith("norm attention, gain 3, sink 0; on set_comp")
    assert main([str(tmp_path / "missing.safetensors")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_another_game(tmp_path, capsys):
    path = tmp_path / "foreign.safetensors"
    write_foreign(path, kind="balanced", vocab_size=8)
    on_game = [str(path), "--game", "windowed_complement", "--csv", str(tmp_path / "t.csv")]
    assert main([*on_game, "--set", "window=3"]) == 0
    text, _ = capsys.readouterr()
    assert "The theory speaks of set complement." in text
    assert ["first_failure_in_plays", "4", "tokens"] in [line.split() for line in text.splitlines()]
    assert "predicted" not in text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "predicted" not in (tmp_path / "t.csv").read_text().splitlines()[0]
    for given, message in (
        ([], "windowed_complement needs --set window=VALUE (last tokens"),
        (["--set", "window"], "--set window: allowed: KEY=VALUE"),
        (["--set", "window=["], "[ is not valid YAML"),
        (["--set", "window=9"], "window = 9 is not possible"),
        (["--set", "windw=3"], "did you mean 'window'?"),
        (["--set", "window=3", "--set", "vocab_size=5"], "allowed: 8, that of the model"),
    ):
        assert main([*on_game, *given]) == 1
        assert message in capsys.readouterr().err
    assert main([str(path), "--game", "set_complment"]) == 1
    assert "did you mean 'set_complement'?" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    path = tmp_path / "foreign.safetensors"
    write_foreign(path, kind="balanced", vocab_size=8)
    arguments = [sys.executable, "-m", "gamecircuits.pipeline.run.diagnose", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    process.stdout.close()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    slow = (b"reading the model, after ", b"length")
    assert all(line.startswith(slow) for line in errors.splitlines()), errors


def test_who_waits_is_told_how_long(monkeypatch):
    times, lines = iter([0.0, 10.0, 20.0]), []
    monkeypatch.setattr(command.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(command.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(command, "print", lambda line, **_: lines.append(line), raising=False)
    with pytest.raises(StopIteration):
        command._beat(["lengths 1 and 2: all contexts", "length 2 of 6"])
    assert lines == [
        "length 2 of 6, after 0:00:10, about 0:00:20 left",
        "length 2 of 6, after 0:00:20, about 0:00:40 left",
    ]
