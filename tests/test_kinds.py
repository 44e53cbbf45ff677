"""Kinds are found by their files, and no file is run to find them."""

import subprocess
import sys

from gamecircuits.experiments.experiment import EXPERIMENTS
from gamecircuits.kinds import Registry, list_modules, list_names, suggest


def test_public_modules_are_listed_without_being_imported(tmp_path, monkeypatch):
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("b", "a", "_helper"):
        (package / f"{name}.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    assert list_modules("some_package") == ["a", "b"]
    assert list_modules("gamecircuits.figures.experiments") == EXPERIMENTS.kinds()


def test_a_summary_is_the_first_line_of_the_module_or_else_of_the_class(tmp_path, monkeypatch):
    package = tmp_path / "other_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    code = 'from dataclasses import dataclass\n@dataclass\nclass {}:\n    """Of the class."""\n'
    (package / "one.py").write_text('"""Of the module.\n\nMore.\n"""\n' + code.format("One"))
    (package / "two.py").write_text(code.format("Two"))
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", "other_package", helpers=[])
    assert [registry.summary(kind) for kind in registry.kinds()] == [
        "Of the module.",
        "Of the class.",
    ]


def test_suggestions_do_not_mind_case_and_lists_have_an_end():
    assert suggest("Othelo", ["mnk", "othello"]) == "; did you mean 'othello'?"
    assert suggest("EMA", ["ema"]) == "; did you mean 'ema'?"
    assert suggest("x" * 10**6, ["mnk"]) == suggest(["x"], ["mnk"]) == ""
    assert list_names([]) == "none"
    assert list_names(map(str, range(32))).endswith("28, 29, and 2 more")


def test_parameters_cost_no_job_the_import_of_pydantic():
    code = (
        "import gamecircuits.games.game, gamecircuits.training.trial, sys;"
        "import gamecircuits.experiments.remedies; sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
