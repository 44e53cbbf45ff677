"""Which settings, code and library versions make a file.

A *job* is a JSON text. It has the stage, its settings, and digests of the jobs that make its inputs
and of the code that it runs. It has the versions of the libraries that this code imports, and the
variables of the environment that change what these compute. Whatever could change a result is in
this text, but for the kind of processor. So a file is up to date if and only if it was made by the
text that the plan has for it. Comments, docstrings and all code that only plans and runs jobs
(gamecircuits.pipeline without its stages) are not in it.
"""

import ast
import contextlib
import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.variables import chosen_variables

PACKAGE = "gamecircuits"
MACHINERY = f"{PACKAGE}.pipeline"
STAGES = f"{MACHINERY}.stages"
SOURCE = Path(__file__).resolve().parents[2]
FORMAT = 2  # raise when the layout of any file changes without its code changing
VERIFIED = ".plan/verified.json"  # in the results folder: what the plan need not read again


def source_file(module: str) -> Path | None:
    """File of a first-party module or package, None when there is no such module."""
    path = SOURCE.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def is_machinery(module: str) -> bool:
    """Whether the module only plans and runs jobs, and hence is in no job's code."""
    is_stage = module == STAGES or module.startswith(f"{STAGES}.")
    return (module == MACHINERY or module.startswith(f"{MACHINERY}.")) and not is_stage


@functools.cache
def _parse(module: str) -> ast.Module:
    """The syntax tree of what changes results: without comments, docstrings, and the package's
    `__getattr__`, which imports what people call by short names, as no job does."""
    path = source_file(module)
    if path is None:
        raise ModuleNotFoundError(f"no first-party module {module!r} under {SOURCE}")
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in ast.walk(tree):
        match node:
            case (
                ast.Module(body=[ast.Expr(ast.Constant(str())), *rest])
                | ast.ClassDef(body=[ast.Expr(ast.Constant(str())), *rest])
                | ast.FunctionDef(body=[ast.Expr(ast.Constant(str())), *rest])
            ):
                node.body = rest
    if module == PACKAGE:
        tree.body = [n for n in tree.body if getattr(n, "name", None) != "__getattr__"]
    return tree


@functools.cache
def _digest_and_imports(module: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """Digest of a module's code, the first-party modules and the libraries that it imports."""
    tree = _parse(module)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                path = source_file(module)
                raise ImportError(f"{path}:{node.lineno}: write imports in full, not relatively")
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    ours = {name for name in names if name.split(".")[0] == PACKAGE}
    first_party: set[str] = set()
    for name in ours | {module}:  # importing a.b.c also runs a and a.b
        parts = name.split(".")
        first_party.update(".".join(parts[:n]) for n in range(1, len(parts) + 1))
    first_party = {name for name in first_party if source_file(name)} - {module}
    roots = {name.split(".")[0] for name in names - ours}
    libraries = frozenset(roots - sys.stdlib_module_names)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(first_party), libraries


@functools.cache
def code_closure(*modules: str) -> tuple[str, ...]:
    """The given modules and all first-party modules that they import, without the machinery."""
    found, todo = set(), list(modules)
    while todo:
        module = todo.pop()
        if module not in found and not is_machinery(module):
            found.add(module)
            todo.extend(_digest_and_imports(module)[1])
    return tuple(sorted(found))


@functools.cache
def _library_version(name: str) -> str | None:
    """Version of the distribution that provides a top-level module."""
    # Imported here, as only the plan needs it, and every job would pay for it.
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    with contextlib.suppress(PackageNotFoundError):
        return version(name)  # most have the same name, and looking through all takes half a second
    for distribution in packages_distributions().get(name, [])[:1]:
        return version(distribution)
    return None  # an optional library that is not installed


@functools.cache
def code_digest(*modules: str) -> tuple[str, dict[str, str]]:
    """Digest of all first-party code that the modules run, and the libraries' versions."""
    closure = code_closure(*modules)
    libraries = frozenset().union(*(_digest_and_imports(module)[2] for module in closure))
    versions = {name: _library_version(name) for name in sorted(libraries)}
    return own_digest(*closure), {name: number for name, number in versions.items() if number}


@functools.cache
def own_digest(*modules: str) -> str:
    """Digest of the code of these modules, without what they import."""
    code = hashlib.sha256()
    for module in modules:
        code.update(f"{module} {_digest_and_imports(module)[0]}\n".encode())
    return code.hexdigest()[:16]


def check_arguments(stage: str, given: Iterable[str]) -> None:
    """Raise TypeError unless the stage's function takes exactly these keyword arguments.

    The function is read, not imported: imports of all stages would take seconds.
    """
    body = _parse(f"{STAGES}.{stage}").body
    function = next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == stage)
    arguments, given = function.args, set(given)
    known = {argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)}
    optional = {a.arg for a in arguments.args[len(arguments.args) - len(arguments.defaults) :]}
    optional |= {
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
    for wrong, problem in [(given - known, "does not take"), (known - optional - given, "needs")]:
        if wrong:
            raise TypeError(f"stage {stage} {problem} {', '.join(sorted(wrong))}")


def describe_job(
    stage: str, settings: Mapping, loads: Iterable[str], inputs: Mapping[str, list[str]]
) -> str:
    """The text of a job.

    Args:
        stage: name of the module in gamecircuits.pipeline.stages, and of the function in it.
        settings: keyword arguments of that function, in JSON types: all else that its result
            depends on.
        loads: modules that the stage loads by name (a game, a construction, a figure).
        inputs: for each argument that names files to read, digests of the jobs that make these.
    """
    loads = list(loads)
    code, versions = code_digest(f"{STAGES}.{stage}", *loads)
    job = {
        "stage": stage,
        "settings": settings,
        "inputs": inputs,
        "modules": loads,
        "code": code,
        "format": FORMAT,
        "versions": versions,
        "environment": chosen_variables(versions),
    }
    return json.dumps(job, sort_keys=True, separators=(",", ":"), allow_nan=False)


@functools.cache
def source_digest(*modules: str) -> str:
    """Digest of the bytes of modules' files: quicker than that of their code, but too sensitive."""
    digest = hashlib.sha256()
    for module in modules:
        path = source_file(module)
        digest.update(f"{module}\n".encode() + (path.read_bytes() if path else b""))
    return digest.hexdigest()[:16]


def check_code(job: Mapping, closure: Iterable[str], source: str) -> None:
    """Raise GamecircuitsError if the code is not what it was when the job was planned.

    Args:
        job: parsed text of the job.
        closure: the modules that it ran then, and the digest of their files.
    """
    if source_digest(*closure) == source:
        return
    if code_digest(f"{STAGES}.{job['stage']}", *job["modules"])[0] != job["code"]:
        raise GamecircuitsError("the source was changed after this job was planned; run again")


def job_digest(job: str) -> str:
    """Short digest that names a job."""
    return hashlib.sha256(job.encode()).hexdigest()[:16]


def forget_source() -> None:
    """Read the source anew: for whoever changes it."""
    for cached in (_parse, _digest_and_imports, code_closure, code_digest, own_digest,
                   source_digest):  # fmt: skip
        cached.cache_clear()
