#!/usr/bin/env python3
"""Set up gamecircuits and run it; needs only Python 3.11 or newer.

    python3 run.py                         make every result of config/config.yaml
    python3 run.py --configfile FILE       ... of another configuration
    python3 run.py -n                      say what would be made (any snakemake argument works)
    python3 run.py report [ARGUMENTS]      make every result, then report.html beside them
    python3 run.py figure NAME             draw a figure for a paper, as PDF (--help: options)
    python3 run.py diagnose FILE           read a model in the terms of the theory (--help: options)
    python3 run.py audit FILE              what a model of several layers knows (--help: options)
    python3 run.py export FILE             write a model for other software (--help: options)
    python3 run.py course [ARGUMENTS]      problems to learn from, checked (--help: options)
    python3 run.py docs                    make the numbers and figures of docs/ anew
    python3 run.py test [ARGUMENTS]        run the fast tests (-m slow: the slow ones, -m '': all)
    python3 run.py python [ARGUMENTS]      a python that has everything installed

The first call makes .venv from requirements.lock; a changed lock brings it up to date.

From any folder: python3 /path/to/run.py. All paths are relative to the folder you are in, the
results folder too. Only what you leave out comes from the checkout: the configuration, the tests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / "installed-lock.sha256"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PAUSE = 20.0  # seconds without a word
ADD_SOURCE = """
import os, sysconfig
site_packages = sysconfig.get_path("purelib")
with open(os.path.join(site_packages, "gamecircuits.pth"), "w", encoding="ascii") as file:
    file.write(os.path.relpath("src", site_packages))  # is read in the locale's encoding
"""


def run(*command: str | Path, quiet: bool = False) -> bool:
    """Run a set-up command, from where no file of the user's can be taken for a module."""
    output = subprocess.DEVNULL if quiet else None
    begin = time.monotonic()
    try:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output, cwd=ROOT)
    except OSError:
        return False
    while True:
        try:
            return process.wait(PAUSE) == 0
        except subprocess.TimeoutExpired:
            say(f"still at work on .venv after {time.monotonic() - begin:.0f} s ...")


def say(message: str) -> None:
    print(f"gamecircuits: {message}", file=sys.stderr, flush=True)


def make_stamp() -> bytes:
    """What .venv depends on, as a digest; of bytes, which are the same in any locale."""
    parts = [sys.version.encode(), os.fsencode(ROOT), LOCK.read_bytes()]
    return hashlib.sha256(b"\n".join(parts)).hexdigest().encode()


def set_up() -> None:
    """Make .venv hold exactly what the lock names; do nothing when it already does."""
    wanted = make_stamp()
    if STAMP.exists() and STAMP.read_bytes() == wanted and run(PYTHON, "-c", "", quiet=True):
        return
    say("setting up .venv, about two minutes ...")
    if VENV.is_symlink():  # another checkout's, which --clear would empty
        VENV.unlink()
    STAMP.unlink(missing_ok=True)  # an interrupted set-up must not look finished
    install = ["install", "--quiet", "--require-hashes", "-r", str(LOCK)]
    make_venv = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if run(*make_venv, quiet=True):
        done = run(PYTHON, "-m", "pip", *install)
    else:  # Debian without python3-venv has no ensurepip: borrow the installer of the system
        if not run(*make_venv, "--without-pip"):
            sys.exit(f"gamecircuits: could not make {VENV}; is the folder writable?")
        if run(sys.executable, "-m", "pip", "--version", quiet=True):
            done = run(sys.executable, "-m", "pip", "--python", PYTHON, *install)
        elif uv := shutil.which("uv"):
            done = run(uv, "pip", *install, "--python", PYTHON)
        else:
            sys.exit(
                "gamecircuits: this Python has neither ensurepip nor pip, and there is no uv.\n"
                "Install one of them (on Debian or Ubuntu: apt install python3-venv) and run again."
            )
    if not done:
        sys.exit("gamecircuits: installing requirements.lock failed (see above); nothing was run.")
    if not run(PYTHON, "-c", ADD_SOURCE):
        sys.exit("gamecircuits: could not finish .venv (see above); nothing was run.")
    STAMP.write_bytes(wanted)


def become(*command: str) -> None:
    """Run Python of .venv in place of this process, so that Ctrl-C reaches it directly."""
    sys.path.insert(0, str(ROOT / "src"))
    from gamecircuits.pipeline.run.caches import provide_caches

    try:
        provide_caches()
    except OSError as error:
        sys.exit(f"gamecircuits: neither the home nor a temporary folder can be written ({error})")
    arguments = [str(PYTHON), *command]
    if os.name == "nt":
        sys.exit(subprocess.call(arguments))
    os.execv(arguments[0], arguments)


def name_tests(arguments: list[str]) -> list[str]:
    """Arguments of pytest for the tests of this project; all of them unless some are named."""
    before = ["", *arguments]
    named = any(
        os.path.exists(word.split("::")[0]) and (".py" in word or not option.startswith("-"))
        for option, word in zip(before, arguments)  # noqa: B905  (older Pythons have no strict)
    )
    tests = [] if named else [str(ROOT / "tests")]
    return ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *arguments, *tests]


def main(arguments: list[str]) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  (this file must parse on older ones)
        sys.exit(f"gamecircuits needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__, end="")
        return
    # Files are UTF-8. A terminal has its own encoding; what that lacks is shown by its number.
    os.environ["PYTHONUTF8"] = "1"
    os.environ["PYTHONIOENCODING"] = f"{sys.stdout.encoding}:backslashreplace"
    try:
        set_up()
    except OSError as error:
        sys.exit(f"gamecircuits: {ROOT} cannot hold .venv ({error}); is the folder writable?")
    command, rest = (arguments or [""])[0], arguments[1:]
    modules = {
        "test": "pytest",
        "docs": "gamecircuits.pipeline.docs",
        "audit": "gamecircuits.pipeline.run.audit",
        "diagnose": "gamecircuits.pipeline.run.diagnose",
        "export": "gamecircuits.pipeline.run.export",
        "figure": "gamecircuits.pipeline.run.figure",
    }
    module = ("-P", "-m")  # -P: no module is taken from the folder that the user is in
    if command == "python":
        become(*rest)
    elif command == "test":
        become(*module, modules[command], *name_tests(rest))
    elif command == "course":
        become(str(ROOT / "course" / "checker"), *rest)
    elif command in modules:
        become(*module, modules[command], *rest)
    else:
        become(*module, "gamecircuits.pipeline.run", *arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
