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

from calibaudit.kernels.heads import Gradients, Head, HeadForward, Needs
from calibaudit.kernels.triton_kernels.backward import head_backward, launch_dlogits, store_dlogits
from calibaudit.kernels.triton_kernels.forward import Retained, head_forward, join, sweep
from calibaudit.kernels.triton_kernels.gather import mean_logits, target_logits
from calibaudit.kernels.triton_kernels.gradients import (
    Chunk,
    GradientSum,
    Smoothing,
    add_chunks,
    chunk_scratch,
    smoothing_terms,
)
from calibaudit.kernels.triton_kernels.packing import load_words, slot_bytes
from calibaudit.kernels.triton_kernels.products import HiddenGradient, chunk_columns, full_sums
from calibaudit.kernels.triton_kernels.tiles import TRITON_TYPES, HeadLogits, Tiles, block_shape

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


def plan(logits: HeadLogits, tiles: Tiles, weight_bytes: int, scratch: int) -> Slots:
    """How many chunks to keep, given the bytes of dW (0: not wanted) and of scratch; the scratch also holds dlogits."""
    n_rows, width = logits.hidden.shape
    itemsize = logits.dtype.itemsize
    buffer = max(scratch // 3, min(scratch, n_rows * GOOD_CHUNK * itemsize))
    columns = chunk_columns(n_rows, width, logits.head.n_vocab, itemsize, buffer, tiles.columns, logits.hidden.device)
    n_chunks = triton.cdiv(logits.head.n_vocab, columns)
    size = slot_bytes(n_rows, columns, tiles.columns)
    step = triton.cdiv(max(size, columns * width * logits.head.weight.element_size()), 128) * 128
    in_weight = min(n_chunks, (weight_bytes - size) // step + 1 if weight_bytes >= size else 0)
    left = max(0, scratch - n_rows * columns * itemsize)
    return Slots(columns, size, step, in_weight, min(n_chunks - in_weight, left // size))


def _expand(
    logits: HeadLogits,
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
    stop = min(first + columns, logits.head.n_vocab)
    rows = 16 if buffer.device.type == "cpu" else 64
    bias_parts = gradients.bias_parts(columns, rows)
    _expand_kernel[(triton.cdiv(n_rows, rows), triton.cdiv(stop - first, tile_columns))](
        planes, buffer, terms.upstream if bias_parts is None else bias_parts, terms.lse, terms.targets, target_logit,
        terms.upstream, n_rows, first, stop, columns, terms.hard, terms.share,
        SLOT=columns, ROWS=rows, COLUMNS=tile_columns, BIAS_GRADIENT=bias_parts is not None,
        RESULT=TRITON_TYPES[logits.dtype], num_warps=4,
    )  # fmt: skip
    gradients.add(Chunk(buffer[:, : stop - first], first, stop, bias_parts))


@torch.no_grad()
def head_loss_gradients(
    hidden: Tensor, head: Head, targets: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int,
) -> tuple[HeadForward, Gradients]:  # fmt: skip
    """head_forward (targets (N,), no top, mean where label_smoothing > 0) and head_backward at once.

    upstream must be known before the loss: the weight of each row in the sum.
    bfloat16 without softcap keeps logits; everything else is head_forward, then head_backward.
    """
    logits = HeadLogits(hidden, head)
    n_rows, n_vocab = hidden.shape[0], head.n_vocab
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if needs.hidden else 0
    keeps = head.weight.dtype == hidden.dtype == torch.bfloat16 and head.softcap is None and n_rows > 0
    if not keeps or held > scratch_bytes // 2:
        found = head_forward(hidden, head, targets[:, None], top=False, mean=label_smoothing > 0)
        return found, head_backward(
            hidden, head, targets, found.lse, upstream, label_smoothing=label_smoothing, needs=needs,
            scratch_bytes=scratch_bytes,
        )  # fmt: skip
    tiles = block_shape(hidden.device, logits.dtype, n_rows)
    gradients = GradientSum(logits, None, needs, scratch_bytes)
    scratch = chunk_scratch(logits, tiles, scratch_bytes - held, needs, most_per_logit=4)
    storage = scratch[:0] if gradients.weight is None else gradients.weight.view(torch.uint8).view(-1)
    slots = plan(logits, tiles, storage.numel(), scratch.numel())
    columns, rest = slots.columns, scratch[n_rows * slots.columns * logits.dtype.itemsize :]
    ends = [min(n * columns, n_vocab) for n in (slots.in_weight, slots.in_weight + slots.in_scratch)]
    homes = (Retained(storage, slots.step_in_weight, columns), Retained(rest, slots.bytes, columns), None)
    parts = [
        sweep(logits, tiles, first, stop, retained=home)
        for first, stop, home in zip((0, *ends), (*ends, n_vocab), homes, strict=True)
        if first < stop
    ]
    lse = join(parts, n_vocab)[0]
    del parts
    mean = mean_logits(logits) if label_smoothing > 0 else None
    target = target_logits(logits, targets[:, None])
    terms, _ = smoothing_terms(logits, lse, targets, upstream, label_smoothing)
    buffer = scratch[: n_rows * columns * logits.dtype.itemsize].view(logits.dtype).view(n_rows, columns)

    def write(chunk: Chunk) -> None:
        launch_dlogits(logits, terms, tiles, chunk)

    with full_sums(hidden.device):
        for chunk in range(slots.in_weight + slots.in_scratch):
            within = chunk - slots.in_weight
            planes = storage[chunk * slots.step_in_weight :] if within < 0 else rest[within * slots.bytes :]
            _expand(logits, terms, target, gradients, planes, buffer, chunk * columns, tiles.columns)
        if ends[1] < n_vocab:
            add_chunks(logits, tiles, gradients, ends[1], scratch, write)
    return HeadForward(lse, target, None, None, mean), gradients.result()
