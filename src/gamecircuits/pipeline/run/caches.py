"""A place for what libraries keep between runs.

Only the standard library is imported here: run.py calls it before `.venv` is in use.
"""

import os
import stat
import tempfile
from contextlib import suppress
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
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():  # numba runs what is there
        folder = Path(tempfile.mkdtemp(prefix="gamecircuits-"))
    os.environ["XDG_CACHE_HOME"] = str(folder)
    os.environ.setdefault("NUMBA_CACHE_DIR", f"{folder}/numba")
    os.environ.setdefault("MPLCONFIGDIR", f"{folder}/matplotlib")
