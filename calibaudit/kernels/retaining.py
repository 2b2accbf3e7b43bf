"""Loss and gradients in one call: part of the first pass's logits is kept, and need not be computed again.

What is kept of a logit is 12 bits: how far it lies below the largest of its row in its tile, in steps of 1/128 of a
factor of two (so a softmax value is off by at most 0.27 %, 0.16 % root mean square, as a bfloat16 is), down to 2^-32,
below which it counts as 0. A slot holds one chunk of c columns: a plane of N x c upper bytes, a plane of N x c/2 bytes
with two lower halves each, and the tiles' maxima. Slots lie in dW's own storage, which nothing else needs before
its rows are final, and in the scratch; a slot is read before the rows of dW that cover it are written.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.arguments import HeadForward
from calibaudit.kernels.backward import (
    Gradients,
    GradientSum,
    Smoothing,
    head_backward,
    recompute_chunks,
    smoothing_terms,
    store_dlogits,
)
from calibaudit.kernels.forward import Retained, head_forward, join, mean_logits, sweep, target_logits
from calibaudit.kernels.products import HiddenGradient, chunk_columns
from calibaudit.kernels.tiles import TRITON_TYPES, Head, Tiles, block_shape

BUFFER_SHARE = 5  # a fifth of the scratch holds the chunk in work, the rest keeps logits


@triton.jit
def _expand_kernel(
    planes, out, bias_out, lse, targets, upstream, n_rows, first, stop, out_row, hard, share,
    SLOT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, BIAS_GRADIENT: tl.constexpr, RESULT: tl.constexpr,
):  # fmt: skip
    HALF: tl.constexpr = COLUMNS // 2
    row = tl.program_id(0) * ROWS
    inside = tl.program_id(1) * COLUMNS
    rows = row + tl.arange(0, ROWS)
    keep = rows < n_rows
    n_wide = tl.full((), 1, tl.int64) * n_rows
    high = planes + rows.to(tl.int64)[:, None] * SLOT + inside + tl.arange(0, HALF)[None, :]
    low = planes + n_wide * SLOT + rows.to(tl.int64)[:, None] * (SLOT // 2) + inside // 2
    low += tl.arange(0, HALF)[None, :]
    tops = (planes + n_wide * (SLOT // 2 * 3)).to(tl.pointer_type(tl.float32)) + inside // COLUMNS * n_wide + rows
    left = tl.load(high, mask=keep[:, None], other=0).to(tl.int32) << 4
    right = tl.load(high + HALF, mask=keep[:, None], other=0).to(tl.int32) << 4
    rest = tl.load(low, mask=keep[:, None], other=0).to(tl.int32)
    left |= rest & 15
    right |= rest >> 4
    lse_bits = tl.load(lse + rows, mask=keep, other=0.0) * 1.4426950408889634
    level = tl.load(tops, mask=keep, other=0.0) - lse_bits
    p = tl.where(left == 4095, 0.0, tl.exp2(level[:, None] - left.to(tl.float32) * 0.0078125))
    store_dlogits(
        p, p, out, bias_out, targets, upstream, row, first + inside, inside, n_rows, stop, out_row, hard, share,
        ROWS, HALF, False, BIAS_GRADIENT, False, RESULT,
    )  # fmt: skip
    p = tl.where(right == 4095, 0.0, tl.exp2(level[:, None] - right.to(tl.float32) * 0.0078125))
    store_dlogits(
        p, p, out, bias_out, targets, upstream, row, first + inside + HALF, inside + HALF, n_rows, stop, out_row,
        hard, share, ROWS, HALF, False, BIAS_GRADIENT, False, RESULT,
    )  # fmt: skip


class Slots(NamedTuple):
    """Chunks of `columns` columns that are kept: first `in_weight` ones in dW's storage, then `in_scratch`."""

    columns: int
    bytes: int
    step_in_weight: int
    in_weight: int
    in_scratch: int


