"""The process in which an answer runs. It holds the student's file and nothing to copy from.

`answer.py` starts this file as a script, and both send each other lines of JSON. The first line
says what to load, each further one is a call.
"""

import base64
import contextlib
import importlib.util
import io
import json
import os
import sys
import threading
import time
import traceback
import types
import warnings
import zlib

import numpy as np

MAX_PRINTED = 2000  # characters that are shown
MAX_BYTES = 40 << 20  # of an array that is returned
MAX_INTEGER = 1 << 63  # what numpy holds
ANSWERS = {
    "gamecircuits": "the package has answers to this course; the point is to write your own",
    "solutions": "solutions.py is there to be read; write the answer in your own file",
    "checker": "the checker is no part of an answer",
}
REFUSED = "os socket subprocess ctypes shutil pty signal fcntl mmap resource urllib _winapi winreg"
FOREIGN = ("_posixsubprocess", "_socket", "_ctypes", "_multiprocessing", "_posixshmem")


class Other:
    """A value that cannot be sent, in words."""

    def __init__(self, description):
        self.description = description


def encode(value):
    """Plain JSON of None, numbers, text, tuples, lists and numeric arrays; others are described."""
    if value is None or type(value) in (bool, float, str):
        return value
    if type(value) is int:
        return value if abs(value) < MAX_INTEGER else {"other": "an integer of more than 64 bits"}
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return encode(np.asarray(value)) | {"scalar": True}
    if type(value) is np.ndarray and value.dtype.kind in "biufc":
        if value.nbytes > MAX_BYTES:
            return {"other": f"an array of {value.nbytes >> 20} MiB"}
        data = base64.b64encode(np.ascontiguousarray(value).data).decode("ascii")
        return {"array": data, "dtype": value.dtype.str, "shape": value.shape}
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if type(value) is list:
        return {"list": [encode(item) for item in value]}
    if isinstance(value, np.ndarray):
        return {"other": f"an array of type {type(value).__name__} and dtype {value.dtype}"}
    if callable(value):
        return {"other": "a function; was it to be called, with ()"}
    return {"other": f"a {type(value).__name__}"}


def decode(value):
    """Inverse of `encode`; ValueError, TypeError or KeyError for what it never makes."""
    if isinstance(value, int) and abs(value) >= MAX_INTEGER:
        raise ValueError("no integer of numpy")
    if not isinstance(value, dict):
        return value
    if "array" in value:
        dtype = np.dtype(value["dtype"])
        if dtype.kind not in "biufc":
            raise ValueError("no numeric array")
        data = bytearray(base64.b64decode(value["array"]))
        array = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
        array = array.reshape(value["shape"])
        return array[()] if value.get("scalar") else array
    if "tuple" in value:
        return tuple(decode(item) for item in value["tuple"])
    if "list" in value:
        return [decode(item) for item in value["list"]]
    return Other(str(value["other"])[:200])


class Refusal(ImportError):
    """An import that would be an answer."""


class RefuseAnswers:
    """Refuses to import what holds the answers."""

    def find_spec(self, name, path=None, target=None):
        if name in ANSWERS:
            raise Refusal(f"cannot import {name}: {ANSWERS[name]}")


def close_answers(places):
    """Refuse to open files whose paths have a key of `places` in them; never undone."""
    realpath, fsdecode = os.path.realpath, os.fsdecode

    def refuse(event, arguments):
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path = realpath(fsdecode(arguments[0]))
            for place, name in places.items():
                if place in path:
                    raise Refusal(f"cannot read {name}: {ANSWERS[name]}")

    sys.addaudithook(refuse)


def describe(error, file):
    """An exception as the student should see it: the last line of their file, and the message."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame for frame in frames if frame.filename == file]
    place = {"line": lines[-1].lineno, "code": lines[-1].line or ""} if lines else {}
    if isinstance(error, SyntaxError) and error.filename == file:
        place = {"line": error.lineno, "code": (error.text or "").strip()}
    return place | {
        "error": type(error).__name__,
        "message": str(error)[:500],
        "not_written": lines[-1].name if isinstance(error, NotImplementedError) and lines else "",
        "refusal": isinstance(error, Refusal),
    }


class Printed(io.TextIOBase):
    """What the student prints; the beginning of it is kept."""

    def __init__(self):
        self.text = ""

    def writable(self):
        return True

    def write(self, text):
        self.text += text[: MAX_PRINTED - len(self.text)]
        return len(text)


def load(setup):
    """The student's file as a module, with references in place of some earlier functions."""
    sys.path.insert(0, setup["folder"])
    sys.meta_path.insert(0, RefuseAnswers())
    close_answers(setup["answers"])
    if setup["hidden"]:
        hide_answers(setup["hidden"])
    specification = importlib.util.spec_from_file_location("qualifying_problems", setup["file"])
    module = importlib.util.module_from_spec(specification)
    sys.modules["qualifying_problems"] = module
    specification.loader.exec_module(module)
    references = types.ModuleType("references")
    exec(setup["earlier"], references.__dict__)
    for name in setup["replaced"]:
        setattr(module, name, getattr(references, name))
    return module


