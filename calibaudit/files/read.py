"""Text and JSON read in one way: what is wrong becomes one line that names the file, the place and the fault.

fault: the kind of CalibauditError to raise, so that each package's readers raise their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from calibaudit.errors import CalibauditError


class NotJson(ValueError):
    """A text is no JSON. reason: in words, without the place. line, column: from 1, None where no one place is."""

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.line, self.column = reason, line, column


def decode_json(
    text: str | bytes,
    *,
    unique_keys: bool = False,
    finite: bool = False,
    compact: Callable[[dict[str, Any]], Any] | None = None,
) -> Any:
    """The value of a JSON text; bytes are UTF-8. Raises NotJson.

    unique_keys: a key that stands twice in one object is a fault. finite: so are NaN and Infinity, which are no JSON.
    compact: what to put in the place of an object, called for each as soon as it is complete; not with unique_keys.
    """
    assert compact is None or not unique_keys, "one of the two"
    try:
        return json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_hook=compact,
            object_pairs_hook=_once if unique_keys else None,
            parse_constant=_refuse if finite else None,
        )
    except UnicodeDecodeError:
        raise NotJson("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"not valid JSON: {error.msg} (column {error.colno})", error.lineno, error.colno) from None
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except NotJson:
        raise
    except ValueError as error:  # a number of more digits than Python takes
        raise NotJson(f"not valid JSON: {error}") from None


def parse_json(
    text: str | bytes,
    where: str,
    fault: type[CalibauditError],
    *,
    unique_keys: bool = False,
    finite: bool = False,
    compact: Callable[[dict[str, Any]], Any] | None = None,
) -> Any:
    """`decode_json` of a whole file's text; `where` stands before the line and the fault. Raises `fault`."""
    try:
        return decode_json(text, unique_keys=unique_keys, finite=finite, compact=compact)
    except NotJson as error:
        place = where if error.line is None else f"{where}:{error.line}"
        raise fault(f"{place}: {error.reason}") from None


def read_text(path: Path, fault: type[CalibauditError], *, name: str | None = None, mark: bool = True) -> str:
    """The text of a UTF-8 file. name: what it is called in messages. Raises `fault`.

    mark: a byte-order mark is passed over; if not, it stays, as it does for readers other than ours.
    """
    try:
        return path.read_text(encoding="utf-8-sig" if mark else "utf-8")
    except UnicodeDecodeError as error:
        raise fault(f"{name or path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise fault(f"{name or path}: cannot be read: {error.strerror or error}") from error


def read_json(
    path: Path,
    fault: type[CalibauditError],
    *,
    name: str | None = None,
    mark: bool = True,
    unique_keys: bool = False,
    finite: bool = False,
    compact: Callable[[dict[str, Any]], Any] | None = None,
) -> Any:
    """The value of a JSON file; see `read_text` and `decode_json`. Raises `fault`."""
    text = read_text(path, fault, name=name, mark=mark)
    return parse_json(text, name or str(path), fault, unique_keys=unique_keys, finite=finite, compact=compact)


def json_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of the lines of a JSONL text that are not blank."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"key {twice!r} stands twice in one object")
    return row


def _refuse(name: str) -> float:
    raise NotJson(f"not valid JSON: {name} is no JSON number")
