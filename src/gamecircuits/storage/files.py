"""Files that appear whole or not at all, and what their makers recorded of them.

Each job leaves a record in the results, `jobs/STAGE/NAMES.json`. It has the text of the job, its
digest, and the SHA-256 of every file that it made, by its path in the results folder.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gamecircuits.errors import ArtefactError, StorageError

KEY = b"gamecircuits"  # where parquet, safetensors and images carry the job that made them
REPAIR = "run the pipeline with its configuration again, which makes the file anew"


@contextlib.contextmanager
def write_atomically(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success and is removed on failure.

    A reader sees the old file or the whole new one, never half of it. A writer that is killed
    leaves its temporary file behind; `written_file` tells whose it is.

    Raises:
        StorageError: the file cannot be written, for want of space or of permission.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise StorageError(
            f"{path} cannot be written ({reason}); free space there, or permit writing, and run "
            "again: all files that were finished are kept"
        ) from error


def written_file(temporary: Path) -> str | None:
    """Name of the file that `write_atomically` meant by a temporary one, None if it was not its."""
    found = re.fullmatch(r"\.(.+)\.\d+\.tmp", temporary.name)
    return found and found[1]


def write_files(contents: Mapping[Path, bytes] | Mapping[str, bytes]) -> None:
    """Write each content to its path."""
    for path, content in contents.items():
        with write_atomically(path) as temporary:
            temporary.write_bytes(content)


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_path(results: Path | str, stage: str, label: str) -> str:
    """Where the job of a stage with these names leaves its record."""
    return f"{results}/jobs/{stage}/{label}.json"


class Record(NamedTuple):
    """What a job left: its text, parsed; the digest of it; digests of its files, by path."""

    job: dict
    digest: str
    files: dict[str, str]


def read_record(path: Path | str) -> Record | None:
    """The record at this path; None if there is none that can be read."""
    try:
        found = json.loads(Path(path).read_bytes())
        return Record(found["job"], found["digest"], dict(found["files"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def check_recorded(path: Path | str, record: Path | str) -> str:
    """Return the digest of the job that made a file.

    Raises:
        ArtefactError: the record does not name the file, or has another digest of its bytes.
    """
    made = read_record(record)
    wanted = made and made.files.get(os.path.relpath(path, Path(record).parents[2]))
    if not made or not wanted:
        raise ArtefactError(f"nothing says what made {path}, so it is not used; {REPAIR}")
    if not os.path.isfile(path):
        raise ArtefactError(f"{path} does not exist; {REPAIR}")
    if file_digest(path) != wanted:
        raise ArtefactError(f"{path} is damaged, or was changed by hand; {REPAIR}")
    return made.digest
