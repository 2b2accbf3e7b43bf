"""A network whose weights, gradients and optimizer state lie in shares on several GPUs: PyTorch's FSDP2.

Each layer is a unit of its own: its weights are gathered when it runs, and dropped behind it. What is outside of the
layers, embedding, final norm and head, is the root's: whole from the network's forward to the end of its backward, so
that a loss which takes the head's weight within that forward has all of it, and its gradient is summed like any other.
On a GPU the shares are float32 and what is gathered is bfloat16; gradients are summed in float32.

Source: Zhao et al. 2023 (arXiv 2304.11277), and torch.distributed.fsdp.fully_shard's documentation.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from calibaudit.models.distributed import join, rank, world_size
from calibaudit.training.settings import FSDP_VARIABLE
from calibaudit.training.state.layers import layers_of

TORCH = (2, 7)
"""The least version: earlier ones cannot leave weights out of a unit."""


def why_not_sharded(network: Any) -> str | None:
    """Why this network cannot be sharded; None: it can."""
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < TORCH:
        return f"it needs torch {TORCH[0]}.{TORCH[1]} or newer, and this is {torch.__version__}"
    if not torch.distributed.is_available():
        return "this PyTorch was built without torch.distributed"
    layers = layers_of(network)
    if not layers:
        return f"{type(network).__name__} does not say what its layers are (_no_split_modules)"
    owned = [id(parameter) for layer in layers for parameter in layer.parameters()]
    if len(owned) != len(set(owned)):
        return f"layers of {type(network).__name__} have weights in common"
    return None


@contextmanager
def in_shares(network: Any, anchor: Any, device: torch.device) -> Iterator[Any]:
    """What to train in the network's place: see `shard_network`. When the block ends well, the network gets its
    weights back as `take_back` says. anchor: the frozen prior, sharded in place; None: there is none.
    """
    # What `accelerate launch --use_fsdp` says, `--sharding` has read; Accelerate would shard once more, its own way
    told = os.environ.pop(FSDP_VARIABLE, None)
    try:
        with process_group(device):
            if device.type == "cuda":
                torch.cuda.set_device(device)
            if anchor is not None:
                shard_prior(anchor, device)
            sharded = shard_network(network, device, () if anchor is None else (anchor,))
            yield sharded
            take_back(network, sharded)
    finally:
        if told is not None:
            os.environ[FSDP_VARIABLE] = told


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """The processes of torchrun or `accelerate launch` as one group; a single process is a group of its own within."""
    import torch.distributed as dist

    if world_size() > 1:
        join(world_size())  # the group is made, and at the end left, by `models.distributed`
    if dist.is_initialized():
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group(backend, store=store, rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def shard_network(network: Any, device: torch.device, kept: tuple[Any, ...] = ()) -> Any:
    """A copy of the network that has the weights, in shares. The network itself has none until `take_back`.

    network: whole, on each process the same. kept: what the network refers to and the copy shall refer to as well.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    memo = {id(thing): thing for thing in (*network.parameters(), *kept)}
    sharded = copy.deepcopy(network, memo)
    policy = MixedPrecisionPolicy()
    if _computes_in_bfloat16(device):
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    mesh = _mesh(device)
    for layer in layers_of(sharded):
        with _in_float32(layer, device):
            # one process alone would only copy what it has: it gathers a layer once
            fully_shard(layer, mesh=mesh, mp_policy=policy, reshard_after_forward=world_size() > 1)
    with _in_float32(sharded, device):
        fully_shard(sharded, mesh=mesh, mp_policy=policy)
    return sharded


def shard_prior(network: Any, device: torch.device) -> None:
    """Shard a frozen network's layers, in place and in its own dtype. Its embedding, norm and head stay whole."""
    from torch.distributed.fsdp import fully_shard

    mesh, layers = _mesh(device), layers_of(network)
    for layer in layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    # the decoder, which is what is called, gathers the next layer while one runs
    rest = {parameter for parameter in network.parameters() if not _is_sharded(parameter)}
    fully_shard(_enclosing(network, layers), mesh=mesh, ignored_params=rest)


@torch.no_grad()
def take_back(network: Any, sharded: Any) -> None:
    """The trained weights in the network again: whole, in float32, on the CPU of the first process; elsewhere empty.

    One weight after the other is gathered, so that no process holds more than one of them whole on its device.
    """
    trained = dict(sharded.named_parameters())
    for name, parameter in network.named_parameters():
        whole = trained[name].full_tensor()
        if rank() == 0:
            parameter.data = whole.to("cpu")
        del whole
    if rank() == 0:
        for module in network.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = buffer.to("cpu")


def whole(value: Tensor) -> Tensor:
    """A number that is known in shares, such as the norm of sharded gradients."""
    gather = getattr(value, "full_tensor", None)
    return value if gather is None else gather()


def _enclosing(network: nn.Module, layers: list[nn.Module]) -> nn.Module:
    """The innermost module that has them all; no list, since a list is never called."""
    wanted, found = set(map(id, layers)), network
    for module in network.modules():
        if not isinstance(module, nn.ModuleList | nn.ModuleDict) and wanted <= set(map(id, module.modules())):
            found = module
    return found


def _mesh(device: torch.device) -> Any:
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device.type, (world_size(),))


def _computes_in_bfloat16(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


def _is_sharded(parameter: Any) -> bool:
    return hasattr(parameter, "full_tensor")


@contextmanager
def _in_float32(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Its whole weights in float32 on the device within; afterwards, when a share of each is kept, they are let go."""
    whole = [parameter for parameter in module.parameters() if not _is_sharded(parameter)]
    for parameter in whole:
        parameter.data = parameter.data.to(device, torch.float32).contiguous()
    yield
    for parameter in whole:
        parameter.data = torch.empty(0, device=device)
