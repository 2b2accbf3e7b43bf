"""Other libraries' losses of a linear head, each as loss(hidden, weight) of one world's targets.

A builder raises ImportError or AttributeError where its library is not here; the benchmark says so by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


class Peer(NamedTuple):
    """build(targets, eps) gives the loss; smooths: whether it knows label smoothing, else eps is 0."""

    build: Callable[[Tensor, float], Loss]
    smooths: bool


def _torch(targets: Tensor, eps: float) -> Loss:
    return lambda hidden, weight: F.cross_entropy((hidden @ weight.T).float(), targets, label_smoothing=eps)


def _compiled(targets: Tensor, eps: float) -> Loss:
    compiled: Loss = torch.compile(_torch(targets, eps))
    return compiled


def _torch_fused(targets: Tensor, eps: float) -> Loss:
    if not hasattr(F, "linear_cross_entropy"):
        raise ImportError(f"torch {torch.__version__} is before 2.13")
    return lambda hidden, weight: F.linear_cross_entropy(hidden, weight, targets, label_smoothing=eps)


def _torch_chunked(targets: Tensor, _eps: float) -> Loss:
    if not hasattr(F, "linear_cross_entropy"):
        raise ImportError(f"torch {torch.__version__} is before 2.13")
    options = torch.nn.LinearCrossEntropyOptions()
    return lambda hidden, weight: F.linear_cross_entropy(hidden, weight, targets, options=options)


def _liger(targets: Tensor, eps: float) -> Loss:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    liger = LigerFusedLinearCrossEntropyLoss(label_smoothing=eps)
    return lambda hidden, weight: liger(weight, hidden, targets)


def _liger_cute(targets: Tensor, eps: float) -> Loss:
    from liger_kernel.ops.cutedsl.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction

    def loss(hidden: Tensor, weight: Tensor) -> Tensor:
        value: Tensor = LigerFusedLinearCrossEntropyFunction.apply(
            hidden, weight, targets, None, None, -100, 0.0, eps, "mean"
        )[0]
        return value

    return loss


def _cut_cross_entropy(targets: Tensor, _eps: float) -> Loss:
    from cut_cross_entropy import linear_cross_entropy

    return lambda hidden, weight: linear_cross_entropy(hidden, weight, targets)


def _cut_exact(targets: Tensor, _eps: float) -> Loss:
    from cut_cross_entropy import linear_cross_entropy

    return lambda hidden, weight: linear_cross_entropy(hidden, weight, targets, filter_eps=None)


def _quack(targets: Tensor, _eps: float) -> Loss:
    from quack.linear_cross_entropy import chunked_linear_cross_entropy

    return lambda hidden, weight: chunked_linear_cross_entropy(hidden, weight, targets)


PEERS = {
    "torch": Peer(_torch, True),
    "torch.compile": Peer(_compiled, True),
    "liger-kernel, Triton": Peer(_liger, True),
    "liger-kernel, CuTe DSL": Peer(_liger_cute, True),
    "torch.nn.functional.linear_cross_entropy": Peer(_torch_fused, True),
    "torch.nn.functional.linear_cross_entropy, in chunks": Peer(_torch_chunked, False),
    "cut-cross-entropy": Peer(_cut_cross_entropy, False),
    "cut-cross-entropy, exact": Peer(_cut_exact, False),
    "quack-kernels": Peer(_quack, False),
}


def named(peer: str, eps: float) -> str:
    """The row's name: a peer that knows no smoothing says so."""
    return peer if eps else f"{peer}, no smoothing"
