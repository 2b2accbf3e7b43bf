"""The loss anchored to a prior head, in plain PyTorch: both heads' chunks side by side, neither distribution kept."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from calibaudit.kernels.chunked.backward import GradientSums, backward_blocks, in_blocks
from calibaudit.kernels.chunked.blocks import CPU_SCRATCH_BYTES, blocks_for, span_of
from calibaudit.kernels.heads import AnchoredForward, Gradients, Head, Needs
from calibaudit.kernels.precision import full_float32


@torch.no_grad()
def anchored_forward(hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor) -> AnchoredForward:
    """Beside the prior's running sum of exponentials runs sum_v exp(u_v - max) z_v, rescaled with it."""
    blocks = blocks_for(hidden, (head, prior), CPU_SCRATCH_BYTES, n_buffers=2)
    scratch, prior_scratch = blocks.scratch(hidden.device), blocks.scratch(hidden.device)
    n_rows = hidden.shape[0]
    top, prior_top = (torch.full((n_rows,), -torch.inf, device=hidden.device) for _ in range(2))
    total, prior_total, product, logit = (torch.zeros(n_rows, device=hidden.device) for _ in range(4))
    with full_float32(hidden.device):
        for start, stop in blocks.spans():
            span, prior_span = span_of(head, start, stop), span_of(prior, start, stop)
            for first, last in blocks.row_cuts():
                rows = slice(first, last)
                z = span.logits(hidden[rows].float(), scratch)
                u = prior_span.logits(prior_hidden[rows].float(), prior_scratch)
                column = targets[rows] - start
                inside = (column >= 0) & (column < stop - start)
                found = z.gather(1, column.clamp(0, stop - start - 1)[:, None])[:, 0]
                logit[rows] = torch.where(inside, found, logit[rows])
                shrink, added = _step(u, prior_top, rows)
                prior_total[rows] = prior_total[rows] * shrink + added
                weighted = u.mul_(z)
                if head.bias is not None:  # 0 * -inf: a token that both rule out adds nothing
                    weighted.masked_fill_(weighted.isnan() & (z == -torch.inf), 0.0)
                product[rows] = product[rows] * shrink + weighted.sum(dim=1)
                shrink, added = _step(z, top, rows)
                total[rows] = total[rows] * shrink + added
    return AnchoredForward(top + total.log(), logit, prior_top + prior_total.log(), product / prior_total)


def _step(z: Tensor, top: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """z becomes exp(z - new maximum), and top the new maximum; how sums so far shrink, and what z adds to them."""
    old_top = top[rows].clone()
    top[rows] = torch.maximum(old_top, z.amax(dim=1))
    shift = top[rows].masked_fill(top[rows] == -torch.inf, 0.0)  # -inf - -inf would be NaN
    return torch.exp(old_top - shift), z.sub_(shift[:, None]).exp_().sum(dim=1)


@torch.no_grad()
def anchored_backward(
    hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor, lse: Tensor, prior_lse: Tensor,
    upstream: Tensor, *, label_smoothing: float, needs: Needs, scratch_bytes: int,
) -> Gradients:  # fmt: skip
    """As `head_backward`, towards the prior's distribution instead of the uniform one."""
    blocks = backward_blocks(hidden, (head, prior), needs, scratch_bytes)
    scratch = blocks.scratch(hidden.device)

    def smoothing(start: int, stop: int) -> Callable[[Tensor, slice], None]:
        span = span_of(prior, start, stop)

        def smooth(p: Tensor, rows: slice) -> None:
            u = span.logits(prior_hidden[rows].float(), scratch)
            p.sub_(u.sub_(prior_lse[rows, None]).exp_(), alpha=label_smoothing)

        return smooth

    sums = GradientSums(hidden, head, blocks, needs)
    return in_blocks(sums, targets, lse, upstream, 1.0 - label_smoothing, smoothing)
