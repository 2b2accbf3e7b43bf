"""What of a network and its optimizer changes in training: as plain tensors of this process, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


def of_network(network: Any) -> dict[str, Tensor]:
    """What is trained, each once, and what is counted along (persistent buffers): the tensors themselves, no copies.

    Of weights in shares this process's own.
    """
    found = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    for path, module in network.named_modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                found[f"{path}.{name}" if path else name] = buffer
    return dict(_plain(found.items()))


def of_optimizer(network: Any, optimizer: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's tensors (no copies) and its other values, each named by its weight and its own name."""
    tensors: dict[str, Tensor] = {}
    others: dict[str, Any] = {}
    for name, state in _states(network, optimizer):
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors |= _plain([(f"{name}:{key}", value)])
            else:
                others[f"{name}:{key}"] = value
    return tensors, others


@torch.no_grad()
def begin_state(optimizer: Any) -> None:
    """Let an optimizer that has not stepped yet make the state that it keeps: a step at the rate 0 on no gradient.

    The state's values are to be overwritten; the weights stay as they are.
    """
    optimizer = getattr(optimizer, "optimizer", optimizer)  # Accelerate's wrapper skips steps
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    set_rates(optimizer, [0.0] * len(rates))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    set_rates(optimizer, rates)


def set_rates(optimizer: Any, rates: Sequence[Any]) -> None:
    """The learning rate of each group; some optimizers keep it as a tensor, which stays the same one."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def keep_only(network: Any, optimizer: Any, kept: set[str], others: dict[str, Any]) -> None:
    """Give the optimizer back its other values, and drop the state of weights that it had none of."""
    names = {entry.rsplit(":", 1)[0] for entry in kept | set(others)}
    inner = getattr(optimizer, "optimizer", optimizer)
    parameters = dict(network.named_parameters())
    for name, state in list(_states(network, optimizer)):
        if name not in names:
            del inner.state[parameters[name]]
        for key in state:
            if f"{name}:{key}" in others:
                state[key] = others[f"{name}:{key}"]


def _states(network: Any, optimizer: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    state = getattr(optimizer, "optimizer", optimizer).state
    for name, parameter in network.named_parameters():
        if parameter in state:
            yield name, state[parameter]


def _plain(named: Any) -> Iterator[tuple[str, Tensor]]:
    """Shares as the tensors that they are; tensors made of several (an 8-bit optimizer's) as those."""
    for name, tensor in named:
        if hasattr(tensor, "to_local"):
            yield from _plain([(name, tensor.to_local())])
        elif hasattr(tensor, "__tensor_flatten__"):
            parts, _ = tensor.__tensor_flatten__()
            yield from _plain([(f"{name}.{part}", getattr(tensor, part)) for part in parts])
        else:
            yield name, tensor.detach()
