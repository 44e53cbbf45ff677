"""A function in somebody's own Python file: found without running the file, called with its errors
told as theirs.

The plan reads the file and runs nothing of it. The job that needs the function runs the bytes that
the plan saw, and no others. What the file imports is not looked at: an edit there goes unseen.
"""

import ast
import contextlib
import hashlib
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.kinds import list_names, suggest

IMPORTED: set[str] = set()  # modules, by functions of other people's files


def find_function(path: str, name: str) -> str:
    """SHA-256 of a Python file, which is read and not run.

    Raises:
        ParameterError: there is no such file (`path`), or no function of that name (`function`).
        GamecircuitsError: the file is no Python; names the line.
    """
    if not (path.endswith(".py") and Path(path).is_file()):
        raise ParameterError("path", path, "a Python file that exists, relative to where you are")
    content = Path(path).read_bytes()
    try:
        body = ast.parse(content).body
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise GamecircuitsError(f"{path}{line}: {_describe(error)}") from None
    names = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    if name not in names:
        allowed = f"a function of {path}: {list_names(names)}{suggest(name, names)}"
        raise ParameterError("function", name, allowed)
    return hashlib.sha256(content).hexdigest()


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise ParameterError unless a job's text can hold the arguments of a function."""
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError):
        allowed = "finite numbers, text, true, false, null, and lists and mappings of them"
        raise ParameterError("arguments", arguments, allowed) from None


def call_function(path: str, name: str, sha256: str, /, *arguments: Any, **named: Any) -> Any:
    """What the function returns; while it runs, it may import what stands beside its file.

    Args:
        arguments: by place; a function that has fewer places is given the first of them.
        named: by name.

    Raises:
        GamecircuitsError: the file has changed, or whatever went wrong in it, with its line.
    """
    folder, before = str(Path(path).absolute().parent), set(sys.modules)
    sys.path.append(folder)
    try:
        function = _load(path, name, sha256)
        return function(*arguments[: _count_places(function, named)], **named)
    except KeyboardInterrupt as error:  # the line tells where a loop has no end
        lines = [f"at {path}:{frame.lineno}" for frame in _find_frames(error, path)]
        raise KeyboardInterrupt(*lines[-1:]) from None
    except BaseException as error:  # exit() too
        raise _translate(error, path, name, sha256) from None
    finally:
        IMPORTED.update(sys.modules.keys() - before)
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def blame(path: str, name: str, sha256: str, problem: str) -> GamecircuitsError:
    """The error that says what is wrong with the function, or with what it returned."""
    code = getattr(inspect.unwrap(_load(path, name, sha256)), "__code__", None)
    place = f"{path}:{code.co_firstlineno}" if code else path
    return GamecircuitsError(f"{place}: {name} {problem}")


def name_type(value: Any) -> str:
    """What a function returned, in words, for `blame`."""
    return "None (is there a return?)" if value is None else f"a {type(value).__name__}"


def _count_places(function: Callable, named: Mapping[str, Any]) -> int | None:
    """How many arguments a function takes by place, beside the named ones; None if any number."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # it is written in C
        return None
    kinds = [parameter.kind for name, parameter in parameters.items() if name not in named]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return None
    return len([k for k in kinds if k < inspect.Parameter.VAR_POSITIONAL])


@cache
def _load(path: str, name: str, sha256: str) -> Callable:
    module = _run(path, sha256)
    try:
        return getattr(module, name)
    except AttributeError:
        raise GamecircuitsError(f"{path} has no function {name}") from None


@cache
def _run(path: str, sha256: str) -> ModuleType:
    """The file as a module, which is not `__main__`: what stands below a guard does not run."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise GamecircuitsError(f"{path} cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise GamecircuitsError(f"{path} was changed after this job was planned; run again")
    module = ModuleType(f"{Path(path).stem}_{sha256[:16]}")  # like no module that is there
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses look themselves up there
    exec(compile(content, path, "exec"), module.__dict__)
    return module


def _find_frames(error: BaseException, path: str) -> list[traceback.FrameSummary]:
    """Lines of the file that were at work, the last one last."""
    return [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]


def _translate(error: BaseException, path: str, name: str, sha256: str) -> GamecircuitsError:
    """An error as one of the file, with the last of its lines that ran."""
    frames = _find_frames(error, path)
    if not frames and isinstance(error, GamecircuitsError):  # the file was not run
        return error
    if not frames:  # it is called with other arguments than it takes
        return blame(path, name, sha256, f"cannot be called: {_describe(error)}")
    place, where = f"{path}:{frames[-1].lineno}", frames[-1].name
    if isinstance(error, NotImplementedError):
        told = str(error).removeprefix("not written yet").removeprefix(": ")
        return GamecircuitsError(f"{place}: {where} is not written yet" + f": {told}" * bool(told))
    inside = "" if where == "<module>" else f"in {where}: "
    return GamecircuitsError(f"{place}: {inside}{_describe(error)}")


def _describe(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
