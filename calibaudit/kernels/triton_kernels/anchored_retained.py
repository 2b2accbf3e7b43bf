"""Loss and gradients in one call, anchored to a prior's head: part of both heads' logits is kept, as in retained.py."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import AnchoredForward, Gradients, Head, Needs
from calibaudit.kernels.triton_kernels.anchored import (
    Q_UNIT,
    Pair,
    PriorTerms,
    anchored_backward,
    anchored_forward,
    launch_dlogits_towards,
    prior_terms,
    sweep_both,
)
from calibaudit.kernels.triton_kernels.backward import store_dlogits
from calibaudit.kernels.triton_kernels.forward import most_parts
from calibaudit.kernels.triton_kernels.gather import target_logits
from calibaudit.kernels.triton_kernels.gradients import (
    ROW_BYTES,
    Chunk,
    GradientSum,
    Smoothing,
    chunk_scratch,
    smoothing_terms,
)
from calibaudit.kernels.triton_kernels.packing import load_words, slot_bytes
from calibaudit.kernels.triton_kernels.products import HiddenGradient
from calibaudit.kernels.triton_kernels.retained import Kept, homes_of, in_chunks, rounded_head, storage_of
from calibaudit.kernels.triton_kernels.tiles import TRITON_TYPES, HeadLogits, Tiles, block_shape


@triton.jit
def _expand_kernel(
    planes, prior_planes, slot_step, out, bias_out, lse, prior_lse, targets, target_logit, q_target, upstream,
    n_rows, first, stop, out_row, hard, soft,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BIAS_GRADIENT: tl.constexpr, RESULT: tl.constexpr,
):  # fmt: skip
    PART: tl.constexpr = COLUMNS // 8
    row = tl.program_id(0) * ROWS
    inside = tl.program_id(1) * COLUMNS
    rows = row + tl.arange(0, ROWS)
    keep = rows < n_rows
    slot = tl.program_id(1).to(tl.int64) * slot_step
    a, b, c, d, level = load_words(planes + slot, rows, n_rows, 0, COLUMNS, COLUMNS)
    e, f, g, h, prior_level = load_words(prior_planes + slot, rows, n_rows, 0, COLUMNS, COLUMNS)
    lse_bits = tl.load(lse + rows, mask=keep, other=0.0) * 1.4426950408889634
    prior_bits = tl.load(prior_lse + rows, mask=keep, other=0.0) * 1.4426950408889634
    level = level * 0.0078125 - lse_bits
    prior_level = prior_level * 0.0078125 - prior_bits
    # at the target both are exact: near 1 the difference would lose what 12 bits do not say
    y = tl.load(targets + rows, mask=keep, other=-1).to(tl.int32)
    p_y = tl.exp2(tl.load(target_logit + rows, mask=keep, other=0.0) * 1.4426950408889634 - lse_bits)
    q_y = tl.load(q_target + rows, mask=keep, other=0.0)
    for part in tl.static_range(8):
        pair = a if part < 2 else (b if part < 4 else (c if part < 6 else d))
        steps = pair & 4095 if part % 2 == 0 else pair >> 12
        p = tl.where(steps == 4095, 0.0, tl.exp2(level[:, None] - steps.to(tl.float32) * 0.0078125))
        pair = e if part < 2 else (f if part < 4 else (g if part < 6 else h))
        steps = pair & 4095 if part % 2 == 0 else pair >> 12
        q = tl.where(steps == 4095, 0.0, tl.exp2(prior_level[:, None] - steps.to(tl.float32) * 0.0078125))
        column = inside + part * PART
        hit = (first + column + tl.arange(0, PART))[None, :] == y[:, None]
        dz = tl.where(hit, p_y[:, None], p) - soft * tl.where(hit, q_y[:, None], q)
        store_dlogits(
            dz, dz, out, bias_out, targets, upstream, row, first + column, column, n_rows, stop, out_row, hard, 0.0,
            ROWS, PART, False, BIAS_GRADIENT, False, RESULT,
        )  # fmt: skip


def _expand(kept: Kept, tile: Tiles, terms: Smoothing, prior: PriorTerms, target_logit: Tensor, chunk: Chunk) -> None:
    """The slots of the chunk's columns to its dlogits."""
    out, first, stop, bias_parts = chunk
    assert kept.home is not None
    n_rows, step = out.shape[0], kept.home.step
    slots = kept.home.planes[(first - kept.first) // tile.columns * step :]
    _expand_kernel[(triton.cdiv(n_rows, tile.rows), triton.cdiv(stop - first, tile.columns))](
        slots, slots[slot_bytes(n_rows, tile.columns, tile.columns) :], step, out,
        terms.upstream if bias_parts is None else bias_parts, terms.lse, prior.terms.lse, terms.targets, target_logit,
        prior.target, terms.upstream, n_rows, first, stop, out.stride(0), terms.hard, prior.soft,
        ROWS=tile.rows, COLUMNS=tile.columns, BIAS_GRADIENT=bias_parts is not None,
        RESULT=TRITON_TYPES[out.dtype], num_warps=8,
    )  # fmt: skip


@torch.no_grad()
def anchored_loss_gradients(
    hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int, rounded: bool = False,
) -> tuple[AnchoredForward, Gradients]:  # fmt: skip
    """anchored_forward (targets (N,)) and anchored_backward at once.

    upstream must be known before the loss: the weight of each row in the sum. Two heads in bfloat16, the student's
    without softcap, keep logits; everything else is anchored_forward, then anchored_backward.
    rounded: of the student, as `retained.head_loss_gradients` says.
    """
    n_rows = hidden.shape[0]
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if needs.hidden else 0
    keeps = hidden.dtype == torch.bfloat16 and head.softcap is None and n_rows > 0
    keeps = keeps and (not needs.hidden or HiddenGradient.fits(hidden, scratch_bytes))
    keeps = keeps and prior_hidden.dtype == prior.weight.dtype == torch.bfloat16
    wide, out = rounded and head.weight.dtype == torch.float32, None
    if wide and keeps:
        head, out = rounded_head(head, needs)
    elif wide:
        head = head._replace(weight=head.weight.to(torch.bfloat16))
    given = (hidden, head, prior_hidden, prior, targets)
    if not keeps or head.weight.dtype != torch.bfloat16:
        found = anchored_forward(*given)
        made = anchored_backward(
            *given, found.lse, found.prior_lse, upstream, label_smoothing=label_smoothing, needs=needs,
            scratch_bytes=scratch_bytes,
        )  # fmt: skip
        return found, made._replace(weight=made.weight.float()) if wide and made.weight is not None else made
    pair = Pair(HeadLogits(hidden, head), HeadLogits(prior_hidden, prior))
    tiles, pair_tiles = block_shape(hidden.device, torch.bfloat16, n_rows), pair.tiles
    gradients = GradientSum(pair.z, None, needs, scratch_bytes, out)
    shares = 3 * 20 * most_parts(n_rows, pair_tiles, hidden.device) + ROW_BYTES
    scratch = chunk_scratch(pair.z, tiles, scratch_bytes - held, needs, most_per_logit=6, row_bytes=shares)
    slot = 2 * slot_bytes(n_rows, pair_tiles.columns, pair_tiles.columns)
    columns, homes = homes_of(pair.z, tiles, pair_tiles, slot, *storage_of(gradients, out, scratch), scratch)
    lse, prior_lse, mean = sweep_both(pair, [(kept.first, kept.stop, kept.home) for kept in homes])
    target = target_logits(pair.z, targets[:, None])[:, 0]
    terms, _ = smoothing_terms(pair.z, lse, targets, upstream, label_smoothing)
    towards = prior_terms(pair.u, prior_lse, terms.targets, label_smoothing)
    exact = towards._replace(target=towards.target / Q_UNIT)

    def expand(kept: Kept, chunk: Chunk) -> None:
        _expand(kept, pair_tiles, terms, exact, target, chunk)

    def recompute(chunk: Chunk) -> None:
        launch_dlogits_towards(pair, terms, towards, tiles, chunk)

    in_chunks(pair.z, tiles, gradients, columns, scratch, homes, expand, recompute)
    del scratch, homes  # dH's 16-bit result takes their room
    return AnchoredForward(lse, target, prior_lse, mean), gradients.result()
