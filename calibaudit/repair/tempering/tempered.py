"""A temperature as a checkpoint: which of the stored tensors take it, and the checkpoint written with it in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibaudit.errors import CalibauditError, ModelError
from calibaudit.models.checkpoints import Checkpoint, weight_files
from calibaudit.models.formats.rewrite import whole_weights, write_changed
from calibaudit.models.formats.save import check_new
from calibaudit.models.formats.stored import StoredTensor, read_rows, stored_tensors
from calibaudit.models.logit_scale import ScalePlan, scale_plan

_N_ROWS = 64
"""Rows of a matrix by which it is known among the stored ones."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a checkpoint takes a temperature. plan: in its network, proven there.

    dtypes: of each parameter that changes, how it is stored. samples: of each its first rows, as loaded.
    """

    plan: ScalePlan
    dtypes: Mapping[str, torch.dtype]
    samples: Mapping[str, Tensor]


def place_temperature(network: Any, checkpoint: Checkpoint) -> Placement | str:
    """Where the temperature goes, or the reason why it goes nowhere.

    network: the checkpoint's, loaded; left as it is. checkpoint: its files are on disk. Raises ModelError where they
    are unusable.
    """
    plan = scale_plan(network)
    if isinstance(plan, str):
        return plan
    parameters = dict(network.named_parameters(remove_duplicate=False))
    samples = {name: _sample(parameters[name]) for name in plan.tensors}
    stored = stored_tensors(weight_files(checkpoint.whole))
    keys = _keys(samples, stored, exact=checkpoint.base is None)
    if isinstance(keys, str):
        return keys
    dtypes = {name: dtype for key, name in keys.items() if (dtype := stored[key].dtype) is not None}
    return Placement(plan, dtypes, samples)


def write_tempered(checkpoint: Checkpoint, temperature: float, folder: Path, placement: Placement) -> None:
    """Write the checkpoint with all its logits divided by `temperature`; nothing else in it changes.

    An adapter is written as whole weights. folder: does not exist yet, or is empty. Temperature 1 writes an unchanged
    copy. Raises CalibauditError for a temperature that is not a positive finite number, ModelError where the files are
    not those of the placement, OutputError where the folder cannot be written.
    """
    check_temperature(temperature)
    check_new(folder)
    with whole_weights(checkpoint, _existing(folder)) as whole:
        keys = _keys(placement.samples, stored_tensors(weight_files(whole)), exact=True)
        if isinstance(keys, str):
            raise ModelError(f"{checkpoint.name}: {keys}")
        factor = 1 / temperature

        def change(key: str, _rows: slice, values: Tensor) -> Tensor | None:
            return placement.plan.changed(keys[key], values, factor) if key in keys and factor != 1 else None

        write_changed(whole, folder, change, config=placement.plan.config(factor) if factor != 1 else None)


def check_temperature(value: float) -> None:
    """Raises CalibauditError unless it is a positive finite number."""
    if not (math.isfinite(value) and value > 0):
        raise CalibauditError(f"temperature {value:g}: logits are divided by a positive finite number, such as 1.5")


def _existing(folder: Path) -> Path:
    """The innermost folder above that is there."""
    return next(place for place in folder.expanduser().absolute().parents if place.is_dir())


def _sample(value: Tensor) -> Tensor:
    return value.detach()[:_N_ROWS].to("cpu", copy=True) if value.ndim > 1 else value.detach().to("cpu", copy=True)


def _keys(samples: Mapping[str, Tensor], stored: Mapping[str, StoredTensor], *, exact: bool) -> dict[str, str] | str:
    """The name in the files -> the network's, of each tensor; or what is not found there.

    Names differ by prefixes and by age (GPT-NeoX's `embed_out`), so among the tensors that hold the same numbers the
    one whose name has most in common is taken. exact: false where the files need not hold what was loaded (an
    adapter's base).
    """
    found = {}
    for name, sample in samples.items():
        ranked: dict[tuple[bool, int], list[str]] = {}
        for key, tensor in stored.items():
            if tensor.is_floating and tensor.shape[1:] == sample.shape[1:] and tensor.n_rows >= len(sample):
                if sample.ndim == 1 and tensor.n_rows != len(sample):
                    continue
                if not exact or _holds(tensor, sample):
                    ranked.setdefault((key == name, _n_common_parts(key, name)), []).append(key)
        best = ranked[max(ranked)] if ranked else []
        if len(best) != 1:
            return f"{name} is not among its stored weights as plain numbers"
        found[best[0]] = name
    return found


def _holds(tensor: StoredTensor, sample: Tensor) -> bool:
    with tensor.file.open("rb") as stream:
        rows = read_rows(stream, tensor, slice(0, len(sample)))
    return torch.equal(rows.to(sample.dtype), sample)


def _n_common_parts(key: str, name: str) -> int:
    """Of two dotted names, the parts that they end with alike."""
    pairs = zip(reversed(key.split(".")), reversed(name.split(".")), strict=False)
    n = 0
    for a, b in pairs:
        if a != b:
            break
        n += 1
    return n
