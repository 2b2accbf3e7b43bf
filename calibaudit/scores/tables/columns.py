"""Which of a table's columns hold what, and the options' numbers out of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.text import json_value
from calibaudit.scores.logs.collected import LETTERS
from calibaudit.scores.logs.settings import ImportSettings, ValueKind
from calibaudit.scores.tables.rows import Table

KNOWN = ("id", "answer", "group", "task", "model", "option_mass", "document", "question", "choices")
LISTS: dict[str, ValueKind] = {
    "probs": "probabilities",
    "probabilities": "probabilities",
    "logprobs": "logprobs",
    "logits": "logits",
}
_PREFIXED = re.compile(r"(prob|logprob|logit)_(.+)")
_PREFIX: dict[str, ValueKind] = {"prob": "probabilities", "logprob": "logprobs", "logit": "logits"}


@dataclass(frozen=True)
class Layout:
    """at: the column of each known name that is there. options: names and columns of the options, in order.

    listed: the one column that holds all of them, None where each has its own. kind: what the columns' names say.
    unknown: columns that are not read.
    """

    at: dict[str, str]
    options: tuple[tuple[str, str], ...]
    listed: str | None
    kind: ValueKind | None
    unknown: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.options)


def layout_of(table: Table, settings: ImportSettings) -> Layout:
    """Raises ScoresError naming the columns that are there, and the flag that would say which is which."""
    at = {name.lower(): name for name in reversed(table.columns) if name.lower() in KNOWN}
    if settings.groups is not None:
        if settings.groups not in table.columns:
            raise ScoresError(f"{table.path}: --groups {settings.groups}: no such column; {_there(table)}")
        at["group"] = settings.groups
    lists = [name for name in table.columns if name.lower() in LISTS]
    if len(lists) > 1:
        raise ScoresError(f"{table.path}: columns {' and '.join(lists)}: keep one of them")
    rest = [name for name in table.columns if name not in at.values() and name not in lists]
    kind: ValueKind | None
    if lists and not settings.options:
        texts = [name for name in _lettered(rest) if not _is_number(table.rows[0].get(name))]
        options, kind = tuple((name, name) for name in texts), LISTS[lists[0].lower()]
    else:
        lists, (options, kind) = [], _own_columns(table, rest, settings)
    if "answer" not in at:
        raise ScoresError(f"{table.path}: no column answer; {_there(table)}")
    used = {column for _, column in options}
    return Layout(at, options, lists[0] if lists else None, kind, tuple(n for n in rest if n not in used))


def _own_columns(
    table: Table, rest: Sequence[str], settings: ImportSettings
) -> tuple[tuple[tuple[str, str], ...], ValueKind | None]:
    """Names and columns of options that have a column each, and their kind where the columns' names say it."""
    if settings.options:
        missing = next((name for name in settings.options if name not in table.columns), None)
        if missing is not None:
            raise ScoresError(f"{table.path}: --options: no column {missing!r}; {_there(table)}")
        return tuple((name, name) for name in settings.options), None
    matches = [(match, name) for name in rest if (match := _PREFIXED.fullmatch(name))]
    kinds = {match[1] for match, _ in matches}
    if len(kinds) == 1 and len(matches) > 1:
        return tuple((match[2], name) for match, name in matches), _PREFIX[kinds.pop()]
    lettered = _lettered(rest)
    if len(kinds) > 1 or len(lettered) < 2:
        raise ScoresError(
            f"{table.path}: no columns A, B, ... and no list column probs, logprobs or logits; {_there(table)}; "
            "name the options' columns with `calibaudit import --options`"
        )
    return tuple((name, name) for name in lettered), None


def _lettered(names: Sequence[str]) -> list[str]:
    """A, B, C, ... as far as they go without a gap."""
    found = []
    for letter in LETTERS:
        if letter not in names:
            break
        found.append(letter)
    return found


def _there(table: Table) -> str:
    return f"there are {', '.join(table.columns):.200}"


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def numbers_of(table: Table, layout: Layout) -> list[list[float]]:
    """Each row's numbers; cells may be empty behind the last option. Raises ScoresError naming row, column, value."""
    found = []
    for i, row in enumerate(table.rows):
        if layout.listed is None:
            cells = [(column, row.get(column)) for _, column in layout.options]
        else:
            listed = row.get(layout.listed)
            if not isinstance(listed, list):
                raise ScoresError(
                    f"{table.place(i)}: column {layout.listed}: expected a list, found {json_value(listed)}"
                )
            cells = [(layout.listed, cell) for cell in listed]
        while cells and cells[-1][1] is None:
            cells.pop()
        if len(cells) < 2:
            raise ScoresError(f"{table.place(i)}: {len(cells)} options have a number; at least 2 are needed")
        found.append([_number(cell, f"{table.place(i)}: column {column}") for column, cell in cells])
    return found


def _number(cell: Any, where: str) -> float:
    if cell is None:
        raise ScoresError(f"{where} is empty before the last option; leave cells empty at the end only")
    if isinstance(cell, bool) or not _is_number(cell):
        raise ScoresError(f"{where}: expected a number, found {json_value(cell)}")
    value = float(cell)
    if not math.isfinite(value):
        raise ScoresError(f"{where}: {value} is not a finite number; fix the row or leave it out")
    return value


def decimals_of(table: Table, layout: Layout) -> int | None:
    """The most digits behind the point that an option's number is written with; None where they are no texts."""
    given = [row.get(column) for row in table.rows for _, column in layout.options]
    cells = [cell for cell in given if isinstance(cell, str)]
    if layout.listed is not None or len(cells) < len(given) - given.count(None):
        return None
    if any("e" in cell.lower() for cell in cells):
        return None
    return max(len(cell.partition(".")[2]) for cell in cells)
