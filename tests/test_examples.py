"""The examples in the documents print what the documents show."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest
from pipeline_tools import do_all

from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.notebook import read_outputs, run_notebook
from gamecircuits.pipeline.plan import Plan

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("document", ["README.md", "docs/start.md", "docs/theory.md"])
def test_examples_print_what_the_document_shows(document, monkeypatch):
    """A block of Python, followed by a block of text, is a program and its output."""
    monkeypatch.syspath_prepend(ROOT)  # where it is said to run
    text = (ROOT / document).read_text(encoding="utf-8")
    examples = re.findall(r"```python\n([^`]*)```\n+```text\n([^`]*)```", text)
    assert examples
    for program, shown in examples:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(program, document, "exec"), {})
        assert printed.getvalue() == shown


def test_the_first_program_has_eight_lines():
    text = (ROOT / "docs/start.md").read_text(encoding="utf-8")
    first = re.search(r"## Eight lines.*?```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(first[1].replace("\n\n", "\n").splitlines()) == 8


def test_the_tour_shows_what_its_cells_print(tmp_path, monkeypatch):
    """On the results of config/start.yaml. Else run: python3 run.py docs --only tour"""
    monkeypatch.chdir(ROOT)
    start = load_config("config/start.yaml", overrides={"results": str(tmp_path / "results/start")})
    do_all(Plan(start), "import_model", "construct_model", "evaluate_model", "collect_metrics")
    path = tmp_path / "docs/tour.ipynb"
    path.parent.mkdir()
    shutil.copy(ROOT / "docs/tour.ipynb", path)
    shown, found = path.read_text(encoding="utf-8"), run_notebook(path)
    assert read_outputs(found) == read_outputs(shown)
    assert found.count("image/png") == shown.count("image/png") == 1
