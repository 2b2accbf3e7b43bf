"""TOML with limits, its tables as dictionaries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from calibaudit.errors import CalibauditError
from calibaudit.files.read import DEEPEST, read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST = 1 << 20
"""Bytes of a file."""


def read_toml(path: Path, fault: type[CalibauditError]) -> dict[str, Any]:
    """Raises `fault`."""
    text = read_text(path, fault, most=MOST)
    deep = next((n for n, line in enumerate(text.split("\n"), start=1) if _is_deep(line)), None)
    if deep is not None:
        raise fault(f"{path}:{deep}: nested too deeply: a key of more than {DEEPEST} parts")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise fault(f"{path}: not valid TOML: nested too deeply") from None
    except ValueError as error:
        raise fault(f"{path}: not valid TOML: {' '.join(str(error).split())}") from error
    if _holds_too_large(table):
        raise fault(f"{path}: not valid TOML: an integer of more than 64 bits")
    return table


def _holds_too_large(value: Any) -> bool:
    """Whether an integer in it has more bits than TOML grants: written in hexadecimal it can be too long to show."""
    if isinstance(value, (dict, list)):
        return any(map(_holds_too_large, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and not -(1 << 63) <= value < 1 << 63


def _is_deep(line: str) -> bool:
    """Whether the line's key has many parts: tomllib takes the square of their number in time."""
    if line.count(".") < DEEPEST:
        return False
    parts = line.partition("=")[0].split(".")
    return len(parts) > DEEPEST and all(parts)
