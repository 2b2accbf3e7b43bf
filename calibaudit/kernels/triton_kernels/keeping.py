"""When making loss and gradients at once saves products in Triton: where some of the logits can be kept."""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.heads import Head, Needs
from calibaudit.kernels.triton_kernels.products import HiddenGradient


def keeps(
    hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int, *, rounded: bool = False
) -> bool:  # fmt: skip
    """As kernels/heads.py says: bfloat16 without softcap, and room for dH's sum in half of the scratch.

    An anchored loss, of two heads, keeps none.
    """
    head, *prior = heads
    if prior or hidden.dtype != torch.bfloat16 or head.softcap is not None or hidden.shape[0] == 0:
        return False
    if head.weight.dtype != (torch.float32 if rounded else torch.bfloat16):
        return False
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if needs.hidden else 0
    return held <= scratch_bytes // 2
