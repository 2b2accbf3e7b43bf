"""When making loss and gradients at once saves products in Triton: where some of the logits can be kept."""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.heads import Head, Needs
from calibaudit.kernels.triton_kernels.products import HiddenGradient


def keeps(rows: tuple[Tensor, ...], heads: tuple[Head, ...], needs: Needs, scratch_bytes: int) -> bool:
    """As kernels/heads.py says: bfloat16 without softcap, and room for dH's sum in half of the scratch.

    An anchored loss, of two heads, keeps none yet.
    """
    (hidden, *_), (head, *prior) = rows, heads
    if prior or head.softcap is not None or hidden.shape[0] == 0:
        return False
    if not hidden.dtype == head.weight.dtype == torch.bfloat16:
        return False
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if needs.hidden else 0
    return held <= scratch_bytes // 2
