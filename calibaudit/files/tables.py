"""Rows of CSV and TSV, and what is packed in gzip and zip files: as they stand there, with limits."""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from calibaudit.errors import CalibauditError
from calibaudit.files.read import LONGEST_LINE, open_file

MOST_COLUMNS = 10_000


class NotCsv(ValueError):
    """A text is no CSV. line: from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


def csv_rows(lines: Iterable[str], delimiter: str = ",", *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """(the line it begins on, fields) of each row, the header first; empty ones are passed over.

    lines: with their ends. Raises NotCsv, also for a header of two columns of one name, or of no end of them.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))  # it allows 131,072 characters unless told
    reader = csv.reader(lines, delimiter=delimiter, strict=strict)
    line, is_header = 1, True
    try:
        for fields in reader:
            if is_header:
                _check_header(fields)
                is_header = False
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise NotCsv(f"not valid CSV: {error}", reader.line_num) from None


def _check_header(fields: list[str]) -> None:
    if len(fields) > MOST_COLUMNS:
        raise NotCsv(f"{len(fields):,} columns; the limit is {MOST_COLUMNS:,}", 1)


@contextmanager
def unpacked(file: IO[bytes], where: str, fault: type[CalibauditError]) -> Iterator[IO[bytes]]:
    """What is packed in an opened gzip file. Raises `fault`, in reading too, where it is none or not whole."""
    try:
        with cast("IO[bytes]", gzip.open(file)) as inner:
            yield inner
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise fault(f"{where}: not a whole gzip file: {' '.join(str(error).split())}") from error


def is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except (OSError, ValueError):
        return False


MOST_UNPACKED = 1 << 28
"""Bytes that one entry of a zip file, or a gzip file that is read whole, may unpack to."""
_ZSTD = 93


@contextmanager
def zip_entries(
    path: Path, fault: type[CalibauditError]
) -> Iterator[tuple[dict[str, zipfile.ZipInfo], Callable[[zipfile.ZipInfo], bytes]]]:
    """The entries of a zip file by name, and what reads one whole; zstd, which Python's own zipfile learns with 3.14,
    is undone by pyarrow. Raises `fault`, also for one that unpacks to more than is read.
    """

    def content(entry: zipfile.ZipInfo) -> bytes:
        with _said(path, fault, f"{entry.filename} cannot be unpacked"):
            if entry.compress_type == _ZSTD:
                found = _of_zstd(file, entry)
            else:
                with archive.open(entry) as packed:
                    found = packed.read(MOST_UNPACKED + 1)
        if len(found) > MOST_UNPACKED:
            raise fault(f"{path}: {entry.filename} unpacks to more than {MOST_UNPACKED:,} bytes, the most that is read")
        return found

    with open_file(path, fault) as file:
        with _said(path, fault, "no whole zip file"):
            archive = zipfile.ZipFile(file)
            entries = {info.filename: info for info in archive.infolist()}
        yield entries, content


@contextmanager
def _said(path: Path, fault: type[CalibauditError], what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # zipfile passes on what zlib, lzma, struct and pyarrow raise
        raise fault(f"{path}: {what}: {' '.join(str(error).split()) or type(error).__name__}") from None


def _of_zstd(file: IO[bytes], entry: zipfile.ZipInfo) -> bytes:
    import pyarrow as pa

    file.seek(entry.header_offset)
    head = file.read(30)
    file.seek(entry.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"))
    with pa.CompressedInputStream(pa.BufferReader(file.read(entry.compress_size)), "zstd") as stream:
        parts, n = [], 0
        while n <= MOST_UNPACKED and (part := stream.read(1 << 20)):
            parts.append(part)
            n += len(part)
    return b"".join(parts)
