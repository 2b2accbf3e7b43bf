"""Files of rows, one reader a format: JSON lines, a JSON list, CSV, each perhaps gzipped, and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from calibaudit.errors import SftError
from calibaudit.files.read import NotJson, decode_json

Placed = tuple[str, Mapping[str, Any] | str]
"""(place, row): `file:line` or `data set, row N` (from 0), and the row, or else what keeps it from being read."""

_LONGEST_FIELD = 2**31 - 1
"""Characters in a field of a CSV file: csv allows 131,072 unless told, and at most what a C long holds."""


def suffix_of(path: Path) -> str | None:
    """The one of SUFFIXES that a file's name ends in, whole: `.jsonl.gz`, not `.gz`."""
    return next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)


def read_file(path: Path, name: str) -> Iterator[Placed]:
    """The rows of a file whose name ends in one of SUFFIXES. name: what it is called in places and messages.

    Raises SftError where the file as a whole is not what its name says; OSError as opening and reading do.
    """
    suffix = suffix_of(path)
    assert suffix is not None, path
    try:
        with cast("IO[bytes]", gzip.open(path)) if suffix.endswith(".gz") else path.open("rb") as file:
            yield from _READERS[suffix.removesuffix(".gz")](file, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SftError(f"{name}: not a whole gzip file: {' '.join(str(error).split())}") from error


def without_nulls(value: Any) -> Any:
    """A value out of a table, without the keys that hold nothing: a table gives each object the keys of all."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def table_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A table's row; its own columns stay, empty ones too, since they say of what kind it could be."""
    return {key: without_nulls(value) for key, value in row.items()}


def _json_lines(file: IO[bytes], name: str) -> Iterator[Placed]:
    for number, line in enumerate(file, start=1):
        if line.strip() and (row := line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip():
            yield f"{name}:{number}", _parse(row)


def _parse(text: bytes) -> Mapping[str, Any] | str:
    try:
        return _object(decode_json(text))
    except NotJson as error:
        return error.reason


def _object(row: Any) -> Mapping[str, Any] | str:
    return row if isinstance(row, dict) else f"an object is wanted, not {type(row).__name__}"


def _json_list(file: IO[bytes], name: str) -> Iterator[Placed]:
    try:
        rows = decode_json(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SftError(f"{name}: not UTF-8 text (byte {error.start})") from None
    except NotJson as error:
        place = name if error.line is None else f"{name}:{error.line}"
        raise SftError(f"{place}: {error.reason} (one object a line: name it .jsonl)") from None
    if not isinstance(rows, list):
        raise SftError(f"{name}: a .json file must hold a list of objects (one object a line: name it .jsonl)")
    for index, row in enumerate(rows):
        yield f"{name}, row {index}", _object(row)


def _csv_rows(file: IO[bytes], name: str) -> Iterator[Placed]:
    """A row's place is the line that it begins on; an empty field holds nothing."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader, [])
            if twice := next((column for column in header if header.count(column) > 1), None):
                raise SftError(f"{name}: column {twice!r} stands twice in the first line, which names the columns")
            line = reader.line_num + 1
            for fields in reader:
                if fields:
                    yield f"{name}:{line}", _csv_row(header, fields)
                line = reader.line_num + 1
        except csv.Error as error:
            raise SftError(f"{name}:{reader.line_num}: not valid CSV: {error}") from None
        except UnicodeDecodeError:
            raise SftError(f"{name}: not UTF-8 text (after line {reader.line_num})") from None


def _csv_row(header: list[str], fields: list[str]) -> Mapping[str, Any] | str:
    if len(fields) != len(header):
        return f"{len(header)} fields are wanted, as in the first line, not {len(fields)}"
    return {column: field or None for column, field in zip(header, fields, strict=True)}


def _parquet_rows(file: IO[bytes], name: str) -> Iterator[Placed]:
    import pyarrow
    from pyarrow import parquet

    try:
        index = itertools.count()
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                yield f"{name}, row {next(index)}", table_row(row)
    except pyarrow.ArrowException as error:
        raise SftError(f"{name}: not a readable Parquet file: {' '.join(str(error).split())}") from error


_READERS: Mapping[str, Callable[[IO[bytes], str], Iterator[Placed]]] = {
    ".jsonl": _json_lines,
    ".json": _json_list,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}
SUFFIXES = (*_READERS, *(f"{suffix}.gz" for suffix in _READERS if suffix != ".parquet"))
"""What the names of files that can be read end in."""
