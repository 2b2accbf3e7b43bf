"""The loss anchored to a prior head, in plain PyTorch: both heads' chunks side by side, neither distribution kept."""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.chunked.backward import (
    Gradients,
    GradientSums,
    backward_blocks,
    finish,
    slope_of,
    subtract_targets,
)
from calibaudit.kernels.chunked.blocks import CPU_SCRATCH_BYTES, Head, blocks_for
from calibaudit.kernels.precision import full_float32
from calibaudit.kernels.validation import AnchoredForward


@torch.no_grad()
def anchored_forward(
    hidden: Tensor,
    weight: Tensor,
    prior_hidden: Tensor,
    prior_weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None,
    softcap: float | None,
    logit_scale: float,
    n_vocab: int,
    prior_bias: Tensor | None,
    prior_softcap: float | None,
    prior_logit_scale: float,
) -> AnchoredForward:
    """hidden (N, D), weight (rows, D); prior_hidden (N, D'), prior_weight (rows', D'); targets (N,) -> (N,) each.

    Beside the prior's running sum of exponentials runs sum_v exp(u_v - max) z_v, rescaled with it.
    """
    head = Head(weight, bias, softcap, logit_scale)
    prior = Head(prior_weight, prior_bias, prior_softcap, prior_logit_scale)
    blocks = blocks_for(hidden, (weight, prior_weight), n_vocab, CPU_SCRATCH_BYTES, n_buffers=2)
    scratch, prior_scratch = blocks.scratch(hidden.device), blocks.scratch(hidden.device)
    n_rows = hidden.shape[0]
    top, prior_top = (torch.full((n_rows,), -torch.inf, device=hidden.device) for _ in range(2))
    total, prior_total, product, logit = (torch.zeros(n_rows, device=hidden.device) for _ in range(4))
    with full_float32(hidden.device):
        for start, stop in blocks.spans():
            span, prior_span = head.span(start, stop), prior.span(start, stop)
            for first, last in blocks.row_cuts():
                rows = slice(first, last)
                z = head.logits(hidden[rows].float(), span, scratch)
                u = prior.logits(prior_hidden[rows].float(), prior_span, prior_scratch)
                column = targets[rows] - start
                inside = (column >= 0) & (column < stop - start)
                found = z.gather(1, column.clamp(0, stop - start - 1)[:, None])[:, 0]
                logit[rows] = torch.where(inside, found, logit[rows])
                shrink, added = _step(u, prior_top, rows)
                prior_total[rows] = prior_total[rows] * shrink + added
                weighted = u.mul_(z)
                if bias is not None:  # 0 * -inf: a token that both rule out adds nothing
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
    hidden: Tensor,
    weight: Tensor,
    prior_hidden: Tensor,
    prior_weight: Tensor,
    targets: Tensor,
    lse: Tensor,
    prior_lse: Tensor,
    upstream: Tensor,
    *,
    bias: Tensor | None,
    softcap: float | None,
    logit_scale: float,
    n_vocab: int,
    prior_bias: Tensor | None,
    prior_softcap: float | None,
    prior_logit_scale: float,
    label_smoothing: float,
    need_hidden: bool,
    need_weight: bool,
    need_bias: bool,
    scratch_bytes: int,
) -> Gradients:
    """As `head_backward`, with dz = p - (1 - eps) 1_y - eps q. The prior gets no gradient."""
    head = Head(weight, bias, softcap, logit_scale)
    prior = Head(prior_weight, prior_bias, prior_softcap, prior_logit_scale)
    blocks = backward_blocks(hidden, head, n_vocab, scratch_bytes, need_weight=need_weight, prior=prior)
    sums = GradientSums(hidden, head, blocks, need_hidden, need_weight, need_bias)
    scratch, prior_scratch = blocks.scratch(hidden.device), blocks.scratch(hidden.device)
    derivative = torch.empty_like(scratch) if softcap is not None else None
    with full_float32(hidden.device):
        for start, stop in blocks.spans():
            span, prior_span = head.span(start, stop), prior.span(start, stop)
            for first, last in blocks.row_cuts():
                rows = slice(first, last)
                block = hidden[rows].float()
                z = head.logits(block, span, scratch)
                slope = slope_of(z, softcap, derivative)
                z.sub_(lse[rows, None]).exp_()
                u = prior.logits(prior_hidden[rows].float(), prior_span, prior_scratch)
                z.sub_(u.sub_(prior_lse[rows, None]).exp_(), alpha=label_smoothing)
                subtract_targets(z, targets[rows], start, 1.0 - label_smoothing)
                sums.add(finish(z, slope, upstream[rows]), block, span, first, last)
            sums.close(span)
    return sums.result()
