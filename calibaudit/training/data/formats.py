"""Files of rows, one reader a format: JSON lines, a JSON list, CSV, each perhaps gzipped, and Parquet."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from calibaudit.errors import SftError
from calibaudit.files.read import MOST, NotJson, decode_json, lines_of, open_file
from calibaudit.files.tables import MOST_UNPACKED, NotCsv, csv_rows, unpacked
from calibaudit.files.text import json_kind

Placed = tuple[str, Mapping[str, Any] | str]
"""(place, row): `file:line` or `data set, row N` (from 0), and the row, or else what keeps it from being read."""


def suffix_of(path: Path) -> str | None:
    """The one of SUFFIXES that a file's name ends in, whole: `.jsonl.gz`, not `.gz`."""
    return next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)


def read_file(path: Path, name: str) -> Iterator[Placed]:
    """The rows of a file whose name ends in one of SUFFIXES. name: what it is called in places and messages.

    Raises SftError where the file as a whole is not what its name says; OSError as opening and reading do.
    """
    suffix = suffix_of(path)
    assert suffix is not None, path
    read = _READERS[suffix.removesuffix(".gz")]
    with open_file(path, SftError, name=name) as file:
        if suffix.endswith(".gz"):
            with unpacked(file, name, SftError) as inner:
                yield from read(inner, name)
        else:
            yield from read(file, name)


def without_nulls(value: Any) -> Any:
    """A value out of a table, without the keys that hold nothing: a table gives each object the keys of all."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def table_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A table's row; its own columns stay, empty ones too, since they say of what kind it could be."""
    return {key: without_nulls(value) for key, value in row.items()}


def _json_lines(file: IO[bytes], name: str) -> Iterator[Placed]:
    for number, line in enumerate(lines_of(file, name, SftError), start=1):
        if line.strip() and (row := line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip():
            yield f"{name}:{number}", _parse(row)


def _parse(text: bytes) -> Mapping[str, Any] | str:
    try:
        return _object(decode_json(text, finite=False))  # pandas writes NaN for nothing
    except NotJson as error:
        return error.reason


def _object(row: Any) -> Mapping[str, Any] | str:
    return row if isinstance(row, dict) else f"expected an object, found {json_kind(row)}"


def _json_list(file: IO[bytes], name: str) -> Iterator[Placed]:
    try:
        most = MOST if isinstance(file, io.BufferedReader) else MOST_UNPACKED
        content = file.read(most + 1)
        if len(content) > most:
            raise SftError(f"{name}: a list of more than {most:,} bytes; write one object a line, as .jsonl, unpacked")
        rows = decode_json(content.decode("utf-8-sig"), finite=False)
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
    decoded = (line.decode("utf-8-sig" if n == 0 else "utf-8") for n, line in enumerate(lines_of(file, name, SftError)))
    rows = csv_rows(decoded, strict=True)
    line = 1
    try:
        _, header = next(rows, (1, []))
        if twice := next((column for column, n in Counter(header).items() if n > 1), None):
            raise SftError(f"{name}: column {twice!r:.80} occurs twice in the first line, which names the columns")
        for line, fields in rows:
            yield f"{name}:{line}", _csv_row(header, fields)
    except NotCsv as error:
        raise SftError(f"{name}:{error.line}: {error.reason}") from None
    except UnicodeDecodeError:
        raise SftError(f"{name}: not UTF-8 text (after line {line})") from None


def _csv_row(header: list[str], fields: list[str]) -> Mapping[str, Any] | str:
    if len(fields) != len(header):
        return f"expected {len(header)} fields, as in the first line, found {len(fields)}"
    return {column: field or None for column, field in zip(header, fields, strict=True)}


def _parquet_rows(file: IO[bytes], name: str) -> Iterator[Placed]:
    from pyarrow import parquet

    try:
        index = itertools.count()
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                yield f"{name}, row {next(index)}", table_row(row)
    except (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        # pyarrow's own errors are kinds of these, and damaged files bring out all of them
        raise SftError(f"{name}: not a readable Parquet file: {' '.join(str(error).split())}") from error


_READERS: Mapping[str, Callable[[IO[bytes], str], Iterator[Placed]]] = {
    ".jsonl": _json_lines,
    ".json": _json_list,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}
SUFFIXES = (*_READERS, *(f"{suffix}.gz" for suffix in _READERS if suffix != ".parquet"))
"""What the names of files that can be read end in."""
