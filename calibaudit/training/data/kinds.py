"""By which keys a row is known, what else is read of it, and columns of other names that are to be read as these."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibaudit.errors import SftError
from calibaudit.training.data.turns import holds

_TEMPLATE = ("tools", "chat_template_kwargs")
_BEFORE = ("system", "history", *_TEMPLATE)


@dataclass(frozen=True)
class Kind:
    """keys: all of them make a row one of the kind. also: keys that are read where they are there.

    form: turns under one key; what is asked and what is answered; running text. joined: those of `also` that stand
    behind what is asked, a blank line between. delimiter: between question and answer where no chat template is.
    """

    keys: tuple[str, ...]
    also: tuple[str, ...]
    form: Literal["chat", "pair", "text"]
    joined: tuple[str, ...] = ()
    delimiter: str = "\n\n"

    @property
    def name(self) -> str:
        return " + ".join(self.keys)


KINDS = (
    Kind(("messages",), ("system", *_TEMPLATE), "chat"),
    Kind(("conversations",), ("system", *_TEMPLATE), "chat"),
    Kind(("prompt", "completion"), _BEFORE, "pair", delimiter=""),
    Kind(("instruction", "output"), ("input", *_BEFORE), "pair", ("input",)),
    Kind(("instruction", "response"), ("context", *_BEFORE), "pair", ("context",)),  # Dolly
    Kind(("question", "response"), ("system_prompt", *_BEFORE), "pair"),  # OpenOrca
    Kind(("question", "answer"), _BEFORE, "pair"),
    Kind(("query", "response"), _BEFORE, "pair"),
    Kind(("text",), (), "text"),
)
"""The first kind whose keys are all there is taken."""

KNOWN = tuple(dict.fromkeys(key for kind in KINDS for key in (*kind.keys, *kind.also)))


def kind_of(row: Mapping[str, Any], kinds: Sequence[Kind]) -> Kind | None:
    """The first kind whose keys all have a value, else the first whose keys are there: tables leave cells empty."""
    for has in (lambda key: row.get(key) is not None, lambda key: key in row):
        for kind in kinds:
            if all(map(has, kind.keys)):
                return kind
    return None


def names_of(kinds: Iterable[Kind]) -> str:
    """What was looked for, for messages."""
    return ", ".join(kind.name for kind in kinds)


class Fields:
    """A row's values by the names that they are read under, and which of them have not been read.

    columns: as `read_columns` gives them. A column under its own name gives way to one that is to be read as it.
    passed: names of what held a value and was not read, so far.
    """

    def __init__(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        self._column = {key: column for column, key in columns.items() if column in row}
        self._row = row
        self.values = {key: value for key, value in row.items() if key not in columns and key not in self._column}
        self.values.update((key, row[column]) for key, column in self._column.items())
        self.passed = {str(key): None for key, value in row.items() if holds(value)}

    def take(self, key: str) -> tuple[Any, str]:
        """The value under a key, and what its column is called; it counts as read."""
        column = self._column.get(key, key)
        self.passed.pop(column, None)
        return self.values.get(key), column

    def leave(self, key: str) -> None:
        """Count a value as not read after all."""
        self.passed[self._column.get(key, key)] = None


def read_columns(text: str) -> dict[str, str]:
    """`question=prompt,response=completion` as a column of the data -> the key that it is read as.

    Raises SftError for other text, and as `kinds_with` does.
    """
    columns: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        column, _, key = (word.strip() for word in part.partition("="))
        if not column or not key:
            raise SftError(f"--columns {part}: give COLUMN=KEY, such as question=prompt,response=completion")
        if column in columns:
            raise SftError(f"--columns {text}: column {column!r} occurs in it twice")
        columns[column] = key
    if text.strip() and not columns:
        raise SftError(f"--columns {text}: give COLUMN=KEY, such as question=prompt,response=completion")
    kinds_with(columns)
    return columns


def kinds_with(columns: Mapping[str, str]) -> tuple[Kind, ...]:
    """The kinds that read all the keys that columns are given for.

    Raises SftError for a key that is not known or is given twice, and where no kind reads them all.
    """
    keys = list(columns.values())
    for column, key in columns.items():
        if key not in KNOWN:
            near = difflib.get_close_matches(key, KNOWN, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise SftError(
                f"--columns {column}={key}: no kind of row has a key {key}; {hint}known are {', '.join(KNOWN)}"
            )
        if keys.count(key) > 1:
            raise SftError(f"--columns: two columns are to be read as {key}; give one")
    found = tuple(kind for kind in KINDS if set(keys) <= {*kind.keys, *kind.also})
    if not found:
        raise SftError(f"--columns: no kind of row has {' and '.join(keys)}; the kinds are {names_of(KINDS)}")
    return found


def check_columns(columns: Mapping[str, str], there: Iterable[str], where: str) -> None:
    """Raises SftError for a column that is not among those that are there. where: the row, or all rows."""
    names = list(there)
    for column, key in columns.items():
        if column not in names:
            found = ", ".join(map(str, names)) or "none"
            raise SftError(f"{where}: --columns {column}={key}: there is no column {column!r}; there is: {found}")
