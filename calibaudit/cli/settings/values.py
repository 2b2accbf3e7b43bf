"""A value of a settings file as the command line would have given it, or one line that says what it should be."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from calibaudit.cli.help.flags import Flag
from calibaudit.errors import CalibauditError
from calibaudit.files.paths import is_there

PATHS_OR_NAMES = ("base", "chat-template", "data", "tasks", "tokenizer")
"""Keys of text that may name a file or folder."""

_NAMES_FIRST = ("chat-template", "tasks")
"""Of these, those whose value is a known name before it is a folder's: a path is written with a / or an ending."""


def as_given(path: Path, key: str, value: Any, flag: Flag) -> Any:
    """Text, texts where the flag may be repeated, or a truth value: the parser reads it as it does the flag's.

    key: as it stands in the file. Raises CalibauditError, with the file and the key, for what the flag does not take.
    """
    if flag.is_switch:
        if not isinstance(value, bool):
            raise CalibauditError(f"{path}: {key} is {value!r:.40}; a switch is true or false")
        return value
    values = value if isinstance(value, list) else [value]
    if any(isinstance(part, bool) for part in values):
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        raise CalibauditError(f"{path}: {key} is {shown:.40}; it takes {_taken(flag)}, not true or false")
    if isinstance(value, list) and not flag.is_repeated:
        raise CalibauditError(f"{path}: {key} is a list; it takes one value")
    for part in values:
        if not _fits(part, flag):
            near = difflib.get_close_matches(str(part), flag.choices, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise CalibauditError(f"{path}: {key} is {part!r:.40}; it takes {_taken(flag)}{hint}")
    return [str(part) for part in values] if flag.is_repeated else str(value)


def from_folder(value: Any, flag: Flag, folder: Path) -> Any:
    """The value with its relative paths, which are relative to the settings file's folder, made so to this one."""
    if folder in (Path(), Path()):
        return value
    if isinstance(value, list):
        return [from_folder(part, flag, folder) for part in value]
    if flag.kind is Path:
        return _moved(value, folder)
    if flag.key not in PATHS_OR_NAMES:
        return value
    separator = "," if flag.key == "tasks" else None
    parts = value.split(separator) if separator else [value]
    return ",".join(_moved(part, folder) if _is_path(part.strip(), flag.key, folder) else part for part in parts)


def _moved(text: str, folder: Path) -> str:
    text = text.strip()
    return text if text.startswith("~") or Path(text).is_absolute() else os.path.normpath(folder / text)


def _is_path(text: str, key: str, folder: Path) -> bool:
    if not text or (key in _NAMES_FIRST and not ("/" in text or os.sep in text or Path(text).suffix)):
        return False
    return is_there(folder / text)


def _fits(value: Any, flag: Flag) -> bool:
    if flag.choices:
        return str(value) in flag.choices
    if flag.kind not in (int, float):
        return True
    try:
        number = flag.kind(str(value))
    except ValueError:
        return False
    return (flag.least is None or number >= flag.least) and (flag.most is None or number <= flag.most)


def _taken(flag: Flag) -> str:
    if flag.choices:
        return "one of " + ", ".join(flag.choices)
    kinds: dict[type, str] = {int: "a whole number", float: "a number", Path: "a path"}
    return ", ".join(filter(None, (kinds.get(flag.kind, "text or a number"), flag.bounds())))
