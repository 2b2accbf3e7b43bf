"""Loss and gradients in one call, anchored to a prior's head."""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.heads import AnchoredForward, Gradients, Head, Needs
from calibaudit.kernels.triton_kernels.anchored import anchored_backward, anchored_forward


@torch.no_grad()
def anchored_loss_gradients(
    hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int, rounded: bool = False,
) -> tuple[AnchoredForward, Gradients]:  # fmt: skip
    """anchored_forward (targets (N,)) and anchored_backward at once.

    upstream must be known before the loss: the weight of each row in the sum.
    rounded: a float32 weight of the student is multiplied as bfloat16, as autocast does; its gradient is float32 still.
    """
    if rounded and head.weight.dtype == torch.float32:
        low = head._replace(weight=head.weight.to(torch.bfloat16))
        found, gradients = anchored_loss_gradients(
            hidden, low, prior_hidden, prior, targets, upstream, label_smoothing=label_smoothing, needs=needs,
            scratch_bytes=scratch_bytes,
        )  # fmt: skip
        return found, gradients._replace(weight=None if gradients.weight is None else gradients.weight.float())
    given = (hidden, head, prior_hidden, prior, targets)
    found = anchored_forward(*given)
    return found, anchored_backward(
        *given, found.lse, found.prior_lse, upstream, label_smoothing=label_smoothing, needs=needs,
        scratch_bytes=scratch_bytes,
    )  # fmt: skip
