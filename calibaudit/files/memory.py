"""What one run found out and the next may use: a small file of JSON lines, written whole; losing it costs time only."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from calibaudit.errors import OutputError
from calibaudit.files.read import decode_json
from calibaudit.files.write import write_whole

logger = logging.getLogger(__name__)

MOST = 2_000
"""Entries of a file; the oldest go first."""


class Memory:
    """Values by key, in one file. path: None keeps nothing and knows nothing.

    Several processes may use a file at once: each entry is one line, a change is read, made and put in place under a
    lock (where the system has one; else the last one wins and a lost entry is found out again). A damaged line counts
    as not there, and so does a file that cannot be read; one that cannot be written is passed over.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def get(self, key: str) -> dict[str, Any] | None:
        return self._entries().get(key)

    def keep(self, key: str, value: Mapping[str, Any]) -> None:
        """value: of what JSON holds. Replaces what stood under the key."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path):
                entries = self._entries()
                entries.pop(key, None)
                entries[key] = dict(value)
                lines = [json.dumps({"key": k, **v}) for k, v in list(entries.items())[-MOST:]]
                write_whole("\n".join(lines) + "\n", self._path)
        except (OSError, OutputError) as error:
            logger.debug("%s: not kept (%s)", self._path, error)

    def _entries(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        if self._path is None:
            return found
        try:
            content = self._path.read_bytes()
        except OSError:
            return found
        for line in content.splitlines():
            try:
                entry = decode_json(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and isinstance(key := entry.pop("key", None), str):
                found[key] = entry
        return found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among processes of this machine that write `path`, where the system can say so."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with _lock_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_file(path: Path) -> IO[bytes]:
    """Beside `path`, which is itself put in place anew and so cannot be what is locked."""
    return open(path.with_name(f".{path.name}.lock"), "ab", opener=lambda name, flags: os.open(name, flags, 0o600))
