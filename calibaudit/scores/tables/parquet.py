"""Parquet files read with pyarrow, which `datasets` brings and which is imported when one is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.read import open_file
from calibaudit.files.text import one_line

MOST_ROWS = 20_000_000
"""What is packed may be far larger than its file."""


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns, from the file's end alone. Raises ScoresError where it is none."""
    import pyarrow.parquet as pq

    with _said(path), open_file(path, ScoresError) as file:
        return [str(name) for name in pq.read_schema(file).names]


def parquet_rows(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows as Python values. Raises ScoresError where the file is none, or has too many."""
    import pyarrow.parquet as pq

    with _said(path), open_file(path, ScoresError) as file:
        found = pq.ParquetFile(file)
        if found.metadata.num_rows > MOST_ROWS:
            raise ScoresError(f"{path}: {found.metadata.num_rows:,} rows; the limit is {MOST_ROWS:,}")
        rows: list[dict[str, Any]] = found.read(columns=columns).to_pylist()
    return rows


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """pyarrow's errors are kinds of OSError, ValueError and the like, and damaged files bring out all of them."""
    try:
        yield
    except (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ScoresError(
            f"{path}: not a readable Parquet file: {one_line(error, 200) or type(error).__name__}"
        ) from None
