"""What the parser refuses, in words of the command line alone: no class, no enum, no library's vocabulary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def refusal(error: Any) -> str:
    """The parser's error in one line: which flag, which value, what it takes.

    Typer checks values itself, by Click, or (from 0.28) by pydantic, whose messages speak of inputs and of schemas.
    """
    faults = getattr(error.__cause__, "errors", None)
    if callable(faults):
        error.message = _of_pydantic(faults(include_url=False)[0])
    elif isinstance(getattr(error, "message", None), str):
        error.message = _of_click(error.message)
    return f"{str(error.format_message()).rstrip('.')}; see --help"


def _of_pydantic(fault: Mapping[str, Any]) -> str:
    """One fault that pydantic found in a flag's value."""
    given, kind, bound = repr(fault["input"]), str(fault["type"]), fault.get("ctx") or {}
    if kind == "value_error":
        return str(bound["error"]).partition("\n")[0]
    if "ge" in bound or "gt" in bound:
        return f"{given} is too small: give {bound.get('ge', bound.get('gt'))} or more"
    if "le" in bound or "lt" in bound:
        return f"{given} is too large: give {bound.get('le', bound.get('lt'))} or less"
    what = next((what for start, what in _KINDS if kind.startswith(start)), "a value that it takes")
    return f"{given} is not {what}"


_KINDS = (("int", "a whole number"), ("float", "a number"), ("bool", "true or false"), ("path", "a path"))
"""How pydantic's and Click's names of what they wanted begin -> what that is."""


def _of_click(message: str) -> str:
    if found := re.fullmatch(r"(.+) is not a valid (\w+)(?: range)?\.?", message, re.DOTALL):
        what = next((what for start, what in _KINDS if found[2].startswith(start)), found[2])
        return f"{found[1]} is not {what}"
    if found := re.fullmatch(r"(\S+) is not in the range (?:([^<>=x]+)<=?)?x(?:([<>])=?([^<>=x]+?))?\.?", message):
        given, least, way, bound = found.groups()
        least, most = (bound, None) if way == ">" else (least, bound)
        if least is not None and float(given) < float(least):
            return f"{given} is too small: give {least} or more"
        return f"{given} is too large: give {most} or less"
    return message
