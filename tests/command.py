"""What a test of the command line calls, and what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Ended(NamedTuple):
    """A finished run of the command."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


def check_refused(ended: Ended, *said: str) -> None:
    """Exit code 2 and one line on stderr that holds everything said."""
    assert (ended.code, ended.out) == (2, ""), ended
    (line,) = ended.err.splitlines()
    assert line.startswith("calibaudit: ")
    for part in (*said,):
        assert part in line
