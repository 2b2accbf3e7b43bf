"""Where a copy of a network lies: whole on one device, its layers spread over several, or every layer split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from calibaudit.errors import ModelError
from calibaudit.models.devices import choose_device, n_bytes, placement_of
from calibaudit.models.distributed import check_parallel, local_rank, local_world_size, world_size
from calibaudit.models.formats.families import text_config
from calibaudit.models.library import VERSION

FILLED = 0.8
"""The part of a GPU's memory that weights may fill where several processes must decide alike; the rest is for batches.
One process alone looks at what is free instead."""


@dataclass(frozen=True)
class Layout:
    """device: cpu, mps or cuda:N, of the whole network or of its first part; `auto`: accelerate spreads its layers.

    gpus: of which machine's GPUs this process spreads them over; empty: over all. n_ranks: processes that run one copy,
    each with its part of every layer (tensor parallelism); 1: each process has all layers.
    """

    device: str
    gpus: tuple[int, ...] = ()
    n_ranks: int = 1


@dataclass(frozen=True)
class Weights:
    """What is to lie somewhere. files: safetensors. whole_only: why its layers cannot be split; empty: they can."""

    name: str
    config: Any
    files: tuple[Path, ...]
    dtype: torch.dtype
    whole_only: str = ""

    @property
    def n_bytes(self) -> int:
        return n_bytes(self.files, self.dtype)


def layout_of(weights: Weights, device: str, parallel: str) -> Layout:
    """The layout that --device and --parallel ask for; what they leave open, by the weights' size.

    auto: a copy a process where one fits a GPU with room, else split over as few processes of a machine as hold it,
    else spread over the GPUs that are this process's. data: never split. tensor: split over at least two processes.
    The processes of one machine, with equal GPUs, decide alike. Raises ModelError where what is asked cannot be.
    """
    check_parallel(parallel)
    own = choose_device(_own(device))
    if parallel.startswith("tensor"):
        return Layout(own, n_ranks=_asked_ranks(weights, device, parallel))
    if world_size() == 1 or device != "auto" or not own.startswith("cuda"):
        return Layout(placement_of(device, own, weights.files, weights.dtype))
    room = FILLED * _least_memory()
    if weights.n_bytes <= room:
        return Layout(own)
    if parallel == "auto":
        for n in _sizes(weights):
            if weights.n_bytes <= n * room:
                return Layout(own, n_ranks=n)
    gpus = tuple(range(local_rank(), torch.cuda.device_count(), local_world_size()))
    if len(gpus) > 1 and find_spec("accelerate") is not None:
        return Layout("auto", gpus)
    return Layout(own)


def memory_of(gpus: Iterable[int]) -> dict[int | str, int]:
    """Bytes that layers may take of each of these GPUs and, where they are too small, of the host: for accelerate."""
    import psutil  # type: ignore[import-untyped]  # what accelerate itself asks

    free: dict[int | str, int] = {gpu: int(0.9 * torch.cuda.mem_get_info(gpu)[0]) for gpu in gpus}
    return free | {"cpu": psutil.virtual_memory().available}


def _own(device: str) -> str:
    """This process's GPU under torchrun, where nothing else is asked for."""
    if device != "auto" or world_size() == 1 or not torch.cuda.is_available():
        return device
    if local_rank() >= torch.cuda.device_count():
        raise ModelError(
            f"process {local_rank()} of {local_world_size()} on this machine has no GPU of its own, there are "
            f"{torch.cuda.device_count()}; start as many processes, or name a --device"
        )
    return f"cuda:{local_rank()}"


def _asked_ranks(weights: Weights, device: str, parallel: str) -> int:
    """Processes a copy under --parallel tensor: N, else the fewest that hold it."""
    if world_size() == 1:
        raise ModelError(
            f"--parallel {parallel}: a model is split over processes, and this is one alone; start them with "
            "torchrun --nproc-per-node N -m calibaudit ..."
        )
    if device != "auto":
        raise ModelError(f"--parallel {parallel}: a split model lies on each process's own GPU; drop --device {device}")
    if fault := _why_not_split(weights):
        raise ModelError(f"{weights.name}: --parallel {parallel}: {fault}; use --parallel data")
    sizes = _sizes(weights)
    if ":" in parallel:
        n = int(parallel.partition(":")[2])
        if n not in sizes:
            raise ModelError(
                f"{weights.name}: --parallel {parallel}: {_uneven(weights, n)}; "
                f"possible here: {', '.join(f'tensor:{size}' for size in sizes) or 'none'}"
            )
        return n
    if not sizes:
        raise ModelError(
            f"{weights.name}: --parallel tensor: {_uneven(weights, local_world_size())}; use --parallel data"
        )
    room = FILLED * _least_memory() if torch.cuda.is_available() else float("inf")
    return next((n for n in sizes if weights.n_bytes <= n * room), sizes[-1])


def _sizes(weights: Weights) -> list[int]:
    """How many processes of a machine a copy can be split over, ascending."""
    if _why_not_split(weights):
        return []
    return [n for n in range(2, local_world_size() + 1) if not _uneven(weights, n)]


def _why_not_split(weights: Weights) -> str:
    if weights.whole_only:
        return f"its layers cannot be split ({weights.whole_only})"
    if find_spec("transformers.distributed") is None or find_spec("transformers.distributed.mixin") is None:
        import transformers

        return f"transformers {transformers.__version__} cannot split it; 5.17 is the first tested that can"
    if not getattr(text_config(weights.config), "base_model_tp_plan", None):
        return f"transformers has no tensor-parallel plan for {weights.config.model_type}"
    return ""


def _uneven(weights: Weights, n: int) -> str:
    """Why n processes cannot have equal shares; empty where they can."""
    if local_world_size() % n:
        return f"{local_world_size()} processes on this machine are not a multiple of {n}"
    config = text_config(weights.config)
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    for count, what in ((heads, "attention heads"), (kv_heads, "key-value heads")):
        if count % n:
            return f"{count} {what} are not a multiple of {n}"
    if VERSION < (5, 24) and config.vocab_size % n:
        return f"{config.vocab_size} output rows are not a multiple of {n}; newer transformers splits them too"
    return ""


def _least_memory() -> int:
    """Bytes of the smallest GPU in use on this machine, taken or free: of what is free each process sees its own."""
    n = min(local_world_size(), torch.cuda.device_count())
    return min(torch.cuda.get_device_properties(i).total_memory for i in range(n))
