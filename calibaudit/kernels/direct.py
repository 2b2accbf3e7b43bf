"""Loss and gradients in one go, on the CPU, where a single number is asked for: three products instead of four.

The backward pass that knows each row's upstream gradient only later must make the logits a second time. A sum or mean
over rows has one upstream for all, so whole rows of logits, as many as the scratch holds, can become gradients at once
and be scaled later. The weight's gradient is then read and written once a block of rows, so it pays only where a block
has enough of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from calibaudit.kernels import dispatch, operators
from calibaudit.kernels.chunked.backward import GradientSums, subtract_targets
from calibaudit.kernels.chunked.blocks import Blocks, cuts, span_of
from calibaudit.kernels.heads import Gradients, Head, Needs
from calibaudit.kernels.precision import full_float32
from calibaudit.kernels.validation import IGNORE_INDEX

DIRECT_BYTES = 37 << 20
"""Scratch unless the caller names another: at 512 rows of 128,256 logits, below 5 % of what torch holds for them."""

_ENOUGH_ROWS = 64
_COLUMNS = 2048


def suits(hidden: Tensor, head: Head, scratch_bytes: int | None) -> bool:
    """Whether this way is open and pays: eager float32 on the CPU, gradients wanted, no softcap, blocks of rows."""
    if torch.compiler.is_compiling() or hidden.device.type != "cpu" or head.softcap is not None:
        return False
    tensors = [tensor for tensor in (hidden, head.weight, head.bias) if tensor is not None]
    wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    if not wanted or any(tensor.dtype != torch.float32 for tensor in tensors):
        return False
    enough = min(_ENOUGH_ROWS, hidden.shape[0])
    in_pytorch = dispatch.kernel_path(hidden.device)[0] == "chunked"
    return _rows(head.weight.shape[0], scratch_bytes) >= max(1, enough) and in_pytorch


def reduced(
    hidden: Tensor, head: Head, targets: Tensor, label_smoothing: float, ignore_index: int,
    scratch_bytes: int | None, *, mean: bool,
) -> Tensor:  # fmt: skip
    """The sum of the rows' losses, or their mean over those not ignored; arguments are checked but for targets."""
    settings = (label_smoothing, head.logit_scale, head.n_vocab, ignore_index, scratch_bytes, mean)
    loss: Tensor = _Reduced.apply(hidden, head.weight, head.bias, targets, settings)  # type: ignore[no-untyped-call]
    return loss


class _Reduced(torch.autograd.Function):
    """The first backward pass takes the gradients made with the loss; one after it makes them anew."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, settings: tuple[Any, ...]
    ) -> Tensor:
        eps, scale, n_vocab, ignore_index, scratch_bytes, mean = settings
        mapped, rows = operators.active_rows(targets, n_vocab, ignore_index)
        share = 1.0 / max(1, int((mapped != IGNORE_INDEX).sum())) if mean else 1.0
        h, y = operators.at_rows(rows, hidden, mapped)
        head, needs = Head(weight, bias, None, scale, n_vocab), Needs(*ctx.needs_input_grad[:3])
        loss, lse, gradients = _loss_and_gradients(h, head, y, eps, share, needs, _rows(n_vocab, scratch_bytes))
        by_hidden, by_weight, by_bias = gradients
        if by_hidden is not None:
            by_hidden = operators.spread_rows(by_hidden, rows, hidden.shape[0])
        ctx.held = (by_hidden, by_weight, by_bias)
        ctx.share, ctx.settings = share, settings
        ctx.save_for_backward(hidden, weight, bias, targets, operators.spread_rows(lse, rows, hidden.shape[0]))
        return loss.sum() * share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.held = ctx.held, None
        if gradients is None:  # a second pass over a kept graph
            hidden, weight, bias, targets, lse = ctx.saved_tensors
            eps, scale, n_vocab, ignore_index, scratch_bytes, _ = ctx.settings
            needs = ctx.needs_input_grad[:3]
            found = operators.linear_backward(
                (upstream * ctx.share).expand(targets.shape), hidden, weight, targets, lse, bias, eps, None, scale,
                n_vocab, ignore_index, scratch_bytes, *needs,
            )  # fmt: skip
            return *operators.given(found, needs), None, None
        if (factor := upstream.item()) != 1.0:
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(factor)
        return *gradients, None, None


def _rows(n_vocab: int, scratch_bytes: int | None) -> int:
    return (scratch_bytes or DIRECT_BYTES) // (4 * n_vocab)


def _loss_and_gradients(
    hidden: Tensor, head: Head, targets: Tensor, label_smoothing: float, share: float, needs: Needs, rows: int
) -> tuple[Tensor, Tensor, Gradients]:
    """Each row's loss and lse, and the gradients of the losses' sum times `share`. hidden (N, D), targets (N,)."""
    n_rows, n_vocab = hidden.shape[0], head.n_vocab
    n_blocks = -(-n_rows // max(1, rows))
    blocks = Blocks(n_rows, n_vocab, max(1, -(-n_rows // max(1, n_blocks))), min(n_vocab, _COLUMNS))
    sums = GradientSums(hidden, head, blocks, needs)
    scratch = torch.empty(blocks.rows * n_vocab, dtype=torch.float32)
    spans = [span_of(head, start, stop) for start, stop in blocks.spans()]
    losses, lses = torch.zeros(n_rows), torch.zeros(n_rows)
    with full_float32(hidden.device):
        for first, last in cuts(n_rows, blocks.rows):
            block, y = hidden[first:last], targets[first:last]
            top = torch.full((last - first,), -torch.inf)
            total, logits, target = (torch.zeros(last - first) for _ in range(3))
            chunks, tops = [], []
            for span in spans:  # z becomes exp(z - the largest logit so far)
                z = span.logits(block, scratch[span.start * blocks.rows :])
                chunks.append(z)
                column = y - span.start
                inside = (column >= 0) & (column < z.shape[1])
                found = z.gather(1, column.clamp(0, z.shape[1] - 1)[:, None])[:, 0]
                target = torch.where(inside, found, target)
                if label_smoothing:
                    logits += z.sum(dim=1)
                new_top = torch.maximum(top, z.amax(dim=1))
                shift = new_top.masked_fill(new_top == -torch.inf, 0.0)  # -inf - -inf would be NaN
                total = total * torch.exp(top - shift) + z.sub_(shift[:, None]).exp_().sum(dim=1)
                top = new_top
                tops.append(top)
            lse = lses[first:last] = top + total.log()
            loss = lse
            if label_smoothing < 1.0:
                loss = loss - (1.0 - label_smoothing) * target
            if label_smoothing:
                loss = loss - label_smoothing * (logits / n_vocab)
            ignored = y == IGNORE_INDEX
            losses[first:last] = loss.masked_fill(ignored, 0.0)
            share_of_row = torch.full_like(lse, share).masked_fill(ignored, 0.0)
            for span, z, largest in zip(spans, chunks, tops, strict=True):
                z.mul_((torch.exp(largest - lse) * share_of_row)[:, None])
                if label_smoothing:
                    z.sub_((label_smoothing / n_vocab * share_of_row)[:, None])
                subtract_targets(z, y, span.start, share * (1.0 - label_smoothing))
                sums.add(z, block, span, first, last)
    return losses, lses, sums.result()
