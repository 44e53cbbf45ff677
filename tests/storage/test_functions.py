"""Functions of other people's files: nothing runs too early, and errors are theirs."""

import pytest

from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.storage.functions import (
    IMPORTED,
    blame,
    call_function,
    check_arguments,
    find_function,
)

THEIRS = """\
import helper_beside_it
from dataclasses import dataclass

open("was_run", "w").close()

@dataclass
class Pair:
    left: int

def double(value, *, path=2):
    return Pair(path * value).left

def stub(value):
    raise NotImplementedError("problem 4")

def inner(value):
    return [1][value]

def outer(value):
    return inner(value)

def leave(value):
    raise SystemExit

def stop(value):
    raise KeyboardInterrupt

if __name__ == "__main__":
    raise AssertionError
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call a function of the file, which is in a folder beside its helper."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/theirs.py").write_text(THEIRS, encoding="utf-8")
    (tmp_path / "a/helper_beside_it.py").write_text("", encoding="utf-8")
    return lambda name, *arguments, **named: call_function(
        "a/theirs.py", name, find_function("a/theirs.py", name), *arguments, **named
    )


def test_a_function_is_found_without_running_the_file(call, tmp_path):
    digest = find_function("a/theirs.py", "double")
    assert not (tmp_path / "was_run").exists()
    assert call("double", 21) == 42
    assert call("double", 21, path=1) == 21  # the name of an argument of ours
    assert call("double", 21, "for which it has no place") == 42
    assert (tmp_path / "was_run").exists()
    assert "helper_beside_it" in IMPORTED
    assert "pytest" not in IMPORTED
    with open("a/theirs.py", "a", encoding="utf-8") as file:
        file.write("# more\n")
    assert find_function("a/theirs.py", "double") != digest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stub", "a/theirs.py:14: stub is not written yet: problem 4"),
        ("outer", "a/theirs.py:17: in inner: IndexError: list index out of range"),
        ("leave", "a/theirs.py:23: in leave: SystemExit"),
    ],
)
def test_an_error_is_told_with_its_line(call, name, message):
    with pytest.raises(GamecircuitsError) as error:
        call(name, 5)
    assert str(error.value) == message


def test_an_interrupt_tells_the_line_that_was_at_work(call):
    with pytest.raises(KeyboardInterrupt, match=r"^at a/theirs.py:26$"):
        call("stop", 1)


def test_a_wrong_call_and_a_wrong_result_are_told_with_the_line_of_the_function(call):
    with pytest.raises(GamecircuitsError, match=r"^a/theirs.py:13: stub cannot be called: TypeErr"):
        call("stub", 1, other=2)
    digest = find_function("a/theirs.py", "stub")
    assert str(blame("a/theirs.py", "stub", digest, "is wrong")) == "a/theirs.py:13: stub is wrong"


def test_what_cannot_be_found_is_named(call, tmp_path):
    with pytest.raises(
        ParameterError, match=r"path = 'b\.py' is not possible; allowed: a Python f"
    ):
        find_function("b.py", "double")
    with pytest.raises(ParameterError, match="inner, outer, leave, stop; did you mean 'do"):
        find_function("a/theirs.py", "duoble")
    (tmp_path / "b.py").write_text("x = 1\ndef f(:\n", encoding="utf-8")
    with pytest.raises(GamecircuitsError, match=r"^b\.py:2: SyntaxError: invalid syntax$"):
        find_function("b.py", "f")
    with pytest.raises(GamecircuitsError, match=r"a/theirs\.py was changed after this job was pla"):
        call_function("a/theirs.py", "double", 64 * "0", 1)


def test_a_file_that_fails_on_the_way_is_told_with_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.py").write_text("import nowhere_to_be_found\ndef f(): ...\n", encoding="utf-8")
    with pytest.raises(GamecircuitsError, match=r"^b\.py:1: ModuleNotFoundError: No module named"):
        call_function("b.py", "f", find_function("b.py", "f"))


def test_arguments_are_what_a_job_can_hold():
    check_arguments({"a": [1, 2.5, "x", None, {"b": True}]})
    for bad in (float("nan"), 1j):
        with pytest.raises(ParameterError, match="allowed: finite numbers, text"):
            check_arguments({"a": bad})
