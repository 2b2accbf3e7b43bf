"""What processes of one file are at work on, claimed key by key, so that none repeats what another is doing.

A claim is a lock on one byte of the file, far behind its end, at a place that the key decides. The system releases it
when its process ends, however it ends. Where a system or a file system has no such locks every claim is granted: work
may then be done twice, and results are the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from typing import IO

_WRITING = 1 << 61
"""The byte that is locked while lines are written: below all keys' bytes."""


class Claims:
    """file: open for reading and writing. Locks go when any descriptor of the file is closed in this process."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._held: set[str] = set()
        try:
            import fcntl

            self._lockf, self._lock, self._now, self._off = fcntl.lockf, fcntl.LOCK_EX, fcntl.LOCK_NB, fcntl.LOCK_UN
            self.supported = True
        except ImportError:  # Windows
            self.supported = False

    def take(self, key: str) -> bool:
        """Claims the key; False where another process holds it."""
        if not self.supported or key in self._held:
            return True
        try:
            self._lockf(self._file, self._lock | self._now, 1, _place(key), os.SEEK_SET)
        except (BlockingIOError, PermissionError):
            return False
        except (OSError, ValueError):  # no locks here, or no more of them; a file that was closed
            self.supported = False
            return True
        self._held.add(key)
        return True

    def release(self, key: str) -> None:
        if key in self._held:
            self._held.discard(key)
            with contextlib.suppress(OSError, ValueError):
                self._lockf(self._file, self._off, 1, _place(key), os.SEEK_SET)

    def ignore(self) -> None:
        """From now on every claim is granted: who holds one does not go on."""
        self.supported = False

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Waits until no other process writes lines, two seconds at most, and holds the others off."""
        locked = self.supported and self._locked_to_write()
        try:
            yield
        finally:
            if locked:
                with contextlib.suppress(OSError, ValueError):
                    self._lockf(self._file, self._off, 1, _WRITING, os.SEEK_SET)

    def _locked_to_write(self) -> bool:
        for _ in range(200):
            try:
                self._lockf(self._file, self._lock | self._now, 1, _WRITING, os.SEEK_SET)
                return True
            except (BlockingIOError, PermissionError):
                time.sleep(0.01)
            except (OSError, ValueError):
                break
        return False


def _place(key: str) -> int:
    """Where a key's byte is. Two keys at one place, of 2^61, would only wait for each other."""
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
    return _WRITING + 1 + (int.from_bytes(digest, "big") >> 3)
