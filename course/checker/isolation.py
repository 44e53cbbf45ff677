"""Running submissions apart from the rest of the machine, as far as the system lets us.

On Linux, where `unshare` is allowed, a submission has no network, sees no other process, and finds
folders that it should not read empty. A second namespace keeps it from undoing that. Elsewhere only
the guard of `child.py` stands: it is written in Python, and stops what is done by Python.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HIDE = 'while [ "$1" != -- ]; do mount -t tmpfs none "$1" || exit 1; shift; done; shift; exec "$@"'
APART = ("unshare", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child")
LOCKED = ("unshare", "--map-root-user", "--mount")


def find_isolation(hidden, needed):
    """A command that runs another one apart, and what it does, in words.

    Args:
        hidden: folders that are to look empty.
        needed: folders that are not.
    """
    hidden = [Path(folder).resolve() for folder in hidden]
    needed = [Path(folder).resolve() for folder in needed]
    hidden = [f for f in hidden if f.is_dir() and not any(n.is_relative_to(f) for n in needed)]
    if shutil.which("unshare") and os.name != "nt":
        hide = ("sh", "-c", HIDE, "sh", *map(str, hidden), "--", *LOCKED)
        prefix = (*APART, "--mount-proc", *hide)
        if works(prefix):
            return prefix, "no network; other processes and submissions are out of sight (unshare)"
    return (), "guarded by Python only: no namespaces here; see README.md"


def works(prefix):
    """Whether a command can run Python."""
    try:
        done = subprocess.run(
            [*prefix, sys.executable, "-c", ""], capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
