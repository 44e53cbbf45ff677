"""Files that appear whole or not at all."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gamecircuits.errors import StorageError

KEY = b"gamecircuits"  # where parquet, safetensors and images carry the job that made them
REPAIR = "run the pipeline with its configuration again, which makes the file anew"


@contextlib.contextmanager
def write_atomically(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success and is removed on failure.

    A reader sees the old file or the whole new one, never half of it. Temporary files that an
    earlier, killed writer of the same file left behind are removed too.

    Raises:
        StorageError: the file cannot be written, for want of space or of permission.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)
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


def write_files(contents: Mapping[Path, bytes] | Mapping[str, bytes]) -> None:
    """Write each content to its path."""
    for path, content in contents.items():
        with write_atomically(path) as temporary:
            temporary.write_bytes(content)


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
