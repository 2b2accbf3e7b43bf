"""Gradients of the smoothed loss in Triton: logits recomputed a chunk of the vocabulary at a time.

A chunk's dlogits (N, c) are written once, rounded once; rows of dW are then final (their sum over tokens is one
product), and dH gains one term. The documentation's page on kernels counts the products, and says why there cannot be
fewer in this order.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import Gradients, Head, Needs
from calibaudit.kernels.triton_kernels.gradients import Chunk, Smoothing, by_recomputation, by_rows, smoothing_terms
from calibaudit.kernels.triton_kernels.tiles import (
    TRITON_TYPES,
    HeadLogits,
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
def place_of(tile, row_blocks, column_blocks, GROUP: tl.constexpr):
    """Row block and column block of a tile: GROUP row blocks go through all columns before the next ones."""
    group = tile // (GROUP * column_blocks)
    size = tl.minimum(row_blocks - group * GROUP, GROUP)
    within = tile % (GROUP * column_blocks)
    return group * GROUP + within % size, within // size


@triton.jit
def _dlogits_kernel(
    h, w, bias, out, bias_out, lse, targets, upstream, n_rows, first, stop, depth, h_row, h_column, w_row, w_column,
    bias_step, out_row, inner_scale, cap_bits, hard, share,
    PROGRAMS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    SLOPE: tl.constexpr, BIAS_GRADIENT: tl.constexpr, OUT_DESCRIPTOR: tl.constexpr, RESULT: tl.constexpr,
    GROUP: tl.constexpr, FLATTEN: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    column_blocks = tl.cdiv(stop - first, COLUMNS)
    for tile in tl.range(tl.program_id(0), row_blocks * column_blocks, PROGRAMS, flatten=FLATTEN):
        row_block, column_block = place_of(tile, row_blocks, column_blocks, GROUP)
        row = row_block * ROWS
        inside = column_block * COLUMNS
        a = tile_bits(
            h, w, bias, row, first + inside, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
            inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
        )  # fmt: skip
        rows = row + tl.arange(0, ROWS)
        lse_bits = tl.load(lse + rows, mask=rows < n_rows, other=0.0) * 1.4426950408889634
        p = tl.exp2(a - lse_bits[:, None])
        slope = p
        if SLOPE:
            slope = 1.0 - (a / cap_bits) * (a / cap_bits)
        store_dlogits(
            p, slope, out, bias_out, targets, upstream, row, first + inside, inside, n_rows, stop, out_row, hard, share,
            ROWS, COLUMNS, SLOPE, BIAS_GRADIENT, OUT_DESCRIPTOR, RESULT,
        )  # fmt: skip


FLATTEN = True
GROUP = 16  # row blocks whose rows of hidden stay in the cache


def dlogits_arguments(logits: HeadLogits, terms: Smoothing, tiles: Tiles, chunk: Chunk) -> dict[str, Any]:
    """What a kernel that fills a chunk of dlogits needs beside heads and tiles."""
    dlogits, first, stop, bias_parts = chunk
    n_rows = logits.hidden.shape[0]
    descriptor = describable(dlogits)
    n_tiles = triton.cdiv(n_rows, tiles.rows) * triton.cdiv(stop - first, tiles.columns)
    return {
        "out": source(dlogits, tiles.rows, tiles.columns, descriptor),
        "bias_out": terms.upstream if bias_parts is None else bias_parts,
        "lse": terms.lse,
        "targets": terms.targets,
        "upstream": terms.upstream,
        "n_rows": n_rows,
        "first": first,
        "stop": stop,
        "out_row": dlogits.stride(0),
        "hard": terms.hard,
        "PROGRAMS": min(n_tiles, multiprocessors(dlogits.device)),
        "BIAS_GRADIENT": bias_parts is not None,
        "OUT_DESCRIPTOR": descriptor,
        "RESULT": TRITON_TYPES[dlogits.dtype],
        "GROUP": GROUP,
    }


def launch_dlogits(
    logits: HeadLogits, terms: Smoothing, tiles: Tiles, chunk: Chunk, *, by_capped: bool = False
) -> None:
    """Fill the chunk. by_capped: the gradient is that by the logits after their softcap."""
    named = dlogits_arguments(logits, terms, tiles, chunk)
    _dlogits_kernel[(named["PROGRAMS"],)](
        share=terms.share, SLOPE=logits.head.softcap is not None and not by_capped,
        ROWS=tiles.rows, COLUMNS=tiles.columns, DEPTH=tiles.depth,
        COMPUTE=compute_type(logits.dtype), FLATTEN=FLATTEN, num_warps=tiles.warps, num_stages=tiles.stages,
        **named, **logits.arguments(tiles),
    )  # fmt: skip


@torch.no_grad()
def head_backward(
    hidden: Tensor, head: Head, targets: Tensor, lse: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int,
) -> Gradients:  # fmt: skip
    """As kernels/heads.py says. One block of columns (256 x N elements) is held whatever scratch_bytes is.

    Where dH's sum alone would take more than 5/8 of the scratch (N D > 3.3e8 by default), dH is made from a second
    recomputation, in blocks of rows.
    """

    def run(rows: slice, needs: Needs, scratch_bytes: int) -> Gradients:
        logits = HeadLogits(hidden[rows], head)
        tiles = block_shape(hidden.device, logits.dtype, logits.hidden.shape[0])
        terms, factor = smoothing_terms(logits, lse[rows], targets[rows], upstream[rows], label_smoothing)

        def write(chunk: Chunk) -> None:
            launch_dlogits(logits, terms, tiles, chunk)

        return by_recomputation(logits, tiles, needs, factor, scratch_bytes, write)

    return by_rows(hidden, head, needs, scratch_bytes, run)
