"""What a training run was made from, and its checkpoints on disk: a run is only taken up as the one that it was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from calibaudit.errors import TrainingError
from calibaudit.files.read import decode_json, read_json
from calibaudit.training.data.encode import Example
from calibaudit.training.settings import TrainingSettings

MADE_FROM = "made_from.json"
_CHECKPOINT = "checkpoint-"
_FREE_TO_CHANGE = ("save_steps", "gradient_checkpointing", "compiled", "report_to")
_KNOWN = "known rows"
_SHOWN = 60

DEFAULTS = dataclasses.asdict(TrainingSettings(label_smoothing=0.0, prior="uniform"))
"""What a setting was that an earlier version did not have, and so did not write down."""


def made_from(
    network: Any,
    anchor: Any,
    examples: Sequence[Example],
    settings: TrainingSettings,
    n_processes: int,
    known: Sequence[bool] | None = None,
) -> dict[str, Any]:
    """All that the trained weights depend on, by name, as JSON holds it. known: which rows are smoothed; None: all."""
    values = {
        **deciding(settings),
        "data": _data_digest(examples),
        "weights": _weights_digest(network),
        "prior's weights": None if anchor is None else _weights_digest(anchor),
        "processes": n_processes,
    }
    if known is not None:
        values[_KNOWN] = "".join("1" if is_known else "0" for is_known in known)
    return dict(decode_json(json.dumps(values)))


def deciding(settings: TrainingSettings) -> dict[str, Any]:
    """The settings on which the trained weights depend, by name."""
    return {name: value for name, value in dataclasses.asdict(settings).items() if name not in _FREE_TO_CHANGE}


def last_checkpoint(folder: Path) -> Path | None:
    """The one with the most steps. Only whole ones have their name."""
    found = [path for path in folder.glob(f"{_CHECKPOINT}*") if (path / MADE_FROM).is_file()]
    return max(found, key=step_of, default=None)


def known_before(folder: Path) -> tuple[bool, ...] | None:
    """The rows that an interrupted run in this folder smooths: on another device others might be found. Or None."""
    checkpoint = last_checkpoint(folder)
    if checkpoint is None:
        return None
    text = read_json(checkpoint / MADE_FROM, TrainingError).get(_KNOWN)
    return tuple(mark == "1" for mark in text) if isinstance(text, str) else None


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(_CHECKPOINT))


def drop_earlier(checkpoint: Path) -> None:
    """Remove the checkpoints before this one."""
    for path in checkpoint.parent.glob(f"{_CHECKPOINT}*"):
        if path != checkpoint:
            shutil.rmtree(path, ignore_errors=True)


def check_made_from(checkpoint: Path, wanted: Mapping[str, Any]) -> None:
    """Raises TrainingError, which names all that differs."""
    path = checkpoint / MADE_FROM
    try:
        found = read_json(path, TrainingError)
    except TrainingError as error:
        raise TrainingError(f"{error}; remove {checkpoint} to go on from an earlier one") from error
    found = DEFAULTS | found
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing:
        said = ", ".join(f"{name} {_short(found.get(name))} (now {_short(wanted[name])})" for name in differing)
        raise TrainingError(
            f"{checkpoint}: was made with {said}; resume with the same, or start again in another folder"
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN or not isinstance(value, str) else f"{text[:_SHOWN]}..."


def _data_digest(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr((tuple(example.input_ids), tuple(example.labels))).encode())
    return digest.hexdigest()[:16]


@torch.no_grad()
def _weights_digest(network: Any) -> str:
    """Exact and the same on every device: each tensor's bits, summed as integers."""
    digest = hashlib.sha256()
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    for name, tensor in network.state_dict().items():
        bits = tensor.detach().contiguous().view(-1).view(integers[tensor.element_size()])
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} {int(bits.sum(dtype=torch.int64))}\n".encode())
    return digest.hexdigest()[:16]
