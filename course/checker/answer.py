"""An answer: a function of the student's file, called in a process of its own."""

import contextlib
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from checker.child import decode, encode, lock
from checker.wrong import NotLoaded, NotWritten, Wrong, clean

CHILD = Path(__file__).with_name("child.py")
COURSE = os.path.realpath(CHILD.parents[1])
ANSWERS = {  # parts of paths that an answer may not read, with the name of what is there
    os.path.join(COURSE, "solutions.py"): "solutions",
    os.path.join(COURSE, "__pycache__", "solutions."): "solutions",
    os.path.join(os.sep, "gamecircuits", "__init__.py"): "gamecircuits",
    os.path.join(os.sep, "gamecircuits", "__pycache__", "__init__."): "gamecircuits",
}
MAX_REPLY = 1 << 26  # characters; a longer one is cut, and then not understood
KEPT = ("PATH", "HOME", "PYTHONPATH", "SYSTEMROOT", "APPDATA", "TEMP", "TMP")
START = 60.0  # seconds in which Python and numpy must be there
PARTS = {"error": str, "message": str, "printed": str, "changed": list}  # of a reply
BROKEN = (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError)
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Limits:
    """What an answer may use.

    Attributes:
        seconds: time of a call.
        memory: bytes of address space.
        guard: whether files elsewhere, network and processes are refused, too.
        prefix: a command that runs another one apart from the rest of the machine.
    """

    seconds: float = 10.0
    memory: int = 4 << 30
    guard: bool = False
    prefix: tuple[str, ...] = ()


