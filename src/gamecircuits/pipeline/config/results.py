"""Where results may be written: in a folder that is new, empty, or has results already."""

import os
import re
from pathlib import Path

from gamecircuits.pipeline.provenance import SOURCE

PATH = re.compile(r"(?!-)[A-Za-z0-9_./-]{1,200}")
SOURCES = {"benchmarks", "config", "docs", "profiles", "src", "tests", "workflow"}
FOREIGN = {"node_modules", "__pycache__"}  # folders of other programs, beside hidden ones
MARKS = ("pyvenv.cfg", "__init__.py")  # files of virtual environments and packages
SIGNS = (".plan/*", "jobs/*/*.json")  # what a run writes first, and what each job leaves


def explain_refusal(results: str) -> str | None:
    """Why nothing may be written there, None if it may; links are followed."""
    if not PATH.fullmatch(results):
        return "must be a folder's path of letters, digits and _ . - /, at most 200, not a - first"
    path = Path(os.path.normpath(results))
    for part in (path, *path.parents):
        if os.path.lexists(part) and not part.is_dir():
            kind = "a file" if part.exists() else "a link that leads nowhere"
            return f"must be a folder, but {part} is {kind}"
    real, here = (Path(os.path.realpath(place)) for place in (path, os.curdir))
    project = SOURCE.parent
    inside = real.relative_to(project).parts[:1] if real.is_relative_to(project) else ()
    if project.is_relative_to(real) or SOURCES.intersection(map(str.lower, inside)):
        return "must not be a folder of the project's source, nor lie above it"
    if here.is_relative_to(real):
        return "must not be the folder that you are in, nor lie above it"
    if Path(os.path.realpath(os.path.expanduser("~"))).is_relative_to(real):
        return "must not be the home folder, nor lie above it"
    beyond = [place for place in (*real.parents[::-1], real) if not here.is_relative_to(place)]
    for place in beyond:
        if place.name.startswith(".") or place.name in FOREIGN:
            return f"must not lie in {place.name}, which belongs to other programs"
        if mark := next((mark for mark in MARKS if (place / mark).exists()), None):
            return f"must not lie in {place}, a folder of other programs: it has {mark}"
    if ".." in path.parts:
        return f"must not contain ..; it leads to {real}"
    try:
        if (other := _find_other(real)) is not None:
            return f"holds {other}, which no run has written; choose a new or an empty folder"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    nearest = next(place for place in (real, *real.parents) if place.is_dir())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"cannot be written, as {nearest} is not writable"
    return None


def _find_other(folder: Path) -> Path | None:
    """Something that lies there beside results, hidden files apart; None if nothing does."""
    if not folder.is_dir() or any(any(folder.glob(sign)) for sign in SIGNS):
        return None
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink() or not path.is_dir():
            return path
        if (other := _find_other(path)) is not None:
            return other
    return None
