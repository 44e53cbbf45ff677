"""Data frames on disk, as parquet and as CSV."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from gamecircuits.storage.files import write_files
from gamecircuits.storage.parquet import read_table, write_parquet


def write_frame(table: pd.DataFrame, job: str, *paths: Path | str) -> None:
    """Write the table to each path: parquet that carries the job, or CSV, by the path's suffix."""
    for path in map(Path, paths):
        if path.suffix == ".csv":
            write_files({path: table.to_csv(index=False, lineterminator="\n").encode()})
        else:
            content = pa.Table.from_pandas(table, preserve_index=False)
            write_parquet(path, [content.replace_schema_metadata(None)], job)


def read_frame(path: Path | str) -> pd.DataFrame:
    """A parquet file as a data frame; a damaged one is an ArtefactError."""
    return read_table(path).to_pandas()
