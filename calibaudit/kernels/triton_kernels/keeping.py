"""When making loss and gradients at once saves products in Triton: where some of the logits can be kept."""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.heads import Head, Needs
from calibaudit.kernels.triton_kernels.products import HiddenGradient


def keeps(
    hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int, *, rounded: bool = False
) -> bool:  # fmt: skip
    """As kernels/heads.py says: bfloat16, what learns without softcap, and room for dH's sum in 5/8 of the scratch.

    A prior's weight that is float32 is rounded before the kernels see it.
    """
    head, *priors = heads
    if hidden.dtype != torch.bfloat16 or head.softcap is not None or hidden.shape[0] == 0:
        return False
    if head.weight.dtype != (torch.float32 if rounded else torch.bfloat16):
        return False
    if any(prior.weight.dtype not in (torch.bfloat16, torch.float32) for prior in priors):
        return False
    return not needs.hidden or HiddenGradient.fits(hidden, scratch_bytes)
