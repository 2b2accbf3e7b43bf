"""Single values of a saved result, read back; and the one line for a result that is not whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any, get_args

from calibaudit.analysis.estimates import Change, Interval
from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.files.read import plain_reason
from calibaudit.files.text import json_value

Result = Mapping[str, Any]


def malformed(source: str, error: Exception, maker: str = "calibaudit compare -o") -> ScoresError:
    """maker: the command that makes a whole one."""
    return ScoresError(f"{source}: not a whole result of calibaudit ({plain_reason(error)}); make one with `{maker}`")


@contextmanager
def whole_result(source: str, maker: str = "calibaudit compare -o") -> Iterator[None]:
    """Where entries are read: what is missing, of another kind or cannot be becomes the one ScoresError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, CalibauditError) as error:
        raise malformed(source, error, maker) from error


def interval_of(entry: Result) -> Interval:
    return Interval(*_floats(entry, "value", "low", "high"))


def change_of(entry: Result) -> Change:
    return Change(*_floats(entry, "value", "low", "high", "p_value"))


def float_of(value: Any) -> float | None:
    """A finite number or none; TypeError for anything else."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value)):
        raise TypeError(f"expected a number, found {json_value(value)}")
    return None if value is None else float(value)


def number_of(value: Any) -> float:
    """A finite number; TypeError for anything else."""
    if (found := float_of(value)) is None:
        raise TypeError("expected a number, found null")
    return found


def one_of(known: Any, value: Any, name: str) -> Any:
    """The value, where it is one of them; ValueError else. known: names, or a Literal of them. name: the entry's."""
    names = get_args(known) or tuple(known)
    if value not in names:
        raise ValueError(f"{name} is {str(value)[:40]!r}, none of {', '.join(names)}")
    return value


def texts_of(value: Any) -> tuple[str, ...]:
    """The texts of a list; TypeError for anything else: a text alone would be taken for as many as it has letters."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"expected a list of strings, found {json_value(value)}")
    return tuple(str(text) for text in value)


def _floats(entry: Result, *names: str) -> list[Any]:
    return [float_of(entry[name]) for name in names]
