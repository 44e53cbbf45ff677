"""Snakemake's own records, of which one that is damaged would stop every run.

Nothing depends on them: the tasks say what is up to date (gamecircuits.pipeline.plan), and a job
that was interrupted has left no record of ours. So a damaged one is removed.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from snakemake.persistence import MetadataRecord


def remove_damaged(folder: Path) -> Iterator[Path]:
    """Remove the records in this folder, `.snakemake`, that Snakemake cannot read; yield them."""
    for kind in ("metadata", "incomplete"):
        place = folder / kind
        if os.path.lexists(place) and not place.is_dir():
            place.unlink()
            yield place
        for path, folders, files in os.walk(place):
            found = [Path(path, name) for name in files if not _is_readable(Path(path, name), kind)]
            found += [Path(path, name) for name in folders if not name.startswith("@")]
            folders[:] = [name for name in folders if name.startswith("@")]  # parts of long names
            for record in found:
                with contextlib.suppress(OSError):
                    shutil.rmtree(record) if record.is_dir() else record.unlink()
                    yield record


def _is_readable(path: Path, kind: str) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if kind == "metadata":
            MetadataRecord.model_validate(content)
    except FileNotFoundError:  # a run in another results folder may be at work here
        return True
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict)
