"""What belongs to a job, and what does not."""

import json
import subprocess
import sys
import textwrap

import pytest

from gamecircuits.kinds import list_modules
from gamecircuits.pipeline import provenance
from gamecircuits.pipeline.graph import STAGES
from gamecircuits.pipeline.provenance import (
    check_arguments,
    check_code,
    code_closure,
    describe_job,
    is_machinery,
    source_digest,
)

STAGE_MODULES = list_modules("gamecircuits.pipeline.stages")
FUNCTION = "import numpy as np\nfrom gamecircuits.tools import helper\n"
FUNCTION += "from gamecircuits.pipeline.run.progress import log\n"
FUNCTION += "def work(games, masks=(), *, seed, job, threads=1): pass\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A tiny package tree in place of our source, to edit freely."""

    def forget():
        provenance.forget_source()

    def write(name, text):
        path = tmp_path / "gamecircuits" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        forget()

    monkeypatch.setattr(provenance, "SOURCE", tmp_path)
    for folder in ("", "pipeline/", "pipeline/run/", "pipeline/stages/"):
        write(f"{folder}__init__.py", "")
    write("pipeline/stages/work.py", FUNCTION)
    write("pipeline/run/progress.py", "import yaml\nfrom gamecircuits import other\nlog = print\n")
    write("tools.py", "import json\nfrom gamecircuits import deep\ndef helper(): return 1\n")
    write("deep.py", "VALUE = 1\n")
    write("other.py", "VALUE = 1\n")
    yield write
    forget()


def describe(**settings) -> str:
    return describe_job("work", settings, [], {})


def test_closure_follows_imports_but_into_the_machinery(package):
    closure = code_closure("gamecircuits.pipeline.stages.work")
    assert list(closure) == sorted(closure)
    assert {name.removeprefix("gamecircuits.") for name in closure} == {
        *("gamecircuits", "pipeline.stages", "pipeline.stages.work", "tools", "deep"),
    }
    assert set(json.loads(describe())["versions"]) == {"numpy"}


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
        ("pipeline/stages/__init__.py", "SETTING = 1\n", True),
        ("pipeline/stages/work.py", FUNCTION.replace("pass", "return"), True),
        ("pipeline/run/progress.py", "def log(message): pass\n", False),
        ("pipeline/__init__.py", "SETTING = 1\n", False),
        ("__init__.py", "SETTING = 1\n", True),
        ("__init__.py", "def __getattr__(name):\n from gamecircuits import other\n", False),
        ("deep.py", "VALUE = 1\ndef __getattr__(name): return 2\n", True),
    ],
)
def test_what_changes_the_code(package, name, text, changes):
    before = describe()
    package(name, text)
    assert (describe() != before) == changes


def test_a_job_whose_code_was_changed_is_refused(package):
    job, closure = json.loads(describe()), code_closure("gamecircuits.pipeline.stages.work")
    source = source_digest(*closure)
    check_code(job, closure, source)
    package("deep.py", "VALUE = 1  # a comment\n")
    check_code(job, closure, source)
    package("deep.py", "VALUE = 2\n")
    with pytest.raises(ValueError, match="the source was changed after this job was planned"):
        check_code(job, closure, source)


def test_arguments_are_bound_when_the_plan_is_made(package):
    check_arguments("work", ["games", "seed", "job"])
    check_arguments("work", ["games", "masks", "seed", "job", "threads"])
    with pytest.raises(TypeError, match="stage work does not take sede"):
        check_arguments("work", ["games", "seed", "sede", "job"])
    with pytest.raises(TypeError, match="stage work needs games, seed"):
        check_arguments("work", ["job"])


def test_settings_are_compared_by_content(package):
    assert describe(a=1, b=2) == describe(b=2, a=1)
    assert describe(a=1) != describe(a=2)


@pytest.mark.parametrize("stage", STAGE_MODULES)
def test_a_stage_loads_nothing_outside_its_closure(stage):
    """Else an edit of what it loads would not rerun it."""
    code = f"import sys, gamecircuits.pipeline.stages.{stage}; print(*sys.modules)"
    environment = {"PYTHONPATH": str(provenance.SOURCE)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = {name for name in run.stdout.split() if name.split(".")[0] == "gamecircuits"}
    counted = {name for name in loaded if not is_machinery(name)}
    assert counted <= set(code_closure(f"gamecircuits.pipeline.stages.{stage}"))


def test_every_stage_has_a_record():
    assert set(STAGES) == set(STAGE_MODULES)
