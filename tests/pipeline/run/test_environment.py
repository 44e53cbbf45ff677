"""Odd machines: no home, another encoding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
SHOW = """
import os
from gamecircuits.pipeline.run.environment import provide_caches
provide_caches()
for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
    print(os.environ.get(name))
"""
PRINT = """
from gamecircuits.pipeline.run.environment import print_anywhere
print_anywhere()
print("\\u03b7 \\xfc")
"""


def run(code, **environment):
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, env=environment, capture_output=True, check=True).stdout


@pytest.fixture
def unwritable(tmp_path):
    """A folder that this user cannot write; root can write nearly everywhere."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o500)
    for path in (folder, Path("/proc/sys")):
        if path.is_dir() and not os.access(path, os.W_OK):
            return path
    pytest.skip("this user can write everywhere")


@pytest.mark.parametrize("missing", ["", "none/such"])
def test_without_a_home_caches_are_in_a_private_temporary_folder(unwritable, tmp_path, missing):
    lines = run(SHOW, HOME=str(unwritable / missing), TMPDIR=str(tmp_path)).decode().split()
    folder = tmp_path / f"gamecircuits-{os.getuid()}"
    assert lines == [str(folder), f"{folder}/numba", f"{folder}/matplotlib"]
    assert folder.stat().st_mode & 0o77 == 0


def test_a_temporary_folder_of_somebody_else_is_not_used(unwritable, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"gamecircuits-{os.getuid()}").symlink_to("theirs")
    lines = run(SHOW, HOME=str(unwritable), TMPDIR=str(tmp_path)).decode().split()
    assert Path(lines[0]).parent == tmp_path
    assert Path(lines[0]).name not in (f"gamecircuits-{os.getuid()}", "theirs")


def test_with_a_home_nothing_changes(tmp_path):
    assert run(SHOW, HOME=str(tmp_path / "new")).split() == [b"None"] * 3


@pytest.mark.parametrize(
    ("environment", "output"),
    [
        ({"PYTHONIOENCODING": "ascii"}, b"\\u03b7 \\xfc\n"),
        ({"PYTHONIOENCODING": "latin-1"}, b"\\u03b7 \xfc\n"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0"}, b"\\u03b7 \\xfc\n"),
        ({"PYTHONUTF8": "1"}, "η ü\n".encode()),
    ],
)
def test_letters_that_the_output_lacks_are_shown_by_number(environment, output):
    assert run(PRINT, **environment) == output
