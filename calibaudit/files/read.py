"""Text and JSON read in one way: what is wrong becomes one line that names the file, the place and the fault.

Nothing here trusts a file: its size, how deep it is nested and how large its numbers are have limits, and only what is
a file is opened, so that no pipe or device is waited for.
fault: the kind of CalibauditError to raise, so that each package's readers raise their own.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from calibaudit.errors import CalibauditError
from calibaudit.files.paths import broken_link
from calibaudit.files.text import one_line, shortened

MOST = 1 << 30
"""Bytes of a file that is read whole."""
MOST_OF_SETTINGS = 1 << 26
"""Bytes of a file that says how something is done: a checkpoint's settings and index."""
LONGEST_LINE = 1 << 26
"""Bytes of a line of a file that is read line by line."""
DEEPEST = 100
"""Lists and objects in one another."""
LONGEST_INTEGER = 300
"""Digits; what is longer is no number that anything here computes with, and more than a float can hold."""

Compact = Callable[[dict[str, Any]], Any]


class NotJson(ValueError):
    """A text is no JSON. reason: in words, without the place. line, column: from 1, None where no one place is."""

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.line, self.column = reason, line, column


def decode_json(
    text: str | bytes, *, unique_keys: bool = False, finite: bool = True, compact: Compact | None = None
) -> Any:
    """The value of a JSON text; bytes are UTF-8. Raises NotJson.

    unique_keys: a key that occurs twice in one object is a fault. finite: so is a number that is none: NaN, Infinity
    and 1e999. compact: what to put in the place of an object, called for each as soon as it is complete; not with
    unique_keys; whoever gives it looks at the numbers, which are then read twice as fast.
    """
    assert compact is None or not unique_keys, "one of the two"
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        _check_characters(text)
        if text.count("[") + text.count("{") > DEEPEST and _is_deeper(text, DEEPEST):
            raise NotJson(f"nested too deeply: more than {DEEPEST} lists and objects inside one another")
        return _decoder(unique_keys, finite, compact).decode(text)
    except UnicodeDecodeError:
        raise NotJson(_NOT_UTF8) from None
    except json.JSONDecodeError as error:
        told = f"{error.msg} (column {error.colno})" if text.strip() else "it is empty"
        raise NotJson(f"not valid JSON: {told}", error.lineno, error.colno) from None
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
    finite: bool = True,
    compact: Compact | None = None,
) -> Any:
    """`decode_json` of a whole file's text; `where` stands before the line and the fault. Raises `fault`."""
    try:
        return decode_json(text, unique_keys=unique_keys, finite=finite, compact=compact)
    except NotJson as error:
        place = where if error.line is None else f"{where}:{error.line}"
        raise fault(f"{place}: {error.reason}") from None


def open_file(path: str | os.PathLike[str], fault: type[CalibauditError], *, name: str | None = None) -> IO[bytes]:
    """A file opened for reading, in bytes. name: what it is called in messages.

    Raises `fault` where there is none, or something else: a folder, a pipe, a socket, a device, which could be waited
    for without end.
    """
    where = name or one_line(os.fspath(path), 300)
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            os.close(opened)
            other = "Is a directory" if stat.S_ISDIR(mode) else "a pipe or a device, not a file; save it to one"
            raise fault(f"{where}: cannot be read: {other}")
        return os.fdopen(opened, "rb")
    except OSError as error:
        link = broken_link(Path(path)) if isinstance(error, FileNotFoundError) else None
        raise fault(f"{where}: {link or f'cannot be read: {error.strerror or error}'}") from error
    except ValueError as error:  # NUL in the path, or half a character
        raise fault(f"{where}: cannot be read: {error}") from error


def read_bytes(path: Path, fault: type[CalibauditError], *, name: str | None = None, most: int = MOST) -> bytes:
    """What a file holds. Raises `fault`, also where that is more than `most` bytes."""
    where = name or one_line(path, 300)
    try:
        with open_file(path, fault, name=name) as file:
            if os.fstat(file.fileno()).st_size > most:
                raise fault(f"{where}: {_too_large(most)}")
            content = file.read(most + 1)
    except OSError as error:
        raise fault(f"{where}: cannot be read: {error.strerror or error}") from error
    except MemoryError:
        raise fault(f"{where}: cannot be read: it does not fit in memory") from None
    if len(content) > most:
        raise fault(f"{where}: {_too_large(most)}")
    return content


