"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from calibaudit.errors import OutputError
from calibaudit.files.text import shortened


def write_whole(content: str | bytes, path: Path) -> None:
    """Write text (as UTF-8) or bytes beside `path`, flush it to the disk, and put it in place in one step.

    A link stays a link: its target is replaced. An existing file's permissions are kept. What is no file (a pipe,
    a terminal, /dev/null) is written to directly.
    Raises OutputError when that cannot be done; nothing half-written is left. What a killed process left beside the
    file goes with the next one that writes it.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    target = _target(path)
    temporary: Path | None = None
    try:
        if _is_stream(path):
            path.write_bytes(data)
            return
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        _remove_left(target)
        descriptor, temporary = _new_part(target)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(mode)
            if not _ON_WINDOWS:  # in place before its lock goes
                temporary.replace(target)
        if _ON_WINDOWS:  # where an open file cannot be moved
            temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {_reason(error, target)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # gone already when it was put in place
                temporary.unlink()


def _new_part(target: Path) -> tuple[int, Path]:
    """A new file beside the target, locked for as long as it is open: so that no other process takes it for left."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_PART, dir=target.parent)
        _lock(descriptor, wait=True)
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)  # taken for left before it was locked


def _remove_left(target: Path) -> None:
    """Removes the temporary files of the target that no process holds: their writers were killed."""
    for left in target.parent.iterdir():
        if left.name.startswith(f".{target.name}.") and left.name.endswith(_PART):
            with contextlib.suppress(OSError), left.open("rb") as file:
                if _lock(file.fileno(), wait=False):
                    left.unlink()


_PART = ".part"
_ON_WINDOWS = os.name == "nt"


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Whether a file is now locked by this process; never on a system that has no such locks."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (ImportError, OSError):  # Windows; held by another, or a disk that cannot lock
        return False
    return True


def check_writable(path: Path) -> None:
    """Raise OutputError now if `path` could not be written later: before an hour of scoring, not after it."""
    target = _target(path)
    if _is_stream(path):
        return
    try:
        with tempfile.TemporaryFile(prefix=f".{target.name}.", dir=target.parent):
            pass
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {_reason(error, target)}") from error


def _target(path: Path) -> Path:
    """What a path leads to. Raises OutputError for a folder, and for what no file can be called."""
    try:
        target = path.resolve()
        is_folder = target.is_dir()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # 300 characters, links in a circle, NUL
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{shortened(str(path), 80)!r}: cannot be written: {reason}; name another file") from None
    if is_folder:
        raise OutputError(f"{path}: cannot be written: it is a folder; name a file")
    return target


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _reason(error: OSError, target: Path) -> str:
    if isinstance(error, FileNotFoundError) and not target.parent.is_dir():
        return f"the folder {target.parent} does not exist; make it first"
    told = (
        "no file can be made there" if isinstance(error, FileNotFoundError) else error.strerror or error
    )  # as in /proc
    return f"{told} (folder {target.parent}); free it or name another file with -o"
