"""What one run found out and the next may use: a small file of JSON lines, written whole; losing it costs time only.

Each line has a checksum over itself and the file's name: one that was changed or is another file's counts as not there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from calibaudit.errors import OutputError
from calibaudit.files.checked_lines import sealed, text_in, unsealed
from calibaudit.files.write import write_whole

logger = logging.getLogger(__name__)

MOST = 2_000
"""Entries of a file; the oldest go first."""


class Memory:
    """Values by key, in one file. path: None keeps nothing and knows nothing.

    Several processes may use a file at once: each entry is one line, a change is read, made and put in place under a
    lock (where the system has one; else the last one wins and a lost entry is found out again). A damaged line counts
    as not there: one notice says how many, and they go. So does a file that cannot be read; one that cannot be written
    is passed over.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._place = b"" if path is None else path.name.encode("utf-8", "replace")[:64]

    def get(self, key: str) -> dict[str, Any] | None:
        entries, n_damaged = self._entries()
        if n_damaged:
            self._change(lambda entries: None)
        return entries.get(key)

    def keep(self, key: str, value: Mapping[str, Any]) -> None:
        """value: of what JSON holds. Replaces what stood under the key."""

        def put(entries: dict[str, dict[str, Any]]) -> None:
            entries.pop(key, None)
            entries[key] = dict(value)

        self._change(put)

    def _change(self, change: Callable[[dict[str, dict[str, Any]]], None]) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path):
                entries, n_damaged = self._entries()
                change(entries)
                lines = [sealed({"key": k, **v}, self._place) for k, v in list(entries.items())[-MOST:]]
                write_whole(b"".join(lines), self._path)
        except (OSError, OutputError, ValueError) as error:
            logger.debug("%s: not cached (%s)", self._path, error)
            return
        if n_damaged:
            logger.warning(
                "%s: %d line%s damaged or of an earlier version: what %s held is computed again, and %s gone",
                self._path, n_damaged, *(("", "it", "it is") if n_damaged == 1 else ("s", "they", "they are")),
            )  # fmt: skip

    def _entries(self) -> tuple[dict[str, dict[str, Any]], int]:
        """What the file holds, and how many of its lines are damaged."""
        found: dict[str, dict[str, Any]] = {}
        n_damaged = 0
        if self._path is None:
            return found, 0
        try:
            content = self._path.read_bytes()
        except OSError:
            return found, 0
        for line in filter(None, content.split(b"\n")):
            try:
                entry = unsealed(line, self._place)
                key = text_in(entry, "key")
            except (ValueError, KeyError, TypeError):
                n_damaged += 1
                continue
            found[key] = {name: value for name, value in entry.items() if name != "key"}
        return found, n_damaged


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among processes of this machine that write `path`, where the system can say so."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with _lock_file(path) as file:
        for _ in range(500):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # five seconds at most: who holds it may have been stopped
                time.sleep(0.01)
            except OSError:  # a file system without locks
                break
        yield


def _lock_file(path: Path) -> IO[bytes]:
    """Beside `path`, which is itself put in place anew and so cannot be what is locked."""
    return open(path.with_name(f".{path.name}.lock"), "ab", opener=lambda name, flags: os.open(name, flags, 0o600))
