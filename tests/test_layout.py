"""Imports run one way: who may import whom."""

import ast
from pathlib import Path

import pytest

from gamecircuits.pipeline.provenance import PACKAGE, SOURCE, _digest_and_imports, source_file

# From the ground up; parts of one floor do not import each other.
FLOORS = (
    ("errors", "kinds", "parameters", "randomness"),
    ("storage",),
    ("games",),
    ("theory",),
    ("transformer",),
    ("analysis",),
    ("audits",),
    ("training",),
    ("claims", "experiments"),
    ("figures",),
    ("explorer",),
    ("pipeline",),
)
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
TOP = SOURCE / PACKAGE / "__init__.py"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in (SOURCE / PACKAGE).rglob("*.py")
    if path.name != "__init__.py"
)


def imported(module: str) -> list[str]:
    """First-party modules that a module imports, packages aside."""
    names = _digest_and_imports(module)[1]
    return [name for name in names if not str(source_file(name)).endswith("__init__.py")]


def part_of(module: str) -> str:
    return module.split(".")[1]


def test_every_part_has_a_floor():
    parts = {path.stem for path in (SOURCE / PACKAGE).iterdir() if path.stem[0] not in "_."}
    assert parts == set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_imports_lead_downward(module):
    own = part_of(module)
    for name in imported(module):
        other = part_of(name)
        assert other == own or FLOOR[other] < FLOOR[own] or FLOOR[own] == 0, f"{module} -> {name}"


def test_there_is_no_cycle():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for name in imported(module):
                visit(name, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_packages_run_no_code():
    """The whole package has short names, which are imported when they are asked for."""
    assert [node.name for node in ast.parse(TOP.read_text()).body[1:]] == ["__getattr__"]
    for path in {*(SOURCE / PACKAGE).rglob("__init__.py")} - {TOP}:
        text = Path(path).read_text(encoding="utf-8").strip()
        is_docstring = text.startswith('"""') and text.endswith('"""') and text.count('"""') == 2
        assert not text or is_docstring, path
