"""Parquet files read with pyarrow, which `datasets` brings and which is imported when one is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns, from the file's end alone. Raises ScoresError where it is none."""
    import pyarrow.parquet as pq

    try:
        return [str(name) for name in pq.read_schema(path).names]
    except (OSError, ValueError) as error:
        raise ScoresError(f"{path}: no readable Parquet: {str(error).splitlines()[0]}") from None


def parquet_rows(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows as Python values. Raises ScoresError where the file is none."""
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    except (OSError, ValueError) as error:
        raise ScoresError(f"{path}: no readable Parquet: {str(error).splitlines()[0]}") from None
    return rows
