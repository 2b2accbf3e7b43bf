"""Where a training run can be watched while it goes: the reporters of transformers' Trainer."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from calibaudit.errors import TrainingError

REPORTERS = {"tensorboard": ("tensorboard", "tensorboardX"), "trackio": ("trackio",), "wandb": ("wandb",)}
"""Name -> the packages of which one has to be there."""

WATCHED = "runs"
"""TensorBoard's files, in the folder of the run."""


def check_reporters(names: Sequence[str]) -> None:
    """Raises TrainingError for a name that is none of REPORTERS, or whose package is not installed."""
    for name in names:
        if name not in REPORTERS:
            raise TrainingError(f"report to {name!r}: not one of {', '.join(REPORTERS)}")
        if not any(importlib.util.find_spec(package) for package in REPORTERS[name]):
            raise TrainingError(f"report to {name}: not installed; pip install {REPORTERS[name][0]}, or leave it out")


def write_below(callback: Any, arguments: Any, folder: Path) -> None:
    """Trainer's TensorBoardCallback writes to `folder`, unless TENSORBOARD_LOGGING_DIR names a place.

    transformers 5 has the place in the callback, 4 in the arguments.
    """
    if os.environ.get("TENSORBOARD_LOGGING_DIR") is None:
        callback.logging_dir = arguments.logging_dir = str(folder)


def tell(trainer: Any, record: Mapping[str, Any]) -> None:
    """Hand a step's record to the reporters, as `Trainer.log` would; they know the step."""
    shown = {name: value for name, value in record.items() if name not in ("step", "seconds")}
    trainer.callback_handler.on_log(trainer.args, trainer.state, trainer.control, shown)


@contextmanager
def own_wandb_run(names: Sequence[str]) -> Iterator[None]:
    """A run that wandb begins within ends here, so that the next training has its own; the caller's goes on.

    Where nothing may be fetched, nothing is sent either: it writes to disk. Not said earlier, for transformers prints a
    line to standard output when it is imported while that is said.
    """
    if "wandb" not in names:
        yield
        return
    wandb: Any = importlib.import_module("wandb")
    was_there, mode = wandb.run is not None, os.environ.get("WANDB_MODE")
    if constants.HF_HUB_OFFLINE:
        os.environ["WANDB_MODE"] = "offline"
    try:
        yield
    finally:
        if not was_there and wandb.run is not None:
            wandb.finish()
        if mode is None:
            os.environ.pop("WANDB_MODE", None)
        else:
            os.environ["WANDB_MODE"] = mode
