"""Grading: submissions that mean harm do none, and are reported."""

import csv
import os
import sys

import pytest
from test_checker import COURSE, SOLVED, STUBS, write

from checker.answer import Answer, Limits
from checker.grade import grade_folder
from checker.isolation import find_isolation
from checker.wrong import Wrong

HOSTILE = {
    "loops": ("while True: pass", "does not end when it is loaded"),
    "exits": ("import os; os._exit(0)", "the process of your function ended"),
    "forks": ("import os\nwhile True: os.fork()", "os.fork"),
    "allocates": ("x = bytearray(10**12)", "out of memory"),
    "reads": ("open(r'{folder}/good.py').read()", "may not open"),
    "solutions": ("open(r'{course}/solutions.py').read()", "may not open"),
    "deletes": ("import shutil; shutil.rmtree(r'{folder}')", "shutil.rmtree"),
    "writes": ("open(r'{folder}/new', 'w')", "may not open"),
    "kills": ("import os; os.kill(os.getppid(), 9)", "os.kill"),
    "connects": ("import socket; socket.create_connection(('192.0.2.1', 80))", "socket"),
    "calls": ("import subprocess; subprocess.run(['ls'])", "subprocess"),
    "foreign": ("import ctypes; ctypes.CDLL(None)", "ctypes"),
    "broken": ("def f(:", "is no Python: SyntaxError"),
    "deep": ("x = " + "-" * 100_000 + "1", "is no Python"),
    "coloured": ("raise ValueError('\\x1b[31m')", "ValueError: ?[31m"),
    "forges": (
        "import json, os\nwhile True:\n    for n in range(3, 9):\n"
        '        try: os.write(n, b\'{"error": [], "changed": 1}\\n\')\n'
        "        except OSError: pass",
        "",
    ),
    "floods": (
        "import os\nwhile True:\n    for n in range(3, 9):\n        try: os.write(n, b'[' * 999)\n"
        "        except OSError: pass",
        "",
    ),
}
POSIX_ONLY = {"calls", "foreign", "forks"}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Rows of the table by name, and the folder."""
    folder = tmp_path_factory.mktemp("submissions")
    for name, (pattern, _) in HOSTILE.items():
        text = pattern.replace("{folder}", str(folder)).replace("{course}", str(COURSE))
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "good.py").write_text(SOLVED, encoding="utf-8")
    (folder / "stubs").mkdir()
    (folder / "stubs/qualifying_problems.py").write_text(STUBS, encoding="utf-8")
    (folder / "link.py").symlink_to(folder / "good.py")
    assert grade_folder(folder, seed=1, seconds=4.0) == 0
    with open(folder / "grades.csv", newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}, folder


def test_good_submissions(graded):
    rows, _ = graded
    good = rows["good"]
    assert good["solved"] == "21"
    assert (good["width"], good["minimal width"], good["open"]) == ("14", "7", "1.000")
    assert 0.2 < float(good["time"]) < 5
    assert rows["stubs"]["solved"] == "0"
    assert rows["stubs"]["1 softmax"] == "not written yet"
    assert rows["link"]["1 softmax"] == "is no plain file"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_submissions(graded, name):
    if os.name == "nt" and name in POSIX_ONLY:
        pytest.skip("no such thing on Windows")
    rows, folder = graded
    assert rows[name]["solved"] == "0"
    assert HOSTILE[name][1] in rows[name]["1 softmax"]
    assert (folder / "good.py").exists()
    assert not (folder / "new").exists()


def test_folders_without_submissions(tmp_path, capsys):
    assert grade_folder(tmp_path / "none") == 2
    assert grade_folder(tmp_path) == 2
    assert "no submissions" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_the_kernel_hides_folders_and_the_network(tmp_path):
    """What the guard in Python refuses cannot be done without that guard either."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/solutions.py").touch()
    prefix, _ = find_isolation([tmp_path / "secret"], [sys.prefix])
    if not prefix:
        pytest.skip("unshare is not allowed here")
    text = f"""
import os, subprocess
subprocess.run(["umount", r"{tmp_path}/secret"], stderr=subprocess.DEVNULL)
seen = os.listdir(r"{tmp_path}/secret")
links = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
numbers = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
raise RuntimeError(f"{{seen}} {{links}} {{max(numbers) < 100}}")
"""
    (tmp_path / "own").mkdir()
    file = write(tmp_path / "own", text)
    with pytest.raises(Wrong, match=r"RuntimeError: \[\] \['lo'\] True"):
        Answer(file, "softmax", limits=Limits(prefix=prefix))
