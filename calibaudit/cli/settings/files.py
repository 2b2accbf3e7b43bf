"""Defaults for flags out of a TOML file: the one that --config names, else the nearest one from here upwards."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import CalibauditError
from calibaudit.files.paths import is_there, user_path
from calibaudit.files.text import json_value
from calibaudit.files.toml_text import read_toml

COMMANDS = ("compare", "score", "gate", "bless", "recommend", "fix")
"""Tables of these names are for that command alone; keys beside them are for every command that has the flag."""

OWN_FILE, SHARED_FILE = "calibaudit.toml", "pyproject.toml"
"""What is looked for in a folder, in this order; of the second only [tool.calibaudit]."""

_ROOTS = (".git", ".hg")
_LARGEST = 2**63
LIMITS = ("margin", "alpha", "max-ece", "max-gap", "max-brier", "min-items", "strict", "bins")
"""What `bless` writes into a baseline: it takes the keys of the table for `gate`, where its own has none."""

COMMAND_LINE_ONLY = {
    "allow-looser": "a file that comes with a change must not loosen the change's own gate",
    "allow-missing": "a file that comes with a change must not take tasks out of the change's own gate",
}
"""Flags that no file can set, and why."""

NOT_OF_GATE = {
    "cache-dir": "kept scores that come with a change could be made up",
    "revision": "a file that comes with a change must not say which revision is judged",
    "baseline-revision": "a file that comes with a change must not say what it is judged against",
    "output": "a file that comes with a change must not say which files are written over",
    "plot": "a file that comes with a change must not say which files are written over",
}
"""Flags that no file can set for `gate`, and why."""


@dataclass(frozen=True)
class Setting:
    """A value of a settings file. key: with its table, as `gate.margin`."""

    key: str
    value: Any


def settings_file(path: Path | None = None) -> Path | None:
    """The file in force, relative to the working directory where it was found; None where there is none.

    path: what --config names. Else the nearest calibaudit.toml, or pyproject.toml with a [tool.calibaudit], in the
    working directory or a folder above it, up to the root of the repository (.git or .hg) or of the file system.
    Raises CalibauditError for a pyproject.toml on the way that cannot be read.
    """
    if path is not None:
        return path
    try:
        here = Path.cwd()
    except OSError:  # deleted meanwhile
        return None
    for folder in (here, *here.parents):
        for name in (OWN_FILE, SHARED_FILE):
            found = Path(os.path.relpath(folder / name, here))
            if is_there(found, Path.is_file) and (name == OWN_FILE or has_table(found)):
                return found
        if any(is_there(folder / root) for root in _ROOTS):
            return None
    return None


def command_defaults(
    path: Path | None, command: str, flags: Collection[str], all_flags: Collection[str]
) -> dict[str, Setting]:
    """The flags' values for `command`, keyed by parameter name (dashes become underscores).

    path: the file named by --config, or None for the one that `settings_file` finds. flags: names without dashes in
    front that this command has; all_flags: those of any command. Raises CalibauditError naming the file and the key.
    """
    path = settings_file(path)
    if path is None:
        return {}
    table = _table_of(path)
    own = _own_table(path, table, command)
    for key in (*table, *own):
        if reason := {**COMMAND_LINE_ONLY, **(NOT_OF_GATE if command == "gate" else {})}.get(key):
            raise CalibauditError(f"{path}: {key!r} is for the command line alone ({reason}): give --{key} there")
    values: dict[str, Setting] = {}
    for key, value in table.items():
        if key in COMMANDS and isinstance(value, dict):
            continue
        if key not in all_flags:
            raise _unknown(path, key, [*all_flags, *COMMANDS])
        if key in flags:
            values[key.replace("-", "_")] = _checked(path, key, value)
    for key, (whole, value) in own.items():
        if key not in flags:
            raise _unknown(path, whole, flags)
        values[key.replace("-", "_")] = _checked(path, whole, value)
    return values


def _table_of(path: Path) -> dict[str, Any]:
    """What is calibaudit's in the file: [tool.calibaudit] where that stands in it, else all of it."""
    whole = read_toml(user_path(path, CalibauditError), CalibauditError)
    table = _of_tool(path, whole)
    return whole if table is None else table


def has_table(path: Path) -> bool:
    """Whether [tool.calibaudit] stands in the file. Raises CalibauditError where that cannot be read."""
    return _of_tool(path, read_toml(path, CalibauditError)) is not None


def _of_tool(path: Path, whole: Mapping[str, Any]) -> dict[str, Any] | None:
    """[tool.calibaudit] of a file."""
    tool = _table(path, "tool", whole.get("tool", {}))
    return _table(path, "tool.calibaudit", tool["calibaudit"]) if "calibaudit" in tool else None


def _table(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CalibauditError(f"{path}: {key}: expected a table, found {json_value(value)}; write [{key}]")
    return value


def _own_table(path: Path, table: dict[str, Any], command: str) -> dict[str, tuple[str, Any]]:
    """The table for this command alone, each value with the key as it stands in the file.

    Raises CalibauditError where a command's name stands for something else.
    """
    own, of_gate = (_table(path, name, table.get(name, {})) for name in (command, "gate"))
    limits = {key: (f"gate.{key}", value) for key, value in of_gate.items() if key in LIMITS}
    return {**(limits if command == "bless" else {}), **{key: (f"{command}.{key}", own[key]) for key in own}}


def _checked(path: Path, key: str, value: Any) -> Setting:
    if isinstance(value, dict):
        raise CalibauditError(f"{path}: {key!r}: expected a value, found a table")
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, (str, bool, int, float)):
            raise CalibauditError(f"{path}: {key} holds {part!s:.40}; a flag takes text, a number, true or false")
        if isinstance(part, (int, float)) and not abs(part) < _LARGEST:
            raise CalibauditError(f"{path}: {key} is not a number that a flag can have: it is not finite, or too large")
    return Setting(key, value)


def _unknown(path: Path, key: str, known: Collection[str]) -> CalibauditError:
    near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
    return CalibauditError(f"{path}: unknown key {key!r}{hint}")
