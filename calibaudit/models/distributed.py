"""Several processes under torchrun: each copy of a model scores its share of the items, then all know all results.

A copy is run by one process, or by several that hold a part of it each (`n_ranks`, see `models.parallel`): processes
0 to n_ranks - 1 are the first copy, and so on. Objects travel through a Gloo group of their own, so that torch's
default group can be a copy's, as its layers' collectives want it, or all processes', as training wants it.
Without torchrun every function here is the identity.
"""

from __future__ import annotations

import atexit
import heapq
import os
import pickle
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from calibaudit.errors import CalibauditError, ModelError

T = TypeVar("T")

PATIENCE = timedelta(hours=24)
"""How long a process waits for the slowest one. A crashed process ends the others through torchrun at once."""


def check_parallel(parallel: str) -> None:
    """Raises ModelError for what is neither auto, data, tensor nor tensor:N with N from 2."""
    kind, colon, number = parallel.partition(":")
    if kind == "tensor" and colon and number.isascii() and number.isdigit() and int(number) > 1:
        return
    if parallel not in ("auto", "data", "tensor"):
        raise ModelError(f"--parallel {parallel}: not one of auto, data, tensor, tensor:N with N from 2")


def rank() -> int:
    """Which of torchrun's processes this is, from 0. Raises CalibauditError for one that they are too few for."""
    own, n = _from_torchrun("RANK", 0), world_size()
    if own >= n:
        raise CalibauditError(
            f"the environment's RANK is {own} and its WORLD_SIZE {n}: a process's number is below their count; unset "
            "both where torchrun does not run"
        )
    return own


def world_size() -> int:
    """How many processes torchrun started; 1 without it."""
    return max(_from_torchrun("WORLD_SIZE", 1), 1)


def local_rank() -> int:
    """Which of this machine's processes this is, from 0."""
    return _from_torchrun("LOCAL_RANK", 0)


def local_world_size() -> int:
    """How many of torchrun's processes run on this machine."""
    return _from_torchrun("LOCAL_WORLD_SIZE", world_size())


def _from_torchrun(name: str, otherwise: int) -> int:
    value = os.environ.get(name, str(otherwise))
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise CalibauditError(
            f"the environment's {name}: expected a whole number, as torchrun sets it, found {value!r:.40}"
        )
    return int(value)


def leads(n_ranks: int) -> bool:
    """Whether this process is the first of those that run its copy of a model."""
    return rank() % n_ranks == 0


def own_share(values: Sequence[T], n_ranks: int = 1) -> Sequence[T]:
    """The share of this process's copy, dealt in turn so that lengths mix."""
    return values[rank() // n_ranks :: world_size() // n_ranks]


def dealt(costs: Sequence[float], n_shares: int) -> list[list[int]]:
    """Positions in `costs`, dealt into shares of nearly equal cost, in each in ascending order.

    The dearest first, each to the share that has least: no share is dearer than another by more than one value.
    A pure function, so that processes that call it alike deal alike.
    """
    shares: list[list[int]] = [[] for _ in range(n_shares)]
    loads = [(0.0, s) for s in range(n_shares)]
    for i in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        load, s = heapq.heappop(loads)
        shares[s].append(i)
        heapq.heappush(loads, (load + costs[i], s))
    return [sorted(share) for share in shares]


def gathered(values: Sequence[T], n_ranks: int = 1) -> list[T]:
    """The values of all copies, each told by its first process, on every process, in order of rank."""
    if world_size() == 1:
        return list(values)
    parts = _exchanged(list(values) if leads(n_ranks) else [])
    return [value for part in parts for value in part]


def once_a_node(compute: Callable[[], T]) -> T:
    """What `compute` gives in the first process of each machine, in all of its processes.

    A CalibauditError there ends the others without a line of their own (SystemExit).
    """
    if world_size() == 1:
        return compute()
    found: Any = None
    failure: CalibauditError | None = None
    if local_rank() == 0:
        try:
            found = compute()
        except CalibauditError as error:
            failure = error
    parts = _exchanged((found, None if failure is None else failure.exit_code))
    if failure is not None:
        raise failure
    found, code = parts[rank() - local_rank()]
    if code is not None:
        raise SystemExit(code)
    return found  # type: ignore[no-any-return]


def join(n_ranks: int) -> None:
    """Make torch's default group that of the n_ranks processes of this copy; of all, for n_ranks = world_size().

    On GPUs by NCCL, which connects at the first collective. A group of another size is left first: networks that were
    loaded in it can compute no more.
    """
    if world_size() == 1:
        return
    import torch.distributed as dist

    if dist.is_initialized():
        if dist.get_world_size() == n_ranks:
            return
        dist.destroy_process_group()
    first = rank() // n_ranks * n_ranks
    _Joined.n += 1
    store = _named(f"{n_ranks}/{first}/{_Joined.n}")
    dist.init_process_group(_backend(), store=store, rank=rank() - first, world_size=n_ranks, timeout=PATIENCE)


class _Joined:
    """n: how many default groups were made. All processes of a group made as many before it."""

    n = 0


def _backend() -> str:
    import torch
    import torch.distributed as dist

    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"


@cache
def _store() -> Any:
    """The launcher's store, through which groups are made."""
    import torch.distributed as dist

    meeting = dist.rendezvous("env://", rank(), world_size(), timeout=PATIENCE)  # type: ignore[attr-defined]
    store, _, _ = next(meeting)
    store.set_timeout(PATIENCE)
    atexit.register(_leave)
    return store


def _named(name: str) -> Any:
    """A part of that store."""
    import torch.distributed as dist

    return dist.PrefixStore(f"calibaudit/{name}", _store())  # type: ignore[attr-defined]


@cache
def _objects() -> Any:
    """The group of all processes through which objects travel."""
    import torch.distributed as dist

    return dist.ProcessGroupGloo(_named("objects"), rank(), world_size(), PATIENCE)


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
    _objects.cache_clear()
    _store.cache_clear()


def _exchanged(value: Any) -> list[Any]:
    """The value of every process, in order of rank. Raises CalibauditError where one of them has ended."""
    import torch

    own = torch.frombuffer(bytearray(pickle.dumps(value)), dtype=torch.uint8)
    try:
        sizes = _allgather(torch.tensor([len(own)], dtype=torch.int64))
        padded = torch.zeros(max(int(size) for size in sizes), dtype=torch.uint8)
        padded[: len(own)] = own
        parts = _allgather(padded)
    except RuntimeError as error:  # Gloo's words for a peer that is gone
        raise CalibauditError(
            f"process {rank()}: another of torchrun's processes ended; its own line says why"
        ) from error
    return [pickle.loads(part[: int(n)].numpy().tobytes()) for part, n in zip(parts, sizes, strict=True)]


def _allgather(tensor: Any) -> list[Any]:
    import torch

    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    _objects().allgather([parts], [tensor]).wait()
    return parts


def own_device(device: str) -> str:
    """`auto` under torchrun is this process's own GPU; anything else stays what it is."""
    if device != "auto" or world_size() == 1:
        return device
    import torch

    return f"cuda:{local_rank()}" if torch.cuda.is_available() else "cpu"
