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
