"""What a user or a file calls a path, made one that the system can be asked about."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from calibaudit.errors import CalibauditError
from calibaudit.files.text import one_line

_SHOWN = 80
_NOT_NAMES = (21, 123, 1921)
"""Windows' numbers for what cannot be a file's name, such as `demo:base`."""

MOST_FILES = 200_000
"""Files and folders that a search below a folder goes through."""


def user_path(name: str | os.PathLike[str], fault: type[CalibauditError]) -> Path:
    """The path, `~` expanded: there or not, but `exists`, `is_dir` and `is_file` will answer.

    Raises `fault` for what no path can be (NUL, a name of 300 characters, `~` of nobody) or what may not be looked at.
    """
    text = os.fspath(name)
    shown = one_line(text, _SHOWN)
    try:
        path = Path(text).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except RuntimeError:
        raise fault(f"{shown}: there is no folder of that user; write the path out, or ./~ before a name") from None
    except OSError as error:
        if getattr(error, "winerror", None) in _NOT_NAMES:
            return path
        raise fault(f"{shown}: cannot be looked at: {error.strerror or error}; is it a path?") from None
    except ValueError as error:  # NUL, or half a character
        raise fault(f"{shown}: is no path: {error}") from None
    return path


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
            raise fault(f"{folder}: more than {most:,} files and folders are below it; name the folder that is meant")
        for name in names:
            path = Path(root, name)
            if is_there(path, Path.is_file):
                yield path
