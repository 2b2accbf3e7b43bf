"""Gradients of the smoothed loss in plain PyTorch: logits made again, chunk by chunk, and turned into gradients there.

A chunk's rows of the weight's gradient are finished while its logits are at hand, summed in float32 over all rows and
rounded once; the gradient of hidden is summed over the chunks in float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from calibaudit.kernels.chunked.blocks import Blocks, Span, blocks_for, span_of
from calibaudit.kernels.heads import Gradients, Head, Needs
from calibaudit.kernels.precision import full_float32

Smoothing = Callable[[int, int], Callable[[Tensor, slice], None]]
"""For a span's start and stop: what subtracts eps q from the softmax p (rows, stop - start) of some rows, in place."""


@torch.no_grad()
def head_backward(
    hidden: Tensor, head: Head, targets: Tensor, lse: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int,
) -> Gradients:  # fmt: skip
    """As kernels/heads.py says; beyond scratch_bytes hidden's gradient is held in float32 where hidden is not."""

    def smooth(p: Tensor, _: slice) -> None:
        if label_smoothing:
            p.sub_(label_smoothing / head.n_vocab)

    sums = GradientSums(hidden, head, backward_blocks(hidden, (head,), needs, scratch_bytes), needs)
    return in_blocks(sums, targets, lse, upstream, 1.0 - label_smoothing, lambda _start, _stop: smooth)


def in_blocks(
    sums: GradientSums, targets: Tensor, lse: Tensor, upstream: Tensor, hard: float, smoothing: Smoothing
) -> Gradients:
    """Every block's dz = p - hard 1_y - eps q, times upstream, into the sums; smoothing takes off the eps q."""
    hidden, head, blocks = sums.like, sums.head, sums.blocks
    scratch = blocks.scratch(hidden.device)
    derivative = torch.empty_like(scratch) if head.softcap is not None else None
    with full_float32(hidden.device):
        for start, stop in blocks.spans():
            span, smooth = span_of(head, start, stop), smoothing(start, stop)
            for first, last in blocks.row_cuts():
                rows = slice(first, last)
                block = hidden[rows].float()
                z = span.logits(block, scratch)
                slope = slope_of(z, head.softcap, derivative)
                z.sub_(lse[rows, None]).exp_()
                smooth(z, rows)
                subtract_targets(z, targets[rows], start, hard)
                sums.add(finish(z, slope, upstream[rows]), block, span, first, last)
            sums.close(span)
    return sums.result()


def backward_blocks(hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int) -> Blocks:
    """Blocks that leave room for what the gradients by the first of the heads (the second is a prior) add.

    That is a derivative under softcap, a prior's logits, a span of dW.
    """
    weight = heads[0].weight
    n_buffers = len(heads) + (heads[0].softcap is not None)
    span_of_gradient = weight.shape[1] if needs.weight and weight.dtype != torch.float32 else 0
    return blocks_for(hidden, heads, scratch_bytes, n_buffers=n_buffers, column_floats=span_of_gradient)


def slope_of(z: Tensor, softcap: float | None, scratch: Tensor | None) -> Tensor | None:
    """d softcap(x) / dx = 1 - (z / softcap)^2 at the capped logits z, in `scratch`'s memory; None without softcap."""
    if softcap is None or scratch is None:
        return None
    slope = scratch[: z.numel()].view(z.shape)
    torch.div(z, softcap, out=slope)
    return slope.square_().neg_().add_(1.0)


def subtract_targets(z: Tensor, targets: Tensor, start: int, amount: float, upstream: Tensor | None = None) -> None:
    """z[n, targets[n] - start] -= amount (* upstream[n]), in place, where that is a column of z.

    An ignored target never is.
    """
    column = targets - start
    inside = (column >= 0) & (column < z.shape[1])
    taken = torch.where(inside, -amount, 0.0).to(z)
    if upstream is not None:
        taken *= upstream
    # every row is touched, those outside by 0 in some column: no copy of the indices that are inside to the host
    z.scatter_add_(1, column.clamp(0, z.shape[1] - 1)[:, None], taken[:, None])


def finish(z: Tensor, slope: Tensor | None, upstream: Tensor) -> Tensor:
    """dz of each row's loss to dx of the whole, in place."""
    if slope is not None:
        z.mul_(slope)
    return z.mul_(upstream[:, None])


class GradientSums:
    """The three gradients while they grow. `add` every block of a span, then `close` the span."""

    def __init__(self, hidden: Tensor, head: Head, blocks: Blocks, needs: Needs) -> None:
        weight, bias = head.weight, head.bias
        self.like, self.head, self.blocks = hidden, head, blocks
        self.hidden = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device) if needs.hidden else None
        self.weight: Tensor | None = None
        self.span: Tensor | None = None
        if needs.weight:
            self.weight = torch.empty(weight.shape, dtype=weight.dtype, device=weight.device)
            self.weight[blocks.n_vocab if blocks.n_rows else 0 :].zero_()
            if weight.dtype != torch.float32:
                self.span = torch.empty(blocks.columns, weight.shape[1], dtype=torch.float32, device=weight.device)
        self.bias = torch.zeros_like(bias, dtype=torch.float32) if needs.bias and bias is not None else None

    def add(self, dx: Tensor, block: Tensor, span: Span, first: int, last: int) -> None:
        """dx: (rows, columns) gradient by the logits before softcap, after scale. block: hidden's rows in float32."""
        if self.hidden is not None:
            self.hidden[first:last].addmm_(dx, span.weight, alpha=self.head.logit_scale)
        if self.weight is not None:
            rows = self._rows(span)
            torch.addmm(rows, dx.T, block, beta=float(first > 0), alpha=self.head.logit_scale, out=rows)
        if self.bias is not None:
            self.bias[span.start : span.stop].add_(dx.sum(dim=0), alpha=self.head.logit_scale)

    def close(self, span: Span) -> None:
        """Every row's share is in: round the span's rows of the weight's gradient."""
        if self.weight is not None and self.span is not None:
            self.weight[span.start : span.stop] = self._rows(span)

    def result(self) -> Gradients:
        hidden = None if self.hidden is None else self.hidden.to(self.like.dtype)
        like = self.head.bias
        bias = None if self.bias is None or like is None else self.bias.to(like.dtype)
        return Gradients(hidden, self.weight, bias)

    def _rows(self, span: Span) -> Tensor:
        assert self.weight is not None
        return self.weight[span.start : span.stop] if self.span is None else self.span[: span.stop - span.start]
