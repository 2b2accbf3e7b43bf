"""Which files of a folder the system opens, from Python or from Rust, read or mapped: as Linux itself tells of them."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_OPEN, _IS_FOLDER, _OVERFLOW = 0x20, 0x40000000, 0x4000


@contextmanager
def watched_opens(root: Path) -> Iterator[set[str]]:
    """Paths below `root` of the files that are opened, whole when the block ends. Skips where nothing can tell."""
    if sys.platform != "linux":
        pytest.skip("needs inotify, which tells of every file that is opened")
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init1(os.O_NONBLOCK)
    if queue < 0:
        pytest.skip(f"no inotify here: {os.strerror(ctypes.get_errno())}")
    folders = {}
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        number = libc.inotify_add_watch(queue, os.fsencode(folder), _OPEN)
        assert number >= 0, os.strerror(ctypes.get_errno())
        folders[number] = folder
    opened: set[str] = set()
    try:
        yield opened
        while True:
            try:
                events = os.read(queue, 1 << 16)
            except BlockingIOError:
                break
            while events:
                number, mask, _, length = struct.unpack_from("iIII", events)
                name = events[16 : 16 + length].rstrip(b"\0")
                events = events[16 + length :]
                assert not mask & _OVERFLOW
                if not mask & _IS_FOLDER:
                    opened.add((folders[number] / os.fsdecode(name)).relative_to(root).as_posix())
    finally:
        os.close(queue)
