"""What a run needs of the machine: a place for caches, and output in any encoding.

Only the standard library is imported here: run.py calls it before `.venv` is in use.
"""

import os
import sys
import tempfile
from pathlib import Path


def provide_caches() -> None:
    """Where the home cannot be written, let libraries keep what they compile in a temporary folder.

    Without one, numba does not start, and matplotlib reads all fonts in each job. For libraries
    that are imported later, and for child processes.

    Raises:
        OSError: if no temporary folder can be written either.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")).absolute()
    while not home.exists():
        home = home.parent
    if os.access(home, os.W_OK) or os.name == "nt":
        return
    folder = Path(tempfile.gettempdir(), f"gamecircuits-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():  # numba runs what is in there
        folder = Path(tempfile.mkdtemp(prefix="gamecircuits-"))
    os.environ["XDG_CACHE_HOME"] = str(folder)
    os.environ.setdefault("NUMBA_CACHE_DIR", f"{folder}/numba")
    os.environ.setdefault("MPLCONFIGDIR", f"{folder}/matplotlib")


def print_anywhere() -> None:
    """Let letters that the encoding of the output lacks be shown as numbers, and not be errors."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