def hide_answers(names):
    """Make the functions of model.py that are the answer say so when they are called."""
    import model

    def make_reminder(name):
        def remind(*_, **__):
            raise Refusal(f"{name} of model.py is the answer to this problem; write it yourself")

        return remind

    for name in names:
        setattr(model, name, make_reminder(name))


def limit_resources(setup):
    """Limits of memory, processes and time that the system enforces, where it has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"RLIMIT_CORE": 0, "RLIMIT_AS": setup["memory"], "RLIMIT_CPU": setup["cpu"]}
    if setup["guard"]:
        limits |= {"RLIMIT_NPROC": 0, "RLIMIT_FSIZE": 1 << 20}
    for name, limit in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (limit, limit))


def guard(folder):
    """Refuse files elsewhere, network, processes and foreign code from here on; never undone."""
    fspath, fsdecode, normcase, realpath = (
        os.fspath,
        os.fsdecode,
        os.path.normcase,
        os.path.realpath,
    )

    def whole(path):
        return normcase(os.path.join(realpath(fsdecode(fspath(path))), ""))

    own = whole(folder)
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    roots = tuple(map(whole, (folder, sys.prefix, sys.base_prefix, *packages)))
    sys.path[:] = [path for path in sys.path if whole(path).startswith(roots)]
    reads = {"open", "os.listdir", "os.scandir"}
    harmless = {"os.putenv", "os.unsetenv", "os.add_dll_directory"}
    refused = tuple(f"{part}." for part in REFUSED.split())

    def refuse(event, arguments):
        if event in reads:
            path = arguments[0]
            if isinstance(path, int):
                raise PermissionError("a submission opens no file by its number")
            real = whole("." if path is None else path)
            mode = arguments[1] if event == "open" else "r"
            flags = arguments[2] if event == "open" else 0
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            writes = writes or (mode or "r").strip("rbtU")
            if not real.startswith(own if writes else roots):
                raise PermissionError(f"a submission may not open {real.rstrip(os.sep)}")
        elif event == "import" and arguments[0] in FOREIGN:
            raise PermissionError(f"a submission may not import {arguments[0]}")
        elif event.startswith(refused) and event not in harmless:
            raise PermissionError(f"a submission may not use {event}")

    sys.addaudithook(refuse)


def call(function, arguments, names):
    """The value, and the names of the arguments that were changed."""
    before = [
        np.copy(argument) if isinstance(argument, np.ndarray) else None for argument in arguments
    ]
    value = function(*arguments)
    pairs = zip(names, before, arguments, strict=True)
    changed = [name for name, old, new in pairs if old is not None and not np.array_equal(old, new)]
    return value, changed


def lock(array, key):
    """An array of 64-bit integers made unreadable without the key, and readable by it."""
    stream = np.random.default_rng(key).bytes(array.nbytes)
    return array ^ np.frombuffer(stream, array.dtype).reshape(array.shape)


def digest(value):
    """A number that nobody knows without the array, quicker to send than the array."""
    return zlib.crc32(np.ascontiguousarray(value).data)


def revive(value):
    """Six matrices as the Parameters of model.py."""
    if isinstance(value, tuple) and len(value) == 6:
        from model import Parameters

        return Parameters(*value)
    return value


def end_with(parent):
    """End this process when its parent is gone: one that is killed ends none of its own."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main():
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    sys.stdin = io.StringIO()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")

    def reply(**message):
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    reply(ready=True)
    setup = json.loads(requests.readline())
    file = setup["file"]

    def attempt(function):
        """A reply to what the student's code does, whatever that is."""
        sys.stdout = sys.stderr = printed = Printed()
        try:
            message = function()
        except MemoryError as error:
            message = {"memory": True} | describe(error, file)
        except BaseException as error:
            message = describe(error, file)
        return message | {"printed": printed.text}

    answers = []

    def start():
        limit_resources(setup)
        if setup["guard"]:
            guard(setup["folder"])
        answers.append(getattr(load(setup), setup["name"], None))
        return {"found": callable(answers[0])}

    reply(**attempt(start))
    for line in requests:
        request = json.loads(line)
        arguments = [revive(decode(argument)) for argument in request["arguments"]]

        def answer(request=request, arguments=arguments):
            if request["timed"]:
                reply(ready=True)
                key = json.loads(requests.readline())  # nobody can begin before
                opened = [lock(a, key) if type(a) is np.ndarray else a for a in arguments]
                return {"value": digest(answers[0](*opened)), "changed": []}
            value, changed = call(answers[0], arguments, request["names"])
            return {"value": encode(value), "changed": changed}

        reply(**attempt(answer))


if __name__ == "__main__":
    main()
