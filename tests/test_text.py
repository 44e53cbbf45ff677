"""Text that git tracks, or would, has no traces of a merge and no lines that are too wide."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WIDTH = 100
GENERATED = (".csv", ".ipynb", ".lock", ".schema.json", "docs/index.html")
BINARY = (".png",)


def list_texts() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    names = [name for name in names.split("\0") if name and not name.endswith(BINARY)]
    return sorted(name for name in names if (ROOT / name).is_file())


def find_wide_lines(name: str, text: str) -> list[int]:
    """Numbers of lines over WIDTH, but for rows of Markdown tables and lines with an address."""
    return [
        number
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > WIDTH
        and "://" not in line
        and not (line.startswith("|") and name.endswith(".md"))
    ]


def has_conflict(text: str) -> bool:
    return bool(re.search(r"^(<<<<<<<|=======$|>>>>>>>)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", list_texts())
def test_text(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not has_conflict(text), f"{name} has conflict markers"
    if not name.endswith(GENERATED):
        assert find_wide_lines(name, text) == [], f"lines over {WIDTH} characters"


def test_the_checks_see_what_they_look_for():
    assert "tests/test_text.py" in list_texts()
    wide = "x" * (WIDTH + 1)
    assert find_wide_lines("a.md", f"{wide}\n| {wide} |\nhttps://{wide}\n{wide[1:]}") == [1]
    assert find_wide_lines("a.py", f"| {wide} |") == [1]
    assert has_conflict("a\n=======\nb")
    assert has_conflict("<<<<<<< HEAD")
    assert not has_conflict("Title\n========\n  =======")
