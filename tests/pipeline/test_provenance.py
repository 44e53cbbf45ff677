import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gamecircuits.pipeline import provenance
from gamecircuits.pipeline.provenance import code_closure, describe_job

STAGES = sorted(
    path.stem
    for path in (provenance.SOURCE / "gamecircuits" / "stages").glob("*.py")
    if path.stem not in ("__init__", "command")
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of nothing: a tiny package tree in place of our source, to edit freely."""

    def write(name, text):
        path = tmp_path / "gamecircuits" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        provenance._digest_and_imports.cache_clear()

    monkeypatch.setattr(provenance, "SOURCE", tmp_path)
    write("__init__.py", "")
    write("stages/__init__.py", "")
    write("stages/work.py", "import numpy as np\nfrom gamecircuits.tools import helper\n")
    write("tools.py", "import json\nfrom gamecircuits import deep\ndef helper(): return 1\n")
    write("deep.py", "VALUE = 1\n")
    write("other.py", "VALUE = 1\n")
    yield write
    provenance._digest_and_imports.cache_clear()


def test_closure_follows_imports(package):
    found = {
        name.removeprefix("gamecircuits.")
        for name in code_closure("gamecircuits.pipeline.stages.work")
    }
    assert found == {"gamecircuits", "stages", "stages.work", "tools", "deep"}
    assert set(json.loads(describe_job("work", {}))["versions"]) == {"numpy"}


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("deep.py", "VALUE = 2\n", True),
        ("deep.py", "VALUE = 1  # a comment\n", False),
        ("deep.py", '"""A docstring."""\n\nVALUE = (\n    1\n)\n', False),
        ("other.py", "VALUE = 2\n", False),
        ("tools.py", "from gamecircuits import deep, other\ndef helper(): return 1\n", True),
        (
            "tools.py",
            'import json\nfrom gamecircuits import deep\ndef helper():\n "x"\n return 1',
            False,
        ),
        ("stages/__init__.py", "SETTING = 1\n", True),
    ],
)
def test_what_changes_the_code(package, name, text, changes):
    before = describe_job("work", {})
    package(name, text)
    assert (describe_job("work", {}) != before) == changes


def test_settings_are_compared_by_content():
    assert describe_job("write_config", {"a": 1, "b": 2}) == describe_job(
        "write_config", {"b": 2, "a": 1}
    )
    assert describe_job("write_config", {"a": 1}) != describe_job("write_config", {"a": 2})


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_loads_nothing_outside_its_closure(stage):
    """Else an edit of what it loads would not rerun it."""
    code = f"import sys, gamecircuits.pipeline.stages.{stage}; print(*sys.modules)"
    environment = {"PYTHONPATH": str(provenance.SOURCE)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = {name for name in run.stdout.split() if name.split(".")[0] == "gamecircuits"}
    assert loaded <= code_closure(f"gamecircuits.pipeline.stages.{stage}")


def test_every_stage_has_a_rule_and_a_carrier():
    from gamecircuits.pipeline.plan import CARRIERS

    assert set(CARRIERS) == set(STAGES)
    rules = "".join(p.read_text() for p in (Path(__file__).parents[2] / "workflow/rules").iterdir())
    assert all(f"rule {stage}:" in rules for stage in STAGES)
