"""Which config, code and library versions made a file, carried inside the file itself.

A *job* is a JSON text: the stage, its settings, a digest of the code it runs and the versions of
the libraries that code imports. Snakemake receives it as the rule's only parameter (so a change of
any of it reruns the job), the stage receives it as its only argument, and the file carries it.
Comparing the text in a file with the text the workflow expects therefore answers "is this file
what the present config and code would make?" without any record kept elsewhere.
"""

import ast
import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gamecircuits.errors import ArtefactError

PACKAGE = "gamecircuits"
SOURCE = Path(__file__).resolve().parent.parent
FORMAT = 1  # raise when the layout of any file changes without its code changing
KEY = b"gamecircuits"  # where parquet, safetensors and PNG files carry their job


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


@functools.cache
def _library_version(name: str) -> str | None:
    try:
        return version(name)
    except (
        PackageNotFoundError
    ):  # an optional library, or one whose distribution is named otherwise
        return None


def describe_job(stage: str, settings: dict, *extra_modules: str) -> str:
    """Return the job text of a stage.

    Args:
        stage: name of the module in gamecircuits.stages.
        settings: all that the stage's result depends on, in JSON types.
        extra_modules: modules that the stage loads by name (a game, a construction, a figure).
    """
    closure = sorted(code_closure(f"{PACKAGE}.stages.{stage}", *extra_modules))
    code = hashlib.sha256()
    libraries = set()
    for module in closure:
        digest, _, imported = _digest_and_imports(module)
        code.update(f"{module} {digest}\n".encode())
        libraries |= imported
    versions = {name: _library_version(name) for name in sorted(libraries)}
    job = {
        "stage": stage,
        "settings": settings,
        "code": code.hexdigest()[:16],
        "format": FORMAT,
        "versions": {name: number for name, number in versions.items() if number},
    }
    return json.dumps(job, sort_keys=True, separators=(",", ":"), allow_nan=False)


def repair_command(path: Path | str) -> str:
    return f"delete it and run again:  rm '{path}' && snakemake"


def check_origin(path: Path | str, job: str | None, stage: str, **settings) -> dict:
    """Return the parsed job that made `path`, or raise ArtefactError when it does not fit.

    Args:
        stage: the stage that must have made the file.
        settings: entries that the file's settings must agree with.
    """
    if job is None:
        raise ArtefactError(
            f"{path} does not say what made it, so it is not used; {repair_command(path)}"
        )
    found = json.loads(job)
    if found["stage"] != stage:
        raise ArtefactError(
            f"{path} was made by {found['stage']}, not by {stage}; {repair_command(path)}"
        )
    for key, wanted in settings.items():
        if found["settings"].get(key) != wanted:
            raise ArtefactError(
                f"{path} was made with {key} = {found['settings'].get(key)!r}, "
                f"but {wanted!r} is wanted; {repair_command(path)}"
            )
    return found


@contextlib.contextmanager
def write_atomically(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success and is removed on failure.

    A reader sees the old file or the whole new one, never half of it. What an earlier, killed
    writer of the same file left behind is removed too.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path | str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
