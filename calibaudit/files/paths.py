"""What a user or a file calls a path, made one that the system can be asked about."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from calibaudit.errors import CalibauditError, told
from calibaudit.files.text import one_line

_SHOWN = 80
_NOT_NAMES = (21, 123, 1921)
"""Windows' numbers for what cannot be a file's name, such as `demo:base`."""

MOST_FILES = 200_000
"""Files and folders that a search below a folder goes through."""


def user_path(name: str | os.PathLike[str], fault: type[CalibauditError]) -> Path:
    """The path, `~` expanded: there or not, but `exists`, `is_dir` and `is_file` will answer.

    Raises `fault` for what no path can be (NUL, a name of 300 characters, `~` of nobody), for what may not
    be looked at, and for a link to nothing.
    """
    path = expanded(name, fault)
    shown = one_line(os.fspath(name), _SHOWN)
    try:
        path.stat()
    except FileNotFoundError:
        if told := broken_link(path):
            raise fault(f"{shown}: {told}") from None
    except NotADirectoryError:
        pass
    except PermissionError as error:
        raise fault(f"{shown}: cannot be accessed: {error.strerror}") from None
    except OSError as error:
        if getattr(error, "winerror", None) not in _NOT_NAMES:
            raise fault(f"{shown}: cannot be accessed: {error.strerror or error}; is it a path?") from None
    except ValueError as error:  # NUL, or half a character
        raise fault(f"{shown}: is not a path: {error}") from None
    return path


def expanded(name: str | os.PathLike[str], fault: type[CalibauditError]) -> Path:
    """The path, `~` expanded. Raises `fault` for `~` of nobody, and for what is no text and no path."""
    if not isinstance(name, str | os.PathLike):
        raise fault(f"{told(name)} is not a path: give a string, such as 'scores.json', or a pathlib.Path")
    try:
        return Path(os.fspath(name)).expanduser()
    except RuntimeError:
        shown = one_line(os.fspath(name), _SHOWN)
        raise fault(f"{shown}: that user has no home folder; write the path out, or ./~ before a name") from None


def broken_link(path: Path) -> str | None:
    """What to say of a path that is not there, where it, or a folder above it, is a link to nothing."""
    for step in (path, *path.parents):
        if step.is_symlink() and not step.exists():
            which = "is" if step is path else f"{one_line(step, _SHOWN)} is"
            return f"{which} a link to {one_line(step.readlink(), _SHOWN)}, which does not exist"
    return None


def user_folder(name: str | os.PathLike[str], fault: type[CalibauditError], flag: str) -> Path:
    """A folder that a flag names, `~` expanded. Raises `fault`, which names the flag, where it is none, or shut."""
    told = f"{flag} {one_line(os.fspath(name), _SHOWN)}: "
    try:
        folder = user_path(name, fault)
    except fault as error:
        raise fault(f"{flag} {error}") from None
    if not folder.exists():
        raise fault(f"{told}there is no such folder")
    if not folder.is_dir():
        raise fault(f"{told}expected a folder, found a file")
    check_open(folder, fault, f"{flag} {one_line(os.fspath(name), _SHOWN)}")
    return folder


def check_open(folder: Path, fault: type[CalibauditError], name: str) -> None:
    """Raises `fault` for a folder whose files may not be looked at."""
    if not os.access(folder, os.R_OK | os.X_OK):
        raise fault(f"{name}: this folder cannot be opened: Permission denied")


def is_there(name: str | os.PathLike[str], what: Callable[[Path], bool] = Path.exists) -> bool:
    """Whether it is (Path.is_file, Path.is_dir: that); what is no path, or may not be looked at, is not."""
    try:
        return what(Path(name).expanduser())
    except (OSError, RuntimeError, ValueError):
        return False


def files_below(folder: Path, fault: type[CalibauditError], *, most: int = MOST_FILES) -> Iterator[Path]:
    """All files below a folder, links to folders not followed, in no order; what may not be read is passed over.

    Raises `fault` where there is more to go through than `most` entries: `/proc`, a home folder named by mistake.
    """
    n = 0
    for root, folders, names in os.walk(folder):
        n += len(folders) + len(names)
        if n > most:
            raise fault(f"{folder}: it holds more than {most:,} files and folders; name the folder you mean")
        for name in names:
            path = Path(root, name)
            if is_there(path, Path.is_file):
                yield path
