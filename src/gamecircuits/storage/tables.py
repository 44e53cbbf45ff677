"""Tables on disk as parquet and CSV, and the figures that are drawn from them.

The parquet file carries the job and the digests of the files that were written with it, so that a
damaged or edited sibling is noticed.
"""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from gamecircuits.storage.files import file_digest, write_atomically
from gamecircuits.storage.parquet import open_parquet, write_parquet

FILES_KEY = b"gamecircuits.files"


def write_results(
    job: str,
    table: pd.DataFrame,
    parquet: Path | str,
    *,
    csv: Path | str | None = None,
    others: Mapping[str, bytes] | None = None,
) -> None:
    """Write the table, its CSV, and files that belong to it: contents by path."""
    files = dict(others or {})
    if csv is not None:
        files[csv] = table.to_csv(index=False, lineterminator="\n").encode()
    digests = {}
    for path, content in files.items():
        with write_atomically(path) as temporary:
            temporary.write_bytes(content)
        digests[Path(path).name] = file_digest(path)
    content = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    extra = {FILES_KEY: json.dumps(digests, sort_keys=True).encode()}
    write_parquet(parquet, [content], job, extra)


def to_parquet(table: pd.DataFrame) -> bytes:
    """A table as the content of a parquet file that is written beside another's."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def changed_siblings(parquet: Path | str, siblings: Iterable[str]) -> list[str]:
    """Those of the existing files beside a table that are not as they were written with it."""
    metadata = open_parquet(parquet).schema_arrow.metadata or {}
    digests = json.loads(metadata.get(FILES_KEY, b"{}"))
    return [
        path
        for path in siblings
        if Path(path).is_file() and file_digest(path) != digests.get(Path(path).name)
    ]
