"""Loss and gradients in one call: part of the first pass's logits is kept, and need not be computed again.

What is kept of a logit is 12 bits (packing.py). Slots of one tile's columns each lie in dW's own storage, which nothing
else needs before its rows are final, and in the scratch; a slot is read before dW's rows are written over it.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import Gradients, Head, HeadForward, Needs
from calibaudit.kernels.triton_kernels.backward import head_backward, launch_dlogits, store_dlogits
from calibaudit.kernels.triton_kernels.forward import Retained, head_forward, join, most_parts, sweep
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

GOOD_CHUNK = 11264
"""Columns of the chunk in work where the scratch allows; what is left keeps logits. Narrower ones cost the library's
products more, and dH's float32 sum is read and written once a chunk."""
WIDEST_CHUNK = 32768


@triton.jit
def _expand_kernel(
    planes, slot_step, out, bias_out, lse, targets, target_logit, upstream, n_rows, first, stop, out_row, hard, share,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BIAS_GRADIENT: tl.constexpr, RESULT: tl.constexpr,
):  # fmt: skip
    PART: tl.constexpr = COLUMNS // 8
    row = tl.program_id(0) * ROWS
    inside = tl.program_id(1) * COLUMNS
    rows = row + tl.arange(0, ROWS)
    slot = planes + tl.program_id(1).to(tl.int64) * slot_step
    a, b, c, d, level = load_words(slot, rows, n_rows, 0, COLUMNS, COLUMNS)
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


class Kept(NamedTuple):
    """Columns first..stop of the logits and where they are kept; None: nowhere."""

    first: int
    stop: int
    home: Retained | None


