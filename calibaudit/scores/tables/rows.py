"""A table's rows out of CSV, TSV, JSONL, a JSON list, or Parquet, as they stand there."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.read import NotJson, decode_json, json_lines, open_file, parse_json, read_text
from calibaudit.files.tables import NotCsv, csv_rows
from calibaudit.files.text import json_value
from calibaudit.scores.tables.parquet import parquet_rows

MAGIC = b"PAR1"


@dataclass(frozen=True)
class Table:
    """columns: in order. rows: a cell that is empty or missing is None. first: what row 0 is called in messages."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    first: int

    def place(self, row: int) -> str:
        """Where a row stands: the file and its line, or its number where there are no lines."""
        return f"{self.path}:{row + self.first}"


def delimiter_of(header: str) -> str | None:
    """What separates a header's cells, None where nothing does: a tab, a comma or a semicolon."""
    most = max("\t,;", key=header.count)
    return most if header.count(most) else None


def read_rows(path: Path) -> Table:
    """Raises ScoresError naming file and line."""
    with open_file(path, ScoresError) as file:
        if file.read(4) == MAGIC:
            return _table(path, parquet_rows(path), 0)
    text = read_text(path, ScoresError)
    if text.lstrip().startswith("["):
        return _table(path, parse_json(text, str(path), ScoresError), 0)
    if text.lstrip().startswith("{"):
        return _table(path, [_json_row(path, number, line) for number, line in json_lines(text)], 1)
    return _csv(path, text)


def _json_row(path: Path, number: int, line: str) -> Any:
    try:
        return decode_json(line)
    except NotJson as error:
        raise ScoresError(f"{path}:{number}: {error.reason}") from None


def _csv(path: Path, text: str) -> Table:
    header = text.lstrip("\n").split("\n", 1)[0]
    delimiter = delimiter_of(header)
    if delimiter is None:
        raise ScoresError(f"{path}: not a table: its first line has no comma, semicolon or tab")
    rows = []
    try:
        found = csv_rows(io.StringIO(text, newline=""), delimiter)
        names = [name.strip() for name in next(found, (1, []))[1]]
        twice = next((name for name, n in Counter(names).items() if n > 1), None)
        if twice is not None:
            raise ScoresError(f"{path}:1: two columns are called {twice!r:.80}")
        for line, cells in found:
            if len(cells) != len(names):
                raise ScoresError(f"{path}:{line}: {len(cells)} cells, and the header has {len(names)}")
            rows.append(dict(zip(names, (cell.strip() or None for cell in cells), strict=True)))
    except NotCsv as error:
        raise ScoresError(f"{path}:{error.line}: {error.reason}") from None
    return _table(path, rows, 2)


def _table(path: Path, rows: Any, first: int) -> Table:
    if not isinstance(rows, list) or not rows:
        raise ScoresError(f"{path}: a table without rows")
    odd = next((i for i, row in enumerate(rows) if not isinstance(row, dict)), None)
    if odd is not None:
        raise ScoresError(f"{path}:{odd + first}: expected a row with named columns, found {json_value(rows[odd])}")
    return Table(path, tuple(dict.fromkeys(name for row in rows for name in row)), tuple(rows), first)
