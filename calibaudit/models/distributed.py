"""Several processes under torchrun: each scores its share of the items, then all know all results.

The engine is torch.distributed. Without torchrun every function here is the identity.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = timedelta(hours=24)
"""How long a process waits for the slowest one. A crashed process ends the others through torchrun at once."""


def rank() -> int:
    """Which of torchrun's processes this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_share(values: Sequence[T]) -> Sequence[T]:
    """This process's share, dealt in turn so that lengths mix."""
    return values[rank() :: world_size()]


def gathered(values: Sequence[T]) -> list[T]:
    """The values of all processes, on every process, in order of rank."""
    if world_size() == 1:
        return list(values)
    import torch
    import torch.distributed as dist

    if not dist.is_initialized():  # training in the same processes goes on with this group, on its GPUs by NCCL
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)
    parts: list[Any] = [None] * world_size()
    dist.all_gather_object(parts, list(values))
    return [value for part in parts for value in part]


def own_device(device: str) -> str:
    """`auto` under torchrun is this process's own GPU; anything else stays what it is."""
    if device != "auto" or world_size() == 1:
        return device
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
