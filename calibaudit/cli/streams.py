"""The standard streams when they are closed, full, or read by no one: what is lost there makes no other exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calibaudit.errors import OutputError


class ReaderGone(Exception):
    """No one reads stdout any more (`| head`). No BrokenPipeError: rich would end with exit code 1 for that."""


@contextmanager
def steady_streams() -> Iterator[None]:
    """Inside, what cannot be written to stderr is let go, and to stdout is an OutputError, or ReaderGone.

    A stream that was closed (`>&-`) takes all and keeps nothing.
    """
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Told(sys.stdout), _Lossy(sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, OutputError, ReaderGone):
                stream.flush()
        sys.stdout, sys.stderr = before


def drop(stream: Any) -> None:
    """Let what the stream still holds go nowhere: Python writes it out at the end, and would fail again there."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _open_closed() -> None:
    """In order: each gets the lowest number that is free, its own, before a file of ours is opened under it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8", errors="replace"))


class _Stream(ABC):
    """A text stream in the place of another, which has what is not here."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError as error:
            self._failed(error)
            return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    @abstractmethod
    def _failed(self, error: OSError) -> None:
        """What becomes of a text that cannot be written."""


class _Lossy(_Stream):
    def _failed(self, error: OSError) -> None:
        drop(self._stream)


class _Told(_Stream):
    def _failed(self, error: OSError) -> None:
        drop(self._stream)
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        raise OutputError(f"stdout cannot be written: {error.strerror or error}; free it, or name a file with -o")
