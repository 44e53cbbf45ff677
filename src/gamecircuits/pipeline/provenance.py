"""Which config, code and library versions made a file, carried inside the file itself.

A *job* is a JSON text: the stage, its settings, digests of the jobs that made its inputs, a digest
of the code it runs, and the versions of the libraries that this code imports. Snakemake receives it
as the rule's only parameter (so a change of any of it reruns the job), the stage receives it as an
argument and checks its inputs by it, and the file carries it.
Comparing the text in a file with the text the workflow expects therefore answers "is this file
what the present config and code would make?" without any record kept elsewhere.
"""

import ast
import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import packages_distributions, version
from pathlib import Path

from gamecircuits.errors import ArtefactError
from gamecircuits.storage.files import repair_command

PACKAGE = "gamecircuits"
SOURCE = Path(__file__).resolve().parents[2]
FORMAT = 1  # raise when the layout of any file changes without its code changing


def source_file(module: str) -> Path | None:
    """File of a first-party module or package, None when there is no such module."""
    path = SOURCE.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _parse(path: Path) -> ast.Module:
    """The syntax tree without docstrings: comments and documentation change no result."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in ast.walk(tree):
        match node:
            case (
                ast.Module(body=[ast.Expr(ast.Constant(str())), *rest])
                | ast.ClassDef(body=[ast.Expr(ast.Constant(str())), *rest])
                | ast.FunctionDef(body=[ast.Expr(ast.Constant(str())), *rest])
            ):
                node.body = rest
    return tree


@functools.cache
def _digest_and_imports(module: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """Digest of a module's code, the first-party modules and the libraries that it imports."""
    path = source_file(module)
    if path is None:
        raise ModuleNotFoundError(f"no first-party module {module!r} under {SOURCE}")
    tree = _parse(path)
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ImportError(f"{path}:{node.lineno}: write imports in full, not relatively")
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    ours = {name for name in names if name.split(".")[0] == PACKAGE}
    first_party = set()
    for name in ours | {module}:  # importing a.b.c also runs a and a.b
        parts = name.split(".")
        first_party.update(".".join(parts[:n]) for n in range(1, len(parts) + 1))
    first_party = {name for name in first_party if source_file(name)} - {module}
    roots = {name.split(".")[0] for name in names - ours}
    libraries = frozenset(roots - sys.stdlib_module_names)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(first_party), libraries


def code_closure(*modules: str) -> frozenset[str]:
    """The given modules and all first-party modules that they import, directly or not."""
    found, todo = set(), list(modules)
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo.extend(_digest_and_imports(module)[1])
    return frozenset(found)


_distributions = functools.cache(packages_distributions)  # half a second for each call


@functools.cache
def _library_version(name: str) -> str | None:
    """Version of the distribution that provides a top-level module."""
    for distribution in _distributions().get(name, [])[:1]:
        return version(distribution)
    return None  # an optional library that is not installed


def code_digest(stage: str, modules: Iterable[str]) -> tuple[str, set[str]]:
    """Digest of all first-party code that a stage runs, and the libraries which that imports."""
    code, libraries = hashlib.sha256(), set()
    for module in sorted(code_closure(f"{PACKAGE}.pipeline.stages.{stage}", *modules)):
        digest, _, imported = _digest_and_imports(module)
        code.update(f"{module} {digest}\n".encode())
        libraries |= imported
    return code.hexdigest()[:16], libraries


def describe_job(
    stage: str,
    settings: dict,
    modules: Iterable[str] = (),
    inputs: Mapping[str, list[str]] | None = None,
) -> str:
    """Return the job text of a stage.

    Args:
        stage: name of the module in gamecircuits.pipeline.stages.
        settings: all else that the stage's result depends on, in JSON types.
        modules: those that the stage loads by name (a game, a construction, a figure).
        inputs: for each of the stage's input options, the jobs that must have made the files.
    """
    code, libraries = code_digest(stage, modules)
    versions = {name: _library_version(name) for name in sorted(libraries)}
    job = {
        "stage": stage,
        "settings": settings,
        "inputs": {name: list(map(job_digest, jobs)) for name, jobs in (inputs or {}).items()},
        "modules": list(modules),
        "code": code,
        "format": FORMAT,
        "versions": {name: number for name, number in versions.items() if number},
    }
    return json.dumps(job, sort_keys=True, separators=(",", ":"), allow_nan=False)


def job_digest(job: str) -> str:
    return hashlib.sha256(job.encode()).hexdigest()[:16]


def check_origin(path: Path | str, job: str | None, wanted: str) -> None:
    """Raise ArtefactError unless the job of the file at `path` has the digest `wanted`."""
    if job is None:
        raise ArtefactError(
            f"{path} does not say what made it, so it is not used; {repair_command(path)}"
        )
    if job_digest(job) != wanted:
        raise ArtefactError(
            f"{path} was made by another config, other code or another stage than it should be "
            f"(it says: {job[:300]}); {repair_command(path)}"
        )
