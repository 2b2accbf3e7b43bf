"""Where a network runs and in which type: device, dtype, placement, memory."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from calibaudit.errors import ModelError
from calibaudit.models.formats.families import text_config

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_STORED_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16,
}  # fmt: skip


def choose_device(device: str) -> str:
    """cpu, cuda:N or mps, out of what --device says; auto: the first GPU if there is one. Raises ModelError."""
    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"--device {device}: not a device; use auto, cpu, cuda, cuda:N or mps") from error
    if kind.type == "cuda":
        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n_gpus == 0:
            raise ModelError(f"--device {device}: no CUDA device here (torch {torch.__version__}); use cpu")
        if (kind.index or 0) >= n_gpus:
            raise ModelError(f"--device {device}: there are only {n_gpus} CUDA devices, cuda:0 to cuda:{n_gpus - 1}")
        return f"cuda:{kind.index or 0}"
    if kind.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError("--device mps: not available here; use cpu")
    if kind.type not in ("cpu", "mps"):
        raise ModelError(f"--device {device}: not supported; use auto, cpu, cuda, cuda:N or mps")
    return kind.type


def placement_of(asked: str, device: str, files: Iterable[Path], dtype: torch.dtype) -> str:
    """The device, or `auto` to spread over several when nobody chose one and the first is too small."""
    if asked != "auto" or not device.startswith("cuda") or find_spec("accelerate") is None:
        return device
    free, _ = torch.cuda.mem_get_info(0)
    return device if n_bytes(files, dtype) < 0.85 * free else "auto"


def n_bytes(files: Iterable[Path], dtype: torch.dtype) -> int:
    """Bytes of all weights once they are of this dtype."""
    total = 0
    for file in files:
        stored = max(_stored_dtypes([file]), key=lambda kind: kind.itemsize, default=dtype)
        total += file.stat().st_size * dtype.itemsize // stored.itemsize
    return total


def choose_dtype(asked: str, config: Any, files: Iterable[Path], device: str) -> tuple[torch.dtype, list[str]]:
    """The type to compute in, out of what --dtype says, and a note for the user; auto: what the weights are stored in.

    bfloat16 stays bfloat16 on a CPU: half the memory, and the numbers that a GPU would round to, too. float16 does
    not: most CPUs have no arithmetic for it.
    """
    if asked != "auto":
        return DTYPES[asked], []
    text = text_config(config)
    stored = getattr(text, "dtype", None) or getattr(text, "torch_dtype", None)
    if isinstance(stored, str):
        stored = getattr(torch, stored.removeprefix("torch."), None)
    if not isinstance(stored, torch.dtype):
        found = _stored_dtypes(files)
        stored = found[0] if found else torch.float32
    if stored not in DTYPES.values():
        return torch.float32, [f"the checkpoint is {dtype_name(stored)}; computed in float32"]
    if stored == torch.float16 and device == "cpu":
        return torch.float32, ["the checkpoint is float16; computed in float32 on a CPU (--dtype float16 to keep it)"]
    return stored, []


def _stored_dtypes(files: Iterable[Path]) -> list[torch.dtype]:
    """The floating dtypes in the files' headers, in order."""
    found: list[torch.dtype] = []
    for file in files:
        with safe_open(file, framework="np") as opened:
            stored = (_STORED_DTYPES.get(opened.get_slice(key).get_dtype()) for key in list(opened.keys()))
            found += [kind for kind in stored if kind is not None]
    return found


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host ran out of memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and any(sign in text for sign in ("out of memory", "can't allocate memory", "not enough memory"))
    )


def own_part(weight: Any) -> Any:
    """What this process holds of a weight that is split over several (a DTensor); any other weight as it is."""
    if not hasattr(weight, "to_local"):
        return weight
    with torch.no_grad():  # the part itself, the same tensor each time
        return weight.to_local()


def dtype_name(dtype: torch.dtype) -> str:
    """float32, without the torch before it."""
    return str(dtype).removeprefix("torch.")


def free_memory() -> None:
    """Give back what a model that nobody holds any more has taken."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
