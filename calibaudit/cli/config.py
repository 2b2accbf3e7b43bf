"""Defaults for a command's flags out of a TOML file: --config FILE, or [tool.calibaudit] of ./pyproject.toml."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from calibaudit.errors import CalibauditError
from calibaudit.files.read import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMMANDS = ("compare", "score", "gate", "bless", "recommend", "fix")
"""Tables of these names are for that command alone; keys beside them are for every command that has the flag."""


def command_defaults(
    path: Path | None, command: str, flags: Collection[str], all_flags: Collection[str]
) -> dict[str, Any]:
    """The flags' values for `command`, keyed by parameter name (dashes become underscores).

    path: the file named by --config, or None for ./pyproject.toml if there is one. flags: names without dashes in front
    that this command has; all_flags: those of any command. Raises CalibauditError naming the file and the unknown key.
    """
    if path is None:
        path = Path("pyproject.toml")
        if not path.is_file():
            return {}
        table = _read(path).get("tool", {}).get("calibaudit", {})
    else:
        table = _read(path)
        table = table.get("tool", {}).get("calibaudit", table)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in COMMANDS and isinstance(value, dict):
            continue
        if key not in all_flags:
            raise _unknown(path, key, [*all_flags, *COMMANDS])
        if key in flags:
            values[key.replace("-", "_")] = _checked(path, key, value)
    for key, value in table.get(command, {}).items():
        if key not in flags:
            raise _unknown(path, f"{command}.{key}", flags)
        values[key.replace("-", "_")] = _checked(path, key, value)
    return values


def _checked(path: Path, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        raise CalibauditError(f"{path}: {key!r} is a table; it must be a value")
    return value


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path, CalibauditError)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise CalibauditError(f"{path}: not valid TOML: {error}") from error


def _unknown(path: Path, key: str, known: Collection[str]) -> CalibauditError:
    near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
    return CalibauditError(f"{path}: unknown key {key!r}{hint}")