def plan(head: Head, tiles: Tiles, weight_bytes: int, scratch: int) -> Slots:
    """How many chunks to keep, given the bytes of dW (0: not wanted) and of scratch; the scratch also holds dlogits."""
    n_rows, width = head.hidden.shape
    itemsize = head.dtype.itemsize
    columns = chunk_columns(
        n_rows, width, head.n_vocab, itemsize, scratch // BUFFER_SHARE, tiles.columns, head.hidden.device
    )
    n_chunks = triton.cdiv(head.n_vocab, columns)
    size = triton.cdiv(n_rows * columns * 3 // 2 + n_rows * (columns // tiles.columns) * 4, 128) * 128
    step = triton.cdiv(max(size, columns * width * head.weight.element_size()), 128) * 128
    in_weight = min(n_chunks, (weight_bytes - size) // step + 1 if weight_bytes >= size else 0)
    left = max(0, scratch - n_rows * columns * itemsize)
    return Slots(columns, size, step, in_weight, min(n_chunks - in_weight, left // size))


def _expand(
    head: Head, terms: Smoothing, gradients: GradientSum, planes: Tensor, buffer: Tensor, first: int, tile_columns: int
) -> None:
    n_rows, columns = buffer.shape
    stop = min(first + columns, head.n_vocab)
    rows = 16
    bias_parts = gradients.bias_parts(columns, rows)
    _expand_kernel[(triton.cdiv(n_rows, rows), triton.cdiv(stop - first, tile_columns))](
        planes, buffer, terms.upstream if bias_parts is None else bias_parts, terms.lse, terms.targets, terms.upstream,
        n_rows, first, stop, columns, terms.hard, terms.share,
        SLOT=columns, ROWS=rows, COLUMNS=tile_columns, BIAS_GRADIENT=bias_parts is not None, RESULT=TRITON_TYPES[head.dtype],
        num_warps=4,
    )  # fmt: skip
    gradients.add(buffer[:, : stop - first], first, stop, bias_parts)


def head_loss_gradients(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
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
) -> tuple[HeadForward, Gradients]:
    """head_forward (targets (N,), no top, mean where label_smoothing > 0) and head_backward at once.

    upstream (N,) float32, 0 on ignored rows, must be known before the loss: the weight of each row in the sum.
    bfloat16 without softcap keeps logits; everything else is head_forward, then head_backward.
    """
    head = Head(hidden, weight, bias, softcap, logit_scale, n_vocab)
    n_rows = hidden.shape[0]
    held = HiddenGradient.scratch_bytes(hidden) if need_hidden else 0
    keeps = weight.dtype == hidden.dtype == torch.bfloat16 and softcap is None and n_rows > 0
    if not keeps or held > scratch_bytes // 2:
        found = head_forward(
            hidden, weight, targets[:, None], bias=bias, softcap=softcap, logit_scale=logit_scale, n_vocab=n_vocab,
            top=False, mean=label_smoothing > 0,
        )  # fmt: skip
        return found, head_backward(
            hidden, weight, targets, found.lse, upstream, bias=bias, softcap=softcap, logit_scale=logit_scale,
            n_vocab=n_vocab, label_smoothing=label_smoothing, need_hidden=need_hidden, need_weight=need_weight,
            need_bias=need_bias, scratch_bytes=scratch_bytes,
        )  # fmt: skip
    tiles = block_shape(hidden.device, head.dtype, n_rows)
    need_bias = need_bias and bias is not None
    gradients = GradientSum(head, None, need_hidden, need_weight, need_bias)
    scratch = torch.empty(
        max(scratch_bytes - held, n_rows * tiles.columns * head.dtype.itemsize), dtype=torch.uint8, device=hidden.device
    )
    storage = scratch[:0] if gradients.weight is None else gradients.weight.view(torch.uint8).view(-1)
    slots = plan(head, tiles, storage.numel(), scratch.numel())
    columns, rest = slots.columns, scratch[n_rows * slots.columns * head.dtype.itemsize :]
    ends = [min(n * columns, n_vocab) for n in (slots.in_weight, slots.in_weight + slots.in_scratch)]
    homes = (Retained(storage, slots.step_in_weight, columns), Retained(rest, slots.bytes, columns), None)
    parts = [
        sweep(head, tiles, first, stop, retained=home)
        for first, stop, home in zip((0, *ends), (*ends, n_vocab), homes, strict=True)
        if first < stop
    ]
    lse = join(parts, n_vocab)[0]
    del parts
    mean = mean_logits(head) if label_smoothing > 0 else None
    terms, _ = smoothing_terms(head, lse, targets, upstream, label_smoothing)
    buffer = scratch[: n_rows * columns * head.dtype.itemsize].view(head.dtype).view(n_rows, columns)
    for chunk in range(slots.in_weight + slots.in_scratch):
        within = chunk - slots.in_weight
        planes = storage[chunk * slots.step_in_weight :] if within < 0 else rest[within * slots.bytes :]
        _expand(head, terms, gradients, planes, buffer, chunk * columns, tiles.columns)
    if ends[1] < n_vocab:
        recompute_chunks(head, terms, gradients, ends[1], scratch)
    return HeadForward(lse, target_logits(head, targets[:, None]), None, None, mean), gradients.result()
