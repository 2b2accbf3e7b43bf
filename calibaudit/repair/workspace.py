"""OUT.partial: where the checkpoints that are tried lie, and what of it stays when a repair is broken off."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calibaudit.errors import OutputError
from calibaudit.models.distributed import gathered, rank
from calibaudit.training.retune import RECORD, partial_folder


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """The folder, made if it is not there. Afterwards it is gone, unless it was broken off after a step of training."""
    folder = partial_folder(out)
    try:
        if rank() == 0:
            folder.mkdir(exist_ok=True)
        gathered([0])
        yield folder
    except BaseException:
        if rank() == 0 and not worth_resuming(out):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)
    gathered([0])


def worth_resuming(out: Path) -> bool:
    """Whether there is a run that `--resume` goes on with."""
    folder = partial_folder(out)
    return any(folder.glob(f"smooth-*/{RECORD}")) or any(folder.glob("smooth-*.partial/checkpoints/checkpoint-*"))


def put_at(folder: Path, out: Path) -> None:
    """Give the checkpoint its place. Raises OutputError where that cannot be done; it then stays where it is."""
    if rank() == 0:
        try:
            if out.is_dir():
                out.rmdir()
            folder.replace(out)
        except OSError as error:
            raise OutputError(
                f"{out}: cannot be written: {error.strerror or error}; the repaired model is in {folder}"
            ) from error
    gathered([0])
