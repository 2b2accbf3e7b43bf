"""Defaults for a command's flags out of a TOML file: --config FILE, or [tool.calibaudit] of ./pyproject.toml."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from calibaudit.errors import CalibauditError
from calibaudit.files.paths import user_path
from calibaudit.files.toml_text import read_toml

COMMANDS = ("compare", "score", "gate", "bless", "recommend", "fix")
"""Tables of these names are for that command alone; keys beside them are for every command that has the flag."""


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
}
"""Flags that no file can set for `gate`, and why."""


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
        table = _inner(path, read_toml(path, CalibauditError), {})
    else:
        whole = read_toml(user_path(path, CalibauditError), CalibauditError)
        table = _inner(path, whole, whole)
    values: dict[str, Any] = {}
    own = _own_table(path, table, command)
    for key in (*table, *own):
        if reason := {**COMMAND_LINE_ONLY, **(NOT_OF_GATE if command == "gate" else {})}.get(key):
            raise CalibauditError(f"{path}: {key!r} is for the command line alone ({reason}): give --{key} there")
    for key, value in table.items():
        if key in COMMANDS and isinstance(value, dict):
            continue
        if key not in all_flags:
            raise _unknown(path, key, [*all_flags, *COMMANDS])
        if key in flags:
            values[key.replace("-", "_")] = _checked(path, key, value)
    for key, value in own.items():
        if key not in flags:
            raise _unknown(path, f"{command}.{key}", flags)
        values[key.replace("-", "_")] = _checked(path, key, value)
    return values


def _inner(path: Path, whole: dict[str, Any], otherwise: dict[str, Any]) -> dict[str, Any]:
    """[tool.calibaudit] of a file."""
    tool = _table(path, "tool", whole.get("tool", {}))
    return _table(path, "tool.calibaudit", tool.get("calibaudit", otherwise))


def _table(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CalibauditError(f"{path}: {key} is {value!r:.40}, where a table is wanted: write [{key}]")
    return value


def _own_table(path: Path, table: dict[str, Any], command: str) -> dict[str, Any]:
    """The table for this command alone. Raises CalibauditError where its name stands for something else."""
    own, of_gate = (_table(path, name, table.get(name, {})) for name in (command, "gate"))
    limits = {key: value for key, value in of_gate.items() if key in LIMITS} if command == "bless" else {}
    return {**limits, **own}


def _checked(path: Path, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        raise CalibauditError(f"{path}: {key!r} is a table; it must be a value")
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, (str, bool, int, float)):
            raise CalibauditError(f"{path}: {key} holds {part!s:.40}; text, numbers, true and false are flags' values")
        if isinstance(part, (int, float)) and not abs(part) < _LARGEST:
            raise CalibauditError(f"{path}: {key} is not a number that a flag can have: it is not finite, or too large")
    return value


def as_given(path: Path, key: str, value: Any, *, switch: bool, repeated: bool) -> Any:
    """A value as the command line would have given it: text, texts where the flag may be repeated, or a truth value.

    The parser then reads it, and refuses it, as it does the flag's. Raises CalibauditError for one of another kind.
    """
    if switch:
        if not isinstance(value, bool):
            raise CalibauditError(f"{path}: {key} is {value!r:.40}; a switch is true or false")
        return value
    values = value if isinstance(value, list) else [value]
    if any(isinstance(part, bool) for part in values):
        raise CalibauditError(f"{path}: {key} is {value!r:.40}; it takes text or a number, not true or false")
    if repeated:
        return [str(part) for part in values]
    if isinstance(value, list):
        raise CalibauditError(f"{path}: {key} is a list; it takes one value")
    return str(value)


def _unknown(path: Path, key: str, known: Collection[str]) -> CalibauditError:
    near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
    return CalibauditError(f"{path}: unknown key {key!r}{hint}")
