"""Gradients of the smoothed loss in plain PyTorch: logits made again, chunk by chunk, and turned into gradients there.

A chunk's rows of the weight's gradient are finished while its logits are at hand, summed in float32 over all rows and
rounded once; the gradient of hidden is summed over the chunks in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.chunked.blocks import Blocks, Head, Span, blocks_for
from calibaudit.kernels.precision import full_float32

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


@torch.no_grad()
def head_backward(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    lse: Tensor,
    upstream: Tensor,
    *,
    bias: Tensor | None,
    softcap: float | None,
    logit_scale: float,
    n_vocab: int,
    label_smoothing: float,
    need_hidden: bool,
    need_weight: bool,
    need_bias: bool,
    scratch_bytes: int,
) -> Gradients:
    """Gradients of sum_n upstream[n] * loss[n] by hidden, weight and bias; None for those not needed.

    loss = lse(z) - (1 - eps) z_y - eps mean(z), so dz = p - (1 - eps) 1_y - eps / n_vocab.
    targets: (N,). lse, upstream: (N,) float32; upstream is 0 on ignored rows. Rows of weight from n_vocab get 0.
    Held beyond inputs and results: about scratch_bytes, and hidden's gradient in float32 where hidden is not.
    """
    head = Head(weight, bias, softcap, logit_scale)
    blocks = backward_blocks(hidden, head, n_vocab, scratch_bytes, need_weight=need_weight)
    sums = GradientSums(hidden, head, blocks, need_hidden, need_weight, need_bias)
    scratch = blocks.scratch(hidden.device)
    derivative = torch.empty_like(scratch) if softcap is not None else None
    with full_float32(hidden.device):
        for start, stop in blocks.spans():
            span = head.span(start, stop)
            for first, last in blocks.row_cuts():
                rows = slice(first, last)
                block = hidden[rows].float()
                z = head.logits(block, span, scratch)
                slope = slope_of(z, softcap, derivative)
                z.sub_(lse[rows, None]).exp_()
                if label_smoothing:
                    z.sub_(label_smoothing / n_vocab)
                subtract_targets(z, targets[rows], start, 1.0 - label_smoothing)
                sums.add(finish(z, slope, upstream[rows]), block, span, first, last)
            sums.close(span)
    return sums.result()


def backward_blocks(
    hidden: Tensor,
    head: Head,
    n_vocab: int,
    scratch_bytes: int,
    *,
    need_weight: bool,
    prior: Head | None = None,
) -> Blocks:
    """Blocks that leave room for what the gradients add: a derivative under softcap, a prior's logits, a span of dW."""
    n_buffers = 1 + (head.softcap is not None) + (prior is not None)
    weights = (head.weight,) if prior is None else (head.weight, prior.weight)
    span_of_gradient = head.weight.shape[1] if need_weight and head.weight.dtype != torch.float32 else 0
    return blocks_for(hidden, weights, n_vocab, scratch_bytes, n_buffers=n_buffers, column_floats=span_of_gradient)


def slope_of(z: Tensor, softcap: float | None, scratch: Tensor | None) -> Tensor | None:
    """d softcap(x) / dx = 1 - (z / softcap)^2 at the capped logits z, in `scratch`'s memory; None without softcap."""
    if softcap is None or scratch is None:
        return None
    slope = scratch[: z.numel()].view(z.shape)
    torch.div(z, softcap, out=slope)
    return slope.square_().neg_().add_(1.0)


def subtract_targets(z: Tensor, targets: Tensor, start: int, amount: float) -> None:
    """z[n, targets[n] - start] -= amount, in place, where that is a column of z; an ignored target never is."""
    column = targets - start
    inside = (column >= 0) & (column < z.shape[1])
    # every row is touched, those outside by 0 in some column: no copy of the indices that are inside to the host
    z.scatter_add_(1, column.clamp(0, z.shape[1] - 1)[:, None], torch.where(inside, -amount, 0.0)[:, None].to(z))


def finish(z: Tensor, slope: Tensor | None, upstream: Tensor) -> Tensor:
    """dz of each row's loss to dx of the whole, in place."""
    if slope is not None:
        z.mul_(slope)
    return z.mul_(upstream[:, None])


class GradientSums:
    """The three gradients while they grow. `add` every block of a span, then `close` the span."""

    def __init__(
        self, hidden: Tensor, head: Head, blocks: Blocks, need_hidden: bool, need_weight: bool, need_bias: bool
    ) -> None:
        weight, bias = head.weight, head.bias
        self.scale = head.logit_scale
        self.like = hidden
        self.hidden = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device) if need_hidden else None
        self.weight: Tensor | None = None
        self.span: Tensor | None = None
        if need_weight:
            self.weight = torch.empty(weight.shape, dtype=weight.dtype, device=weight.device)
            self.weight[blocks.n_vocab if blocks.n_rows else 0 :].zero_()
            if weight.dtype != torch.float32:
                self.span = torch.empty(blocks.columns, weight.shape[1], dtype=torch.float32, device=weight.device)
        self.bias = torch.zeros_like(bias, dtype=torch.float32) if need_bias and bias is not None else None
        self.bias_like = bias

    def add(self, dx: Tensor, block: Tensor, span: Span, first: int, last: int) -> None:
        """dx: (rows, columns) gradient by the logits before softcap, after scale. block: hidden's rows in float32."""
        if self.hidden is not None:
            self.hidden[first:last].addmm_(dx, span.weight, alpha=self.scale)
        if self.weight is not None:
            rows = self._rows(span)
            torch.addmm(rows, dx.T, block, beta=float(first > 0), alpha=self.scale, out=rows)
        if self.bias is not None:
            self.bias[span.start : span.stop].add_(dx.sum(dim=0), alpha=self.scale)

    def close(self, span: Span) -> None:
        """Every row's share is in: round the span's rows of the weight's gradient."""
        if self.weight is not None and self.span is not None:
            self.weight[span.start : span.stop] = self._rows(span)

    def result(self) -> Gradients:
        hidden = None if self.hidden is None else self.hidden.to(self.like.dtype)
        bias = None if self.bias is None or self.bias_like is None else self.bias.to(self.bias_like.dtype)
        return hidden, self.weight, bias

    def _rows(self, span: Span) -> Tensor:
        assert self.weight is not None
        return self.weight[span.start : span.stop] if self.span is None else self.span[: span.stop - span.start]