class Answer:
    """A function of a file; a context manager that ends its process.

    Calls return what the function returns, or raise `Wrong` with a sentence about what happened
    instead.
    """

    def __init__(
        self,
        file,
        name,
        names=(),
        *,
        earlier="",
        replaced=(),
        hidden=(),
        limits=Limits(),
    ):
        self.file, self.name, self.names, self.limits = Path(file), name, names, limits
        self.printed = []
        setup = {
            "file": str(self.file),
            "folder": str(self.file.parent),
            "name": name,
            "earlier": earlier,
            "replaced": list(replaced),
            "hidden": list(hidden),
            "answers": ANSWERS,
            "guard": limits.guard,
            "memory": limits.memory,
            "cpu": int(20 * limits.seconds),
        }
        child = CHILD
        if limits.guard:  # all that the process needs is in its own folder
            child = self.file.parent / f"_{CHILD.name}"
            shutil.copyfile(CHILD, child)
        environment = dict(os.environ)
        if limits.guard:
            environment = {key: os.environ[key] for key in KEPT if key in os.environ}
        self._process = subprocess.Popen(
            [*limits.prefix, sys.executable, "-P", "-B", "-X", "utf8", str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            cwd=self.file.parent,
            env=environment | THREADS,
            start_new_session=os.name != "nt",
        )
        self._replies = queue.Queue(maxsize=3)
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._load(setup)
        except BaseException:  # Ctrl-C, too
            self.close()
            raise

    def _load(self, setup):
        self._receive("Python does not start", START)
        self._send(setup)
        try:
            reply = self._receive(f"{self.file.name} does not end when it is loaded")
            self._raise_error(reply, self.file.name)
        except Wrong as wrong:
            raise NotLoaded(wrong.message) from None
        if not reply.get("found"):
            raise Wrong(f"there is no function of this name in {self.file.name}; was it renamed?")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End the process, and those that it began."""
        if os.name == "nt":
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def __call__(self, *arguments):
        self._send(
            {"arguments": [encode(a) for a in arguments], "names": self.names, "timed": False}
        )
        shown = list(zip(self.names, arguments, strict=False))
        try:
            too_long = f"no answer after {self.limits.seconds:.0f} s: a loop without end?"
            reply = self._receive(too_long)
            self._raise_error(reply)
        except Wrong as wrong:
            wrong.shown = wrong.shown or tuple(shown)
            raise
        if reply.get("changed"):
            changed = clean(" and ".join(map(str, reply["changed"])))
            raise Wrong(
                f"{self.name} changes its argument {changed}, which belongs to the caller; "
                "work on a copy",
                shown,
            )
        try:
            return decode(reply["value"])
        except BROKEN as error:
            raise Wrong("the process sent what no function returns") from error

    def time(self, *arguments):
        """Seconds that a call takes, and the `digest` of the value; arrays have 64-bit integers.

        The arrays are sent locked, and the key when time begins to run.
        """
        key = secrets.randbits(32)
        locked = [lock(a, key) if isinstance(a, np.ndarray) else a for a in arguments]
        self._send({"arguments": [encode(a) for a in locked], "names": self.names, "timed": True})
        too_long = f"no answer after {self.limits.seconds:.0f} s for a large input"
        self._raise_error(self._receive(too_long))
        begin = time.perf_counter()
        self._send(key)
        reply = self._receive(too_long)
        seconds = time.perf_counter() - begin
        self._raise_error(reply)
        return seconds, reply.get("value")

    def _read(self):
        try:
            while line := self._process.stdout.readline(MAX_REPLY):
                self._replies.put(line, timeout=60)
            self._replies.put("", timeout=60)
        except (OSError, ValueError, queue.Full):
            pass  # closed, or nobody asked for so much

    def _send(self, message):
        with contextlib.suppress(OSError):  # a process that has ended is noticed by its silence
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def _receive(self, too_long, seconds=None):
        try:
            line = self._replies.get(timeout=seconds or self.limits.seconds)
        except queue.Empty:
            self.close()
            raise Wrong(too_long) from None
        try:
            reply = read_reply(line)
        except BROKEN:
            self.close()
            raise Wrong(self._describe_end()) from None
        if reply.get("printed"):
            self.printed.append(clean(str(reply["printed"])))
        return reply

    def _describe_end(self):
        code = self._process.returncode
        if code is not None and code < 0 and -code not in (signal.SIGKILL, signal.SIGTERM):
            return f"the process of your function ended by signal {-code}"
        return "the process of your function ended: does it call os._exit, or use all memory?"

    def _raise_error(self, reply, name=None):
        if reply.get("memory"):
            self.close()
            gigabytes = self.limits.memory / 2**30
            raise Wrong(
                f"out of memory: more than {gigabytes:.0f} GiB are asked for{clean(place(reply))}"
            )
        if "error" not in reply:
            return
        if not name and (unwritten := reply.get("not_written")):
            if unwritten == self.name:
                raise NotWritten
            raise Wrong(f"{self.name} calls {clean(str(unwritten))}, which is not written yet")
        raise Wrong(clean(describe_error(reply, name or self.name)))


def read_reply(line):
    """A reply of the process; one of `BROKEN` for what `child.py` does not send."""
    reply = json.loads(line)
    for key, kind in PARTS.items():
        if not isinstance(reply.get(key, kind()), kind):
            raise TypeError(key)
    return reply


def place(reply):
    """Where an exception came from, as the end of a sentence."""
    return f"\nline {reply['line']}: {reply['code']}" if "line" in reply else ""


MEANINGS = {
    "SystemExit": "calls exit(); a function ends with return",
    "EOFError": "waits for input; there is nobody to type",
    "RecursionError": "calls itself without end",
    "KeyboardInterrupt": "raises KeyboardInterrupt",
}


REMINDERS = (  # what messages of Python and numpy usually mean here
    ("broadcast", "shapes do not fit: keepdims=True keeps an axis, [..., None] adds one"),
    ("matmul", "inner sizes of a matrix product differ: write down the shape of each factor"),
    (
        "truth value of an array",
        "`if`, `and`, `not` want one truth value: use & | ~, .any(), .all()",
    ),
    ("to Python scalars", "a function for one number was given an array: use that of numpy"),
    (
        "scalar index",
        "a tuple or list cannot be indexed by an array; take a matrix, parameters.W_E",
    ),
    ("indices must be integers", "matrices have names: parameters.W_E[tokens], say"),
    ("'list' object has no attribute", "a list is no array: np.array(...) makes one of it"),
    ("No module named 'model'", "model.py of the course must stand beside this file"),
    ("positional argument", "the arguments are given in the order of the stub, and no others"),
    ("out of bounds", "an index is too large for its axis, or PAD = -1 was used as one"),
    ("is not defined", "is the name spelled as above, and imported at the top?"),
    ("Singular matrix", "some rows or columns depend on each other"),
)


def describe_error(reply, name):
    """A sentence for an exception of the student's code."""
    error, message = reply["error"], reply.get("message", "")
    if reply.get("refusal"):
        return f"{message}{place(reply)}"
    if error in MEANINGS:
        return f"{name} {MEANINGS[error]}{place(reply)}"
    reminders = [f"\n({words})" for part, words in REMINDERS if part in message]
    return f"{name} stops with {error}: {message}{place(reply)}{''.join(reminders[:1])}"
