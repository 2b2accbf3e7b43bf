"""Loss and gradients in one call: part of the first pass's logits is kept, and need not be computed again.

What is kept of a logit is 12 bits (packing.py). Slots of one chunk of columns each lie in dW's own storage, which
nothing else needs before its rows are final, and in the scratch; a slot is read before dW's rows are written over it.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.triton_kernels.backward import head_backward, launch_dlogits, store_dlogits
from calibaudit.kernels.triton_kernels.forward import Retained, head_forward, join, sweep
from calibaudit.kernels.triton_kernels.gather import mean_logits, target_logits
from calibaudit.kernels.triton_kernels.gradients import (
    Gradients,
    GradientSum,
    Smoothing,
    add_chunks,
    chunk_scratch,
    smoothing_terms,
)
from calibaudit.kernels.triton_kernels.packing import load_words, slot_bytes
from calibaudit.kernels.triton_kernels.products import HiddenGradient, chunk_columns, full_sums
from calibaudit.kernels.triton_kernels.tiles import TRITON_TYPES, Head, Tiles, block_shape
from calibaudit.kernels.validation import HeadForward

GOOD_CHUNK = (
    8192  # columns: at least this many, or a third of the scratch, for the chunk in work; the rest keeps logits
)


@triton.jit
def _expand_kernel(
    planes, out, bias_out, lse, targets, target_logit, upstream, n_rows, first, stop, out_row, hard, share,
    SLOT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, BIAS_GRADIENT: tl.constexpr, RESULT: tl.constexpr,
):  # fmt: skip
    PART: tl.constexpr = COLUMNS // 8
    row = tl.program_id(0) * ROWS
    inside = tl.program_id(1) * COLUMNS
    rows = row + tl.arange(0, ROWS)
    a, b, c, d, level = load_words(planes, rows, n_rows, inside, COLUMNS, SLOT)
    lse_bits = tl.load(lse + rows, mask=rows < n_rows, other=0.0) * 1.4426950408889634
    level = level * 0.0078125 - lse_bits
    # near 1 the difference to the hard target would lose what 12 bits do not say, so the target's logit is exact
    y = tl.load(targets + rows, mask=rows < n_rows, other=-1).to(tl.int32)
    target = tl.load(target_logit + rows, mask=rows < n_rows, other=0.0) * 1.4426950408889634
    p_target = tl.exp2(target - lse_bits)
    for part in tl.static_range(8):
        pair = a if part < 2 else (b if part < 4 else (c if part < 6 else d))
        steps = pair & 4095 if part % 2 == 0 else pair >> 12
        p = tl.where(steps == 4095, 0.0, tl.exp2(level[:, None] - steps.to(tl.float32) * 0.0078125))
        columns = first + inside + part * PART + tl.arange(0, PART)
        p = tl.where(columns[None, :] == y[:, None], p_target[:, None], p)
        store_dlogits(
            p, p, out, bias_out, targets, upstream, row, first + inside + part * PART, inside + part * PART, n_rows,
            stop, out_row, hard, share, ROWS, PART, False, BIAS_GRADIENT, False, RESULT,
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
    buffer = max(scratch // 3, min(scratch, n_rows * GOOD_CHUNK * itemsize))
    columns = chunk_columns(n_rows, width, head.n_vocab, itemsize, buffer, tiles.columns, head.hidden.device)
    n_chunks = triton.cdiv(head.n_vocab, columns)
    size = slot_bytes(n_rows, columns, tiles.columns)
    step = triton.cdiv(max(size, columns * width * head.weight.element_size()), 128) * 128
    in_weight = min(n_chunks, (weight_bytes - size) // step + 1 if weight_bytes >= size else 0)
    left = max(0, scratch - n_rows * columns * itemsize)
    return Slots(columns, size, step, in_weight, min(n_chunks - in_weight, left // size))


def _expand(
    head: Head,
    terms: Smoothing,
    target_logit: Tensor,
    gradients: GradientSum,
    planes: Tensor,
    buffer: Tensor,
    first: int,
    tile_columns: int,
) -> None:
    """The slot at `planes`, whose first column is `first`, through buffer (N, columns of a slot) into the gradients."""
    n_rows, columns = buffer.shape
    stop = min(first + columns, head.n_vocab)
    rows = 16 if buffer.device.type == "cpu" else 64
    bias_parts = gradients.bias_parts(columns, rows)
    _expand_kernel[(triton.cdiv(n_rows, rows), triton.cdiv(stop - first, tile_columns))](
        planes, buffer, terms.upstream if bias_parts is None else bias_parts, terms.lse, terms.targets, target_logit,
        terms.upstream, n_rows, first, stop, columns, terms.hard, terms.share,
        SLOT=columns, ROWS=rows, COLUMNS=tile_columns, BIAS_GRADIENT=bias_parts is not None,
        RESULT=TRITON_TYPES[head.dtype], num_warps=4,
    )  # fmt: skip
    gradients.add(buffer[:, : stop - first], first, stop, bias_parts)


@torch.no_grad()
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
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if need_hidden else 0
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
    gradients = GradientSum(head, None, need_hidden, need_weight, need_bias, scratch_bytes)
    scratch = chunk_scratch(head, tiles, scratch_bytes - held, need_bias, most_per_logit=4)
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
    target = target_logits(head, targets[:, None])
    terms, _ = smoothing_terms(head, lse, targets, upstream, label_smoothing)
    buffer = scratch[: n_rows * columns * head.dtype.itemsize].view(head.dtype).view(n_rows, columns)

    def write(dlogits: Tensor, start: int, stop: int, bias_parts: Tensor | None) -> None:
        launch_dlogits(head, terms, tiles, dlogits, start, stop, bias_parts)

    with full_sums(hidden.device):
        for chunk in range(slots.in_weight + slots.in_scratch):
            within = chunk - slots.in_weight
            planes = storage[chunk * slots.step_in_weight :] if within < 0 else rest[within * slots.bytes :]
            _expand(head, terms, target, gradients, planes, buffer, chunk * columns, tiles.columns)
        if ends[1] < n_vocab:
            add_chunks(head, tiles, gradients, ends[1], scratch, write)
    return HeadForward(lse, target, None, None, mean), gradients.result()
