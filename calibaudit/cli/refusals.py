"""What the parser refuses, in words of the command line alone: no class, no enum, no library's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def refusal(error: Any) -> str:
    """The parser's error in one line: which flag, which value, what it takes.

    Typer checks values itself, by Click, or (from 0.28) by pydantic, whose messages speak of inputs and of schemas.
    """
    faults = getattr(error.__cause__, "errors", None)
    if callable(faults):
        error.message = _in_words(faults(include_url=False)[0])
    return f"{str(error.format_message()).rstrip('.')}; see --help"


def _in_words(fault: Mapping[str, Any]) -> str:
    """One fault that pydantic found in a flag's value."""
    given, kind, bound = repr(fault["input"]), str(fault["type"]), fault.get("ctx") or {}
    if kind == "value_error":
        return str(bound["error"]).partition("\n")[0]
    if kind in ("greater_than_equal", "greater_than"):
        least = bound.get("ge", bound.get("gt"))
        return f"{given} is too small: give {least}{' or more' if 'ge' in bound else ' at least'}"
    if kind in ("less_than_equal", "less_than"):
        return f"{given} is too large: give {bound.get('le', bound.get('lt'))} or less"
    what = next((what for start, what in _KINDS if kind.startswith(start)), "a value that it takes")
    return f"{given} is not {what}"


_KINDS = (("int", "a whole number"), ("float", "a number"), ("bool", "true or false"), ("path", "a path"))
"""How pydantic's names of what it wanted begin -> what that is."""
