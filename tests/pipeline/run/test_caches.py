"""Caches on machines where the home cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
SHOW = """
import os
from gamecircuits.pipeline.run.caches import provide_caches
provide_caches()
for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
    print(os.environ.get(name))
"""


def show(**environment):
    """The three variables, or None, that a process with this environment has then."""
    environment = {"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"], **environment}
    output = subprocess.check_output([sys.executable, "-c", SHOW], env=environment, text=True)
    return output.split()


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
    lines = show(HOME=str(unwritable / missing), TMPDIR=str(tmp_path))
    folder = tmp_path / f"gamecircuits-{os.getuid()}"
    assert lines == [str(folder), f"{folder}/numba", f"{folder}/matplotlib"]
    assert folder.stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("what", ["link", "link to nothing", "file"])
def test_a_temporary_folder_of_somebody_else_is_not_used(unwritable, tmp_path, what):
    place = tmp_path / f"gamecircuits-{os.getuid()}"
    if what == "link":
        (tmp_path / "theirs").mkdir()
    place.touch() if what == "file" else place.symlink_to("theirs")
    lines = show(HOME=str(unwritable), TMPDIR=str(tmp_path))
    assert Path(lines[0]).parent == tmp_path
    assert Path(lines[0]).name not in (place.name, "theirs")


def test_with_a_home_nothing_changes(tmp_path):
    assert show(HOME=str(tmp_path / "new")) == ["None"] * 3