def storage_of(gradients: GradientSum, out: Tensor | None, scratch: Tensor) -> tuple[Tensor, int]:
    """The bytes of dW that may keep logits (none where it is not wanted), and how many a row of dW takes.

    out: dW whose upper half holds the weight itself; see rounded_head.
    """
    weight = gradients.weight
    if weight is None:
        return scratch[:0], 0
    storage = weight.view(torch.uint8).view(-1)
    return storage if out is None else storage[: storage.numel() // 2], weight.shape[1] * weight.element_size()


def homes_of(
    logits: HeadLogits, tiles: Tiles, kept_tiles: Tiles, slot: int, storage: Tensor, row_bytes: int, scratch: Tensor
) -> tuple[int, list[Kept]]:
    """Columns of a chunk of dlogits, and what of the logits is kept where, in slots of `slot` bytes a tile.

    A chunk of dlogits lies at the start of the scratch. Slots lie first in dW's storage, so far apart that one is read
    before its tile's rows of dW reach the next, then in the scratch behind the chunk. Neither may be empty of rows.
    """
    n_rows, width = logits.hidden.shape
    itemsize, n_vocab, step_columns = logits.dtype.itemsize, logits.head.n_vocab, kept_tiles.columns
    n_tiles = triton.cdiv(n_vocab, step_columns)
    step = triton.cdiv(max(slot, step_columns * row_bytes), 128) * 128
    in_weight = min(n_tiles, (storage.numel() - slot) // step + 1 if storage.numel() >= slot else 0)

    def columns_in(room: int) -> int:
        return chunk_columns(n_rows, width, n_vocab, itemsize, room, tiles.columns, logits.hidden.device)

    columns = columns_in(min(scratch.numel(), n_rows * GOOD_CHUNK * itemsize))
    in_scratch = min(n_tiles - in_weight, max(0, scratch.numel() - n_rows * columns * itemsize) // slot)
    if in_weight + in_scratch == n_tiles:  # all is kept: what is left makes the chunks wider
        room = min(scratch.numel() - in_scratch * slot, WIDEST_CHUNK * n_rows * itemsize)
        columns = max(columns, columns_in(room))
    behind = scratch[n_rows * columns * itemsize :]
    ends = [min(n * step_columns, n_vocab) for n in (in_weight, in_weight + in_scratch)]
    homes = [
        Kept(0, ends[0], Retained(storage, step, step_columns)),
        Kept(ends[0], ends[1], Retained(behind, slot, step_columns)),
        Kept(ends[1], n_vocab, None),
    ]
    return columns, [kept for kept in homes if kept.first < kept.stop]


def in_chunks(
    logits: HeadLogits, tiles: Tiles, gradients: GradientSum, columns: int, scratch: Tensor, homes: list[Kept],
    expand: Callable[[Kept, Chunk], None], recompute: Callable[[Chunk], None],
) -> None:  # fmt: skip
    """All columns to the gradients, `columns` at a time; a chunk may be kept in part, and in two places."""

    def write(chunk: Chunk) -> None:
        for kept in homes:
            first, stop = max(kept.first, chunk.first), min(kept.stop, chunk.stop)
            if first >= stop:
                continue
            within = slice(first - chunk.first, stop - chunk.first)
            bias_parts = None if chunk.bias_parts is None else chunk.bias_parts[:, within]
            part = Chunk(chunk.dlogits[:, within], first, stop, bias_parts)
            if kept.home is None:
                recompute(part)
            else:
                expand(kept, part)

    with full_sums(scratch.device):
        add_chunks(logits, tiles, gradients, columns, scratch, write)


def _expand(kept: Kept, tile: Tiles, terms: Smoothing, target_logit: Tensor, chunk: Chunk) -> None:
    """The slots of the chunk's columns to its dlogits."""
    out, first, stop, bias_parts = chunk
    assert kept.home is not None
    n_rows, step = out.shape[0], kept.home.step
    slots = kept.home.planes[(first - kept.first) // tile.columns * step :]
    _expand_kernel[(triton.cdiv(n_rows, tile.rows), triton.cdiv(stop - first, tile.columns))](
        slots, step, out, terms.upstream if bias_parts is None else bias_parts, terms.lse, terms.targets, target_logit,
        terms.upstream, n_rows, first, stop, out.stride(0), terms.hard, terms.share,
        ROWS=tile.rows, COLUMNS=tile.columns, BIAS_GRADIENT=bias_parts is not None,
        RESULT=TRITON_TYPES[out.dtype], num_warps=8,
    )  # fmt: skip


def rounded_head(head: Head, needs: Needs) -> tuple[Head, Tensor | None]:
    """The head with its float32 weight in bfloat16, and the storage of dW, whose upper half holds that copy.

    Row r of dW takes the bytes from 4 D r, the copy's row r those from 2 D (rows + r), so rows of dW that are final
    lie below the copy's rows that are still needed.
    """
    weight, n = head.weight, head.n_vocab
    if not needs.weight:
        return head._replace(weight=weight.to(torch.bfloat16)), None
    out = torch.empty(weight.shape, dtype=torch.float32, device=weight.device)
    copy = out.view(-1).view(torch.bfloat16)[weight.numel() :].view(weight.shape)
    copy[:n].copy_(weight[:n])
    return head._replace(weight=copy), out


def _in_two_passes(
    hidden: Tensor, head: Head, targets: Tensor, upstream: Tensor, label_smoothing: float, needs: Needs, scratch: int
) -> tuple[HeadForward, Gradients]:
    found = head_forward(hidden, head, targets[:, None], top=False, mean=label_smoothing > 0)
    return found, head_backward(
        hidden, head, targets, found.lse, upstream, label_smoothing=label_smoothing, needs=needs, scratch_bytes=scratch
    )


@torch.no_grad()
def head_loss_gradients(
    hidden: Tensor, head: Head, targets: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int, rounded: bool = False,
) -> tuple[HeadForward, Gradients]:  # fmt: skip
    """head_forward (targets (N,), no top, mean where label_smoothing > 0) and head_backward at once.

    upstream must be known before the loss: the weight of each row in the sum.
    bfloat16 without softcap keeps logits; everything else is head_forward, then head_backward.
    rounded: a float32 weight is multiplied as bfloat16, as autocast does; its gradient is float32 still, and no copy of
    the weight is held beyond the storage of that gradient.
    """
    n_rows, n_vocab = hidden.shape[0], head.n_vocab
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if needs.hidden else 0
    out: Tensor | None = None
    keeps = hidden.dtype == torch.bfloat16 and head.softcap is None and n_rows > 0
    keeps = keeps and (not needs.hidden or HiddenGradient.fits(hidden, scratch_bytes))
    if rounded and head.weight.dtype == torch.float32:
        if not keeps:
            low = head._replace(weight=head.weight.to(torch.bfloat16))
            found, made = _in_two_passes(hidden, low, targets, upstream, label_smoothing, needs, scratch_bytes)
            return found, made._replace(weight=None if made.weight is None else made.weight.float())
        head, out = rounded_head(head, needs)
    if not keeps or head.weight.dtype != torch.bfloat16:
        return _in_two_passes(hidden, head, targets, upstream, label_smoothing, needs, scratch_bytes)
    logits = HeadLogits(hidden, head)
    tiles = block_shape(hidden.device, logits.dtype, n_rows)
    gradients = GradientSum(logits, None, needs, scratch_bytes, out)
    shares = 3 * 8 * most_parts(n_rows, tiles, hidden.device)
    scratch = chunk_scratch(logits, tiles, scratch_bytes - held, needs, most_per_logit=4, row_bytes=shares)
    slot = slot_bytes(n_rows, tiles.columns, tiles.columns)
    columns, homes = homes_of(logits, tiles, tiles, slot, *storage_of(gradients, out, scratch), scratch)
    lse = join(sweep(logits, tiles, [(kept.first, kept.stop, kept.home) for kept in homes]), n_vocab)[0]
    mean = mean_logits(logits) if label_smoothing > 0 else None
    target = target_logits(logits, targets[:, None])
    terms, _ = smoothing_terms(logits, lse, targets, upstream, label_smoothing)

    def expand(kept: Kept, chunk: Chunk) -> None:
        _expand(kept, tiles, terms, target, chunk)

    def recompute(chunk: Chunk) -> None:
        launch_dlogits(logits, terms, tiles, chunk)

    in_chunks(logits, tiles, gradients, columns, scratch, homes, expand, recompute)
    del scratch, homes  # dH's 16-bit result takes their room
    return HeadForward(lse, target, None, None, mean), gradients.result()
