"""OUT.partial: where the checkpoints that are tried lie, and what of it stays when a repair is broken off or killed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calibaudit.errors import OutputError
from calibaudit.files.read import read_text
from calibaudit.models.distributed import gathered, rank
from calibaudit.training.retune import OWN, is_leftover, partial_folder, worth_resuming

_PLACING = "finished.txt"
"""In OUT.partial, once the repair is done: the name of the folder in it that is to be put at OUT."""

_FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG")} - {None}


@contextmanager
def workspace(out: Path, *, resume: bool = False) -> Iterator[Path]:
    """The folder, made if it is not there. Afterwards it is gone, unless it was broken off after a step of training.

    resume: what a killed run left stays in it; else it goes, where `is_leftover` knows that it is of no use.
    Raises OutputError where the disk is full, whatever was being written.
    """
    folder = partial_folder(out)
    try:
        if rank() == 0:
            if not resume and is_leftover(out):
                _remove(folder)
            folder.mkdir(exist_ok=True)
            (folder / OWN).write_text("A repair in progress, or left here when calibaudit was stopped.\n")
        gathered([0])
        yield folder
    except BaseException as error:
        if rank() == 0 and not worth_resuming(out) and not (folder / _PLACING).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}; make room") from error
        raise
    if rank() == 0:
        _remove(folder)
    gathered([0])


def _remove(folder: Path) -> None:
    """The marks last: what a kill leaves of it is known for what it is."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in (OWN, _PLACING):
            path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def put_at(folder: Path, out: Path) -> None:
    """Give the finished checkpoint, a folder of the workspace, its place.

    Raises OutputError where that cannot be done; it then stays where it is, as it does when the process is killed.
    """
    if rank() == 0:
        try:
            (partial_folder(out) / _PLACING).write_text(folder.name, encoding="utf-8")
            _rename(folder, out)
        except OSError as error:
            raise OutputError(
                f"{out}: cannot be written: {error.strerror or error}; the repaired model is in {folder}"
            ) from error
    gathered([0])


def _rename(folder: Path, out: Path) -> None:
    if out.is_dir():
        out.rmdir()
    folder.replace(out)


def settle(out: Path) -> None:
    """End what a run that was killed at its very end has left to do: put its checkpoint in place, remove OUT.partial.

    Raises OutputError, which says so, where there was such a run: `out` then holds what it was to make. Every process
    may call it.
    """
    folder = partial_folder(out)
    try:
        name = read_text(folder / _PLACING, OutputError).strip()
    except OutputError:  # no such run
        return
    waiting, taken = folder / Path(name).name, out.exists() and (not out.is_dir() or any(out.iterdir()))
    waits = bool(name) and waiting.is_dir()
    if taken and waits:
        raise OutputError(f"{out}: already exists, and a finished repair waits in {waiting}: move one")
    if rank() == 0:
        if waits:
            try:
                _rename(waiting, out)
            except OSError as error:
                told = f"the repaired model of an earlier run is in {waiting}"
                raise OutputError(f"{out}: cannot be written: {error.strerror or error}; {told}") from error
        _remove(folder)
    if taken or waits:
        raise OutputError(
            f"{out}: its repair had finished when the run was stopped; it is in place now, with its proof in "
            f"{out / 'fix.json'}"
        )
