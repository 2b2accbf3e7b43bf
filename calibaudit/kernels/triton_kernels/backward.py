"""Gradients of the smoothed loss in Triton: logits recomputed a chunk of the vocabulary at a time.

A chunk's dlogits (N, c) are written once, rounded once; rows of dW are then final (their sum over tokens is one
product), and dH gains one term. See docs/kernels.md for the count of products and why it cannot be lower in this order.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.triton_kernels.gradients import (
    Gradients,
    Needs,
    Smoothing,
    by_recomputation,
    in_two_passes,
    no_rows,
    row_blocks_for,
    smoothing_terms,
)
from calibaudit.kernels.triton_kernels.tiles import (
    TRITON_TYPES,
    Head,
    Tiles,
    block_shape,
    compute_type,
    describable,
    multiprocessors,
    narrow,
    source,
    tile_bits,
)


@triton.jit
def store_dlogits(
    p, slope, out, bias_out, targets, upstream, row, column, inside, n_rows, stop, out_row, hard, share,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, SOFTCAP: tl.constexpr, BIAS_GRADIENT: tl.constexpr,
    DESCRIPTOR: tl.constexpr, RESULT: tl.constexpr,
):  # fmt: skip
    """Softmax p of a tile at (row, column) to dlogits at column `inside` of out; slope is the softcap's."""
    rows = row + tl.arange(0, ROWS)
    columns = column + tl.arange(0, COLUMNS)
    y = tl.load(targets + rows, mask=rows < n_rows, other=-1)
    g = tl.load(upstream + rows, mask=rows < n_rows, other=0.0)
    hit = columns[None, :] == y.to(tl.int32)[:, None]
    if SOFTCAP:
        dz = p - share
        dz = tl.where(hit, dz - hard, dz) * slope * g[:, None]
    else:
        dz = p * g[:, None] - (share * g)[:, None]
        dz = tl.where(hit, dz - (hard * g)[:, None], dz)
    if BIAS_GRADIENT:
        at = (row // ROWS).to(tl.int64) * out_row + inside + tl.arange(0, COLUMNS)
        tl.store(bias_out + at, tl.sum(dz, 0), mask=columns < stop)
    if DESCRIPTOR:
        out.store([row, inside], narrow(dz, RESULT))
    else:
        at = rows.to(tl.int64)[:, None] * out_row + inside + tl.arange(0, COLUMNS)[None, :]
        tl.store(out + at, narrow(dz, RESULT), mask=(rows < n_rows)[:, None] & (columns < stop)[None, :])


@triton.jit
def _dlogits_kernel(
    h, w, bias, out, bias_out, lse, targets, upstream, n_rows, first, stop, depth, h_row, h_column, w_row, w_column,
    bias_step, out_row, inner_scale, cap_bits, hard, share,
    PROGRAMS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    BIAS_GRADIENT: tl.constexpr, OUT_DESCRIPTOR: tl.constexpr, RESULT: tl.constexpr, FLATTEN: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    n_tiles = row_blocks * tl.cdiv(stop - first, COLUMNS)
    for tile in tl.range(tl.program_id(0), n_tiles, PROGRAMS, flatten=FLATTEN):
        row = tile % row_blocks * ROWS
        inside = tile // row_blocks * COLUMNS
        a = tile_bits(
            h, w, bias, row, first + inside, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
            inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
        )  # fmt: skip
        rows = row + tl.arange(0, ROWS)
        lse_bits = tl.load(lse + rows, mask=rows < n_rows, other=0.0) * 1.4426950408889634
        p = tl.exp2(a - lse_bits[:, None])
        slope = p
        if SOFTCAP:
            slope = 1.0 - (a / cap_bits) * (a / cap_bits)
        store_dlogits(
            p, slope, out, bias_out, targets, upstream, row, first + inside, inside, n_rows, stop, out_row, hard, share,
            ROWS, COLUMNS, SOFTCAP, BIAS_GRADIENT, OUT_DESCRIPTOR, RESULT,
        )  # fmt: skip


FLATTEN = True


def launch_dlogits(
    head: Head, terms: Smoothing, tiles: Tiles, dlogits: Tensor, first: int, stop: int, bias_parts: Tensor | None
) -> None:
    """dlogits (N, stop - first) of the columns first..stop."""
    n_rows = head.hidden.shape[0]
    descriptor = describable(dlogits)
    n_tiles = triton.cdiv(n_rows, tiles.rows) * triton.cdiv(stop - first, tiles.columns)
    programs = min(n_tiles, multiprocessors(dlogits.device))
    _dlogits_kernel[(programs,)](
        out=source(dlogits, tiles.rows, tiles.columns, descriptor),
        bias_out=terms.upstream if bias_parts is None else bias_parts,
        lse=terms.lse,
        targets=terms.targets,
        upstream=terms.upstream,
        n_rows=n_rows,
        first=first,
        stop=stop,
        out_row=dlogits.stride(0),
        hard=terms.hard,
        share=terms.share,
        PROGRAMS=programs,
        ROWS=tiles.rows,
        COLUMNS=tiles.columns,
        DEPTH=tiles.depth,
        COMPUTE=compute_type(head.dtype),
        BIAS_GRADIENT=bias_parts is not None,
        OUT_DESCRIPTOR=descriptor,
        RESULT=TRITON_TYPES[head.dtype],
        FLATTEN=FLATTEN,
        num_warps=tiles.warps,
        num_stages=tiles.stages,
        **head.arguments(tiles),
    )


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
    """Gradients of sum_n upstream[n] * loss[n] with respect to hidden (N, D), weight (rows, D) and bias (rows,).

    loss = lse - (1 - eps) z_y - eps mean z. targets, lse and upstream: (N,), upstream 0 on ignored rows.
    Scratch stays within scratch_bytes, but one block of columns (256 x N elements) is always held. Where dH's sum alone
    would take more than half of it (N D > 2^28 by default), dH is made from a second recomputation, in blocks of rows.
    """
    needs = (need_hidden, need_weight, need_bias and bias is not None)
    if hidden.shape[0] == 0:
        return no_rows(hidden, weight, bias, needs)

    def run(rows: slice, needs: Needs) -> Gradients:
        head = Head(hidden[rows], weight, bias, softcap, logit_scale, n_vocab)
        tiles = block_shape(hidden.device, head.dtype, head.hidden.shape[0])
        terms, factor = smoothing_terms(head, lse[rows], targets[rows], upstream[rows], label_smoothing)

        def write(dlogits: Tensor, start: int, stop: int, bias_parts: Tensor | None) -> None:
            launch_dlogits(head, terms, tiles, dlogits, start, stop, bias_parts)

        return by_recomputation(head, tiles, needs, factor, scratch_bytes, write)

    block = row_blocks_for(hidden, need_hidden, scratch_bytes)
    return run(slice(None), needs) if block is None else in_two_passes(hidden, block, needs, run)
