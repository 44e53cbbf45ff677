"""Tables and figures on disk: each table as parquet and CSV, each figure as PNG and SVG beside it.

The parquet file carries the job and the digests of the files that were written with it, so that a
damaged or edited sibling is noticed.
"""

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
from matplotlib.figure import Figure

from gamecircuits.datasets import open_parquet, write_parquet
from gamecircuits.provenance import file_digest, write_atomically

FILES_KEY = b"gamecircuits.files"


def write_results(
    job: str,
    table: pd.DataFrame,
    parquet: Path | str,
    *,
    csv: Path | str | None = None,
    figure: Figure | None = None,
    images: Iterable[Path | str] = (),
) -> None:
    """Write the table, and the figure in the format that each image's name asks for."""
    digests = {}
    for path in [csv, *images]:
        if path is None:
            continue
        with write_atomically(path) as temporary:
            if path == csv:
                table.to_csv(temporary, index=False, lineterminator="\n")
            else:
                temporary.write_bytes(render(figure, Path(path).suffix, job))
        digests[Path(path).name] = file_digest(path)
    content = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    extra = {FILES_KEY: json.dumps(digests, sort_keys=True).encode()}
    write_parquet(parquet, [content], job, extra)


def render(figure: Figure, suffix: str, job: str) -> bytes:
    """The bytes of a figure, the same every time; its metadata carry the job."""
    metadata = {".png": {"Description": job}, ".svg": {"Description": job, "Date": None}}
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix[1:], metadata=metadata[suffix])
    return buffer.getvalue()


def damaged_siblings(parquet: Path | str, folders: Iterable[Path | str]) -> list[Path]:
    """Files written with this table, in one of the folders, that have been changed since."""
    metadata = open_parquet(parquet).schema_arrow.metadata or {}
    digests = json.loads(metadata.get(FILES_KEY, b"{}"))
    found = (Path(folder) / name for name in digests for folder in folders)
    return [path for path in found if path.is_file() and file_digest(path) != digests[path.name]]
