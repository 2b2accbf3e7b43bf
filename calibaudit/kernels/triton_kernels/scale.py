"""Gradients that were made with the loss, times the upstream gradient that is known only later."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from collections.abc import Iterable

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.triton_kernels.tiles import TRITON_TYPES, multiprocessors, narrow

_PROGRAMS = 8  # a multiprocessor: few, so that a factor of 1 costs a launch and no more


@triton.jit
def _scale_kernel(x, factor, n, PROGRAMS: tl.constexpr, BLOCK: tl.constexpr, RESULT: tl.constexpr):
    scale = tl.load(factor).to(tl.float32)
    if scale != 1.0:
        for block in range(tl.program_id(0), tl.cdiv(n, BLOCK), PROGRAMS):
            at = tl.cast(block, tl.int64) * BLOCK + tl.arange(0, BLOCK)
            value = tl.load(x + at, mask=at < n, other=0.0).to(tl.float32) * scale
            tl.store(x + at, narrow(value, RESULT), mask=at < n)


@torch.no_grad()
def scale_by(tensors: Iterable[Tensor | None], factor: Tensor) -> None:
    """Each tensor times factor, in place, rounded once; where factor is 1 no element is read.

    tensors: float32, bfloat16 or float16, dense. factor: one element, on their device; the host does not wait for it.
    """
    for tensor in tensors:
        if tensor is None or tensor.numel() == 0:
            continue
        if tensor.dtype not in TRITON_TYPES or not tensor.is_contiguous():
            tensor.mul_(factor.reshape(()))
            continue
        block = 256 if tensor.device.type == "cpu" else 4096
        programs = min(_PROGRAMS * multiprocessors(tensor.device), triton.cdiv(tensor.numel(), block))
        _scale_kernel[(programs,)](
            tensor, factor, tensor.numel(), PROGRAMS=programs, BLOCK=block, RESULT=TRITON_TYPES[tensor.dtype],
            num_warps=4,
        )  # fmt: skip
