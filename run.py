#!/usr/bin/env python3
"""Set up gamecircuits and run it; needs only Python 3.11 or newer.

    python3 run.py                         make every result of config/config.yaml
    python3 run.py --configfile FILE       ... of another configuration
    python3 run.py -n                      say what would be made (any snakemake argument works)
    python3 run.py report [ARGUMENTS]      make every result, then report.html beside them
    python3 run.py diagnose FILE           read a model in the terms of the theory (--help: options)
    python3 run.py docs                    make the numbers and figures of docs/ anew
    python3 run.py test [ARGUMENTS]        run the fast tests (-m slow: the slow ones, -m '': all)
    python3 run.py python [ARGUMENTS]      a python that has everything installed

The first call makes .venv from requirements.lock; a changed lock brings it up to date.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / "installed-lock.sha256"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(*command: str | Path, quiet: bool = False) -> bool:
    output = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.call(list(map(str, command)), stdout=output, stderr=output) == 0
    except OSError:
        return False


def set_up() -> None:
    """Make .venv hold exactly what the lock names; do nothing when it already does."""
    wanted = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode() + LOCK.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted and run(PYTHON, "-c", "", quiet=True):
        return
    print("gamecircuits: setting up .venv, about two minutes ...", file=sys.stderr, flush=True)
    if VENV.is_symlink():  # another checkout's, which --clear would empty
        VENV.unlink()
    STAMP.unlink(missing_ok=True)  # an interrupted set-up must not look finished
    install = ["install", "--quiet", "--require-hashes", "-r", str(LOCK)]
    make_venv = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if run(*make_venv, quiet=True):
        done = run(PYTHON, "-m", "pip", *install)
    else:  # Debian without python3-venv has no ensurepip: borrow the installer of the system
        if not run(*make_venv, "--without-pip"):
            sys.exit("gamecircuits: could not make .venv; is the folder writable?")
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
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'), end='')"
    site_packages = subprocess.run(
        [str(PYTHON), "-c", purelib], check=True, capture_output=True, text=True
    ).stdout
    (Path(site_packages) / "gamecircuits.pth").write_text(f"{ROOT / 'src'}\n")
    STAMP.write_text(wanted)


def become(*command: str) -> None:
    """Run a module of .venv in place of this process, so that Ctrl-C reaches it directly."""
    os.chdir(ROOT)
    arguments = [str(PYTHON), *command]
    if os.name == "nt":
        sys.exit(subprocess.call(arguments))
    os.execv(arguments[0], arguments)


def main(arguments: list[str]) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  (this file must parse on older ones)
        sys.exit(f"gamecircuits needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__, end="")
        return
    set_up()
    command, rest = (arguments or [""])[0], arguments[1:]
    modules = {
        "test": "pytest",
        "docs": "gamecircuits.pipeline.docs",
        "diagnose": "gamecircuits.pipeline.run.diagnose",
    }
    if command == "python":
        become(*rest)
    elif command in modules:
        become("-m", modules[command], *rest)
    else:
        become("-m", "gamecircuits.pipeline.run", *arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
