"""The digest of a checkpoint's files, hashed once and remembered as long as the files are the ones that were hashed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from calibaudit.files.memory import Memory

logger = logging.getLogger(__name__)
stages = logging.getLogger("calibaudit.stages")

FILE = "revisions.jsonl"
"""Where digests are remembered, below the cache's folder."""

SETTLED_NS = 2_000_000_000
"""A file that changed less than this before it was hashed may change again within its clock's tick: not remembered."""

_BLOCK = 1 << 23

_found: dict[str, str] = {}  # by what the files are: of this process
_hashed: set[str] = set()  # those of them that this process hashed itself
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Digests:
    """folder: the cache's, where digests are remembered from run to run; None: within this process only.

    verify: hash anew what an earlier run hashed.
    """

    folder: Path | None = None
    verify: bool = False

    def of(self, files: Mapping[str, Path]) -> str:
        """sha256, 64 hex digits, over name, size and content of the files, in this order.

        Files are taken for those of an earlier run where each has its device, inode, size and times of change of
        content and of state (ctime, which no program can set), in nanoseconds, and where all of these times lay two
        seconds back when they were hashed: the rule of git's index. Raises OSError.
        """
        identity = identity_of(files)
        with _locks[identity]:
            if identity in _found and (identity in _hashed or not self.verify):
                return _found[identity]
            memory = Memory(None if self.folder is None or not _HAS_CHANGE_TIME else self.folder / FILE)
            known = (memory.get(identity) or {}).get("sha256")
            if isinstance(known, str) and len(known) == 64 and not self.verify:
                _found[identity] = known
                return known
            began = time.time_ns()
            digest = _hash(files)
            if _HAS_CHANGE_TIME and _last_change(files) + SETTLED_NS < began and identity_of(files) == identity:
                if isinstance(known, str) and known != digest:
                    where = next(iter(files.values())).parent
                    logger.warning("%s: the files hold other bytes than when they were last hashed", where)
                _found[identity] = digest
                _hashed.add(identity)
                if known != digest:
                    memory.keep(identity, {"sha256": digest})
            return digest


_HAS_CHANGE_TIME = os.name != "nt"
"""On Windows st_ctime is when a file was made, and a change that puts size and mtime back would be missed."""


def identity_of(files: Mapping[str, Path]) -> str:
    """Other than before where one of the files changed, or another took its place. Raises OSError."""
    stats = [(name, file.stat()) for name, file in files.items()]
    seen = [(name, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def _last_change(files: Mapping[str, Path]) -> int:
    """ns since 1970."""
    stats = [file.stat() for file in files.values()]
    return max((max(s.st_mtime_ns, s.st_ctime_ns) for s in stats), default=0)


def _hash(files: Mapping[str, Path]) -> str:
    """Read and hashed at once: the next block is read while one is hashed, and neither holds Python's lock."""
    digest = hashlib.sha256()
    total, done = sum(file.stat().st_size for file in files.values()), 0
    folder = next((file.parent.name for file in files.values()), "")
    here, ahead = bytearray(_BLOCK), bytearray(_BLOCK)
    with ThreadPoolExecutor(1) as reader:
        for name, file in files.items():
            digest.update(f"{name}\0{file.stat().st_size}\0".encode())
            with file.open("rb", buffering=0) as stream:
                n = stream.readinto(here) or 0
                while n:
                    pending = reader.submit(stream.readinto, ahead)
                    digest.update(memoryview(here)[:n])
                    done += n
                    stages.info("hashing %s", folder, extra={"done": done, "total": total})
                    n = pending.result() or 0
                    here, ahead = ahead, here
    return digest.hexdigest()