def read_text(
    path: Path, fault: type[CalibauditError], *, name: str | None = None, mark: bool = True, most: int = MOST
) -> str:
    """The text of a UTF-8 file, line ends as \\n. name: what it is called in messages. Raises `fault`.

    mark: a byte-order mark is passed over; if not, it stays, as it does for readers other than ours.
    """
    content = read_bytes(path, fault, name=name, most=most)
    try:
        text = content.decode("utf-8-sig" if mark else "utf-8")
    except UnicodeDecodeError as error:
        kind = (
            " but UTF-16: save it as UTF-8" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else f" (byte {error.start})"
        )
        raise fault(f"{name or path}: {_NOT_UTF8}{kind}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_json(
    path: Path,
    fault: type[CalibauditError],
    *,
    name: str | None = None,
    mark: bool = True,
    unique_keys: bool = False,
    finite: bool = True,
    compact: Compact | None = None,
    most: int = MOST,
) -> Any:
    """The value of a JSON file; see `read_text` and `decode_json`. Raises `fault`."""
    text = read_text(path, fault, name=name, mark=mark, most=most)
    return parse_json(text, name or str(path), fault, unique_keys=unique_keys, finite=finite, compact=compact)


@contextmanager
def as_expected(what: str, fault: type[CalibauditError]) -> Iterator[None]:
    """For a reader of values that others wrote: what it trips over where they are of other kinds becomes `fault`.

    what: the file and what was expected of it.
    """
    try:
        yield
    except CalibauditError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise fault(f"{what}: {plain_reason(error)}") from error


_OF_PYTHON = re.compile(
    r"__\w+__|'\w+' object|\bargument|\bindices\b|unpack|iterable|could not convert|inhomogeneous|unhashable|"
    r"not supported between|has no attribute|literal for|out of range|invalid (?:index|type)|dtype|must be (?:str|real)"
)
"""What the interpreter and NumPy say where a value is of another kind; our own messages say what was expected."""


def plain_reason(error: Exception) -> str:
    """Why a value that others wrote cannot be read, in words of their file: no class, no call of a function."""
    if isinstance(error, KeyError) and error.args:
        return f"no entry {error.args[0]!r:.60}"
    told = one_line(error, 200)
    if isinstance(error, CalibauditError) or (told and not _OF_PYTHON.search(told)):
        return told
    return "an entry is missing or of the wrong kind"


def json_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of the lines of a JSONL text that are not blank."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def lines_of(file: IO[bytes], where: str, fault: type[CalibauditError]) -> Iterator[bytes]:
    """The lines of an opened file, their ends at them. Raises `fault` for one of more than LONGEST_LINE bytes."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise fault(f"{where}:{number}: a line of more than {LONGEST_LINE:,} bytes, the most that is read")
        yield line


_NOT_UTF8 = "not UTF-8 text"
_ESCAPED = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u(?P<half>[dD][89a-fA-F]..)|.)", re.DOTALL)


def _too_large(most: int) -> str:
    return f"cannot be read: it has more than {most:,} bytes, the limit for such a file"


def _check_characters(text: str) -> None:
    """Half a surrogate pair is no character: nothing could write it again, tokenize it or hash it."""
    if text.startswith("\ufeff"):
        raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError as error:
        raise NotJson(f"not valid JSON: U+{ord(text[error.start]):04X} is half a character") from None
    if "\\ud" in text or "\\uD" in text:
        half = next((found["half"] for found in _ESCAPED.finditer(text) if found["half"]), None)
        if half is not None:
            raise NotJson(f"not valid JSON: \\u{shortened(half, 4)} is half a character (a lone surrogate)")


def _is_deeper(text: str, most: int) -> bool:
    """Whether lists and objects stand in one another more than `most` deep. A pass a level, in C."""
    found = text.encode()
    if b"\\" in found:
        found = re.sub(rb"\\.", b"", found, flags=re.DOTALL)
    found = found.translate(None, _BUT_BRACKETS)
    found = re.sub(rb'"[^"]*"', b"", found)
    for _ in range(most):
        less = re.sub(rb"\[\]|\{\}", b"", found)
        if len(less) == len(found):
            return False  # nothing is left, or what is no JSON, which the parser says
        found = less
    return bool(found)


_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b'"[]{}')


@lru_cache(maxsize=32)
def _decoder(unique_keys: bool, finite: bool, compact: Compact | None) -> json.JSONDecoder:
    is_looked_at = compact is None
    return json.JSONDecoder(
        object_hook=compact,
        object_pairs_hook=_once if unique_keys else None,
        parse_constant=_refuse if finite else None,
        parse_float=_float if finite and is_looked_at else None,
        parse_int=_integer if is_looked_at else None,
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in pairs:
        if name in row:
            raise NotJson(f"key {name!r:.200} occurs twice in one object")
        row[name] = value
    return row


def _refuse(name: str) -> float:
    raise NotJson(f"not valid JSON: {name} is not a JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise NotJson(f"not valid JSON: {shortened(digits, 30)} is too large for a number (at most 1.8e308)")
    return value


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise NotJson(f"not valid JSON: a whole number of {len(digits):,} digits; the limit is {LONGEST_INTEGER}")
    return int(digits)
