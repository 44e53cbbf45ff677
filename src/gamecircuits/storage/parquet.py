"""Parquet files that say what made them; damaged ones are refused.

Page checksums are written and verified.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gamecircuits.errors import ArtefactError
from gamecircuits.storage.files import KEY, REPAIR, write_atomically


def write_parquet(path: Path | str, tables: Iterable[pa.Table], job: str) -> int:
    """Write the tables as row groups of one file that carries its job; return the number of rows.

    The file appears under its name only when it is complete.
    """
    rows, writer = 0, None
    with write_atomically(path) as temporary:
        try:
            for table in tables:
                if writer is None:
                    schema = table.schema.with_metadata({KEY: job.encode()})
                    writer = pq.ParquetWriter(
                        temporary, schema, compression="zstd", write_page_checksum=True
                    )
                writer.write_table(table.replace_schema_metadata(schema.metadata))
                rows += table.num_rows
            if writer is None:
                raise ValueError(f"no table to write into {path}: its columns are unknown")
        finally:
            if writer is not None:
                writer.close()
    return rows


def open_parquet(path: Path | str) -> pq.ParquetFile:
    """Open for reading with checksums verified; a damaged file is an ArtefactError."""
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise ArtefactError(
            f"{path} does not exist; run the pipeline with its configuration"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def read_job(path: Path | str) -> str | None:
    """The job text that a parquet file carries, None when it carries none."""
    metadata = open_parquet(path).schema_arrow.metadata or {}
    try:
        return metadata[KEY].decode() if KEY in metadata else None
    except UnicodeDecodeError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path | str, error: Exception) -> ArtefactError:
    reason = str(error).strip().splitlines()[0]
    return ArtefactError(f"{path} is damaged ({reason}); {REPAIR}")


def read_table(path: Path | str) -> pa.Table:
    """A whole parquet file, verified against its checksums."""
    try:
        return open_parquet(path).read()
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def iter_row_groups(path: Path | str, groups: Iterable[int] | None = None) -> Iterator[pa.Table]:
    """The row groups of a parquet file one by one, verified; only the given ones if any are."""
    file = open_parquet(path)
    for group in range(file.num_row_groups) if groups is None else groups:
        try:
            table = file.read_row_group(group)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error
        yield table
