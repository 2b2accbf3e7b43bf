"""Gradients with small softmax tiles skipped (opt-in): three products shrink to the tiles that matter.

A tile (block of rows x block of columns) whose largest softmax value lies below the threshold and which holds no target
enters neither product. What it held is put back: each row's mass in the tile is spread evenly over the tile's columns
(one product 1/256 as large), and the smoothing term, which lies below every threshold, is rank one and exact.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.gradients import Gradients, GradientSum, Needs, Smoothing, chunk_scratch
from calibaudit.kernels.products import HiddenGradient, chunk_columns, full_sums, launch_product, store_sum
from calibaudit.kernels.tiles import (
    TRITON_TYPES,
    Head,
    Tiles,
    block_shape,
    compute_type,
    describable,
    load_tile,
    multiprocessors,
    narrow,
    source,
    tile_bits,
)


@triton.jit
def _kept_dlogits_kernel(
    h, w, bias, out, bias_out, kept_out, mass_out, lse, targets, upstream, n_rows, first, stop, depth, h_row, h_column,
    w_row, w_column, bias_step, out_row, mass_row, n_columns, inner_scale, cap_bits, hard, share, threshold,
    PROGRAMS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    BIAS_GRADIENT: tl.constexpr, RESULT: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    column_blocks = tl.cdiv(stop - first, COLUMNS)
    for tile in range(tl.program_id(0), row_blocks * column_blocks, PROGRAMS):
        row = tile % row_blocks * ROWS
        block = tile // row_blocks
        inside = block * COLUMNS
        rows = row + tl.arange(0, ROWS)
        columns = first + inside + tl.arange(0, COLUMNS)
        a = tile_bits(
            h, w, bias, row, first + inside, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
            inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
        )  # fmt: skip
        g = tl.load(upstream + rows, mask=rows < n_rows, other=0.0)
        y = tl.load(targets + rows, mask=rows < n_rows, other=-1).to(tl.int32)
        lse_bits = tl.load(lse + rows, mask=rows < n_rows, other=0.0) * 1.4426950408889634
        counts = (g != 0.0)[:, None] & (columns < stop)[None, :]
        p = tl.where(counts, tl.exp2(a - lse_bits[:, None]), 0.0)
        hit = counts & (columns[None, :] == y[:, None])
        worth = tl.where(hit, 1.0, tl.where(p == p, p, 1.0))  # a NaN is never skipped
        keep = tl.max(tl.max(worth, 1), 0) >= threshold
        dz = p * g[:, None]
        mass = tl.sum(dz, 1)
        dz = tl.where(hit, dz - (hard * g)[:, None], dz)
        if BIAS_GRADIENT:
            total = tl.sum(tl.where(counts, dz - (share * g)[:, None], 0.0), 0)
            part = (row // ROWS).to(tl.int64) * out_row + inside + tl.arange(0, COLUMNS)
            tl.store(bias_out + part, total, mask=columns < stop)
        tl.store(kept_out + row // ROWS * n_columns + block, keep.to(tl.int32))
        left = mass_out + rows.to(tl.int64) * mass_row + (first + inside) // COLUMNS
        tl.store(left, narrow(tl.where(keep, 0.0, mass), RESULT), mask=rows < n_rows)
        if keep:
            at = rows.to(tl.int64)[:, None] * out_row + inside + tl.arange(0, COLUMNS)[None, :]
            tl.store(out + at, narrow(dz, RESULT), mask=(rows < n_rows)[:, None] & (columns < stop)[None, :])


@triton.jit
def _kept_product_kernel(
    a, b, out, low, factor, order, count, spread, shift, n_rows, n_columns, depth, a_row, a_column, b_row, b_column,
    out_row, order_row, spread_row,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, BLOCK: tl.constexpr, TRANSPOSED: tl.constexpr,
    DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr, RESULT: tl.constexpr, SPLIT: tl.constexpr, FIRST: tl.constexpr,
    LAST: tl.constexpr, FACTOR: tl.constexpr, SPREAD: tl.constexpr,
):  # fmt: skip
    """Row block i of out (+)= the sum over the kept blocks j of its list of a[i, j] b[j]; BLOCK: depth of a block."""
    i = tl.program_id(0)
    row, column = i * ROWS, tl.program_id(1) * COLUMNS
    steps: tl.constexpr = BLOCK // DEPTH
    n_kept = tl.load(count + i)
    acc = tl.zeros((ROWS, COLUMNS), tl.float32)
    for step in range(n_kept * steps):
        k = tl.load(order + i * order_row + step // steps).to(tl.int32) * BLOCK + step % steps * DEPTH
        if TRANSPOSED:
            left = load_tile(a, k, row, depth, n_rows, a_row, a_column, DEPTH, ROWS, DESCRIPTOR).to(COMPUTE).T
        else:
            left = load_tile(a, row, k, n_rows, depth, a_row, a_column, ROWS, DEPTH, DESCRIPTOR).to(COMPUTE)
        right = load_tile(b, k, column, depth, n_columns, b_row, b_column, DEPTH, COLUMNS, DESCRIPTOR).to(COMPUTE)
        acc = tl.dot(left, right, acc, input_precision="ieee")
    if SPREAD:  # what the skipped blocks held, the same for every row of this block
        columns = column + tl.arange(0, COLUMNS)
        even = tl.load(spread + i * spread_row + columns, mask=columns < n_columns, other=0.0)
        even = even / min(ROWS, n_rows - row) + tl.load(shift + columns, mask=columns < n_columns, other=0.0)
        acc += even[None, :]
    if SPREAD or FIRST or n_kept > 0:
        store_sum(
            acc, out, low, factor, row, column, n_rows, n_columns, out_row,
            ROWS, COLUMNS, RESULT, SPLIT, FIRST, LAST, FACTOR,
        )  # fmt: skip


@triton.jit
def _tile_mean_kernel(
    w, out, n_rows, width, row_step, column_step, out_row, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0) * ROWS
    rows = row + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    at = rows.to(tl.int64)[:, None] * row_step + columns.to(tl.int64)[None, :] * column_step
    x = tl.load(w + at, mask=(rows < n_rows)[:, None] & (columns < width)[None, :], other=0.0).to(tl.float32)
    total = tl.sum(x, 0) / min(ROWS, n_rows - row)
    tl.store(out + tl.program_id(0).to(tl.int64) * out_row + columns, total, mask=columns < width)


def _in_two(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """x float32 as the sum of two of `dtype`."""
    high = x.to(dtype)
    return high, (x - high.float()).to(dtype)


def tile_means(weight: Tensor, tile_columns: int) -> Tensor:
    """(tiles, D) float32 mean row of each tile_columns rows of weight; the last may have fewer."""
    n_rows, width = weight.shape
    n_tiles = triton.cdiv(n_rows, tile_columns)
    means = torch.empty(n_tiles, width, dtype=torch.float32, device=weight.device)
    block = 16 if weight.device.type == "cpu" else 64
    _tile_mean_kernel[(n_tiles, triton.cdiv(width, block))](
        weight, means, n_rows, width, weight.stride(0), weight.stride(1), width, ROWS=tile_columns, COLUMNS=block
    )
    return means


class _Lists:
    """Which blocks of columns a block of rows kept, and the other way round: indices, kept ones first, and counts."""

    def __init__(self, kept: Tensor) -> None:
        self.columns_of_row = torch.sort(kept, dim=1, descending=True, stable=True).indices.int()
        self.rows_of_column = torch.sort(kept.T.contiguous(), dim=1, descending=True, stable=True).indices.int()
        self.per_row, self.per_column = kept.sum(1, dtype=torch.int32), kept.sum(0, dtype=torch.int32)


def filtered_backward(
    head: Head, terms: Smoothing, factor: Tensor | None, needs: Needs, scratch_bytes: int, threshold: float
) -> Gradients:
    """As by_recomputation, tiles below `threshold` skipped; head.softcap must be None."""
    hidden, device, dtype = head.hidden, head.hidden.device, head.dtype
    n_rows, width = hidden.shape
    tiles = block_shape(device, dtype, n_rows)
    n_tiles = triton.cdiv(head.n_vocab, tiles.columns)
    gradients = GradientSum(head, factor, *needs, scratch_bytes)
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if needs[0] else 0
    # (N, tiles + 3): a row's mass in its skipped tiles; then upstream in two parts, the first once more
    mass = torch.zeros(n_rows, triton.cdiv(n_tiles + 3, 8) * 8, dtype=dtype, device=device)
    high, low = _in_two(terms.upstream, dtype)
    mass[:, n_tiles], mass[:, n_tiles + 1], mass[:, n_tiles + 2] = high, low, high
    extra = mass.numel() * mass.element_size() + mass.shape[1] * width * (4 + mass.element_size())
    scratch = chunk_scratch(head, tiles, scratch_bytes - held - extra, needs[2], most_per_logit=dtype.itemsize)
    columns = chunk_columns(n_rows, width, head.n_vocab, dtype.itemsize, scratch.numel(), tiles.columns, device)
    buffer = scratch[: n_rows * columns * dtype.itemsize].view(dtype).view(n_rows, columns)
    bias_parts = gradients.bias_parts(columns, tiles.rows)
    with full_sums(device):
        shift = torch.empty(2, width, dtype=torch.float32, device=device)
        launch_product(mass[:, n_tiles : n_tiles + 2], hidden, shift, None, None, transposed=True)
        shift = shift.sum(0) * -terms.share
        for start in range(0, head.n_vocab, columns):
            stop = min(start + columns, head.n_vocab)
            dlogits = buffer[:, : stop - start]
            kept = _kept_dlogits(head, terms, tiles, dlogits, start, stop, bias_parts, mass, threshold)
            lists = _Lists(kept)
            if gradients.weight is not None:
                own = slice(start // tiles.columns, triton.cdiv(stop, tiles.columns))
                spread = torch.empty(own.stop - own.start, width, dtype=torch.float32, device=device)
                launch_product(mass[:, own], hidden, spread, None, None, transposed=True)
                out = gradients.weight[start:stop]
                _add_kept(
                    dlogits, hidden, out, None, factor, lists.rows_of_column, lists.per_column, tiles,
                    spread=spread, shift=shift,
                )  # fmt: skip
            if gradients.hidden is not None:
                into = gradients.hidden
                _add_kept(
                    dlogits, head.weight[start:stop], into.bits, into.low, None, lists.columns_of_row, lists.per_row,
                    tiles, first=into.first, last=False,
                )  # fmt: skip
                into.first = False
            if gradients.bias is not None and bias_parts is not None:
                torch.sum(bias_parts[:, : stop - start], 0, out=gradients.bias[start:stop])
        if gradients.hidden is not None:
            means = tile_means(head.weight[: head.n_vocab], tiles.columns)
            sizes = torch.full((n_tiles, 1), float(tiles.columns), device=device)
            sizes[-1] = head.n_vocab - (n_tiles - 1) * tiles.columns
            rows = torch.zeros(mass.shape[1], width, dtype=dtype, device=device)
            rows[:n_tiles] = means
            high, low = _in_two((means * sizes).sum(0) * -terms.share, dtype)
            rows[n_tiles], rows[n_tiles + 1], rows[n_tiles + 2] = high, high, low
            gradients.hidden.add(mass, rows, last=True)
    gradients.left = 0
    return gradients.result()


def _kept_dlogits(
    head: Head,
    terms: Smoothing,
    tiles: Tiles,
    dlogits: Tensor,
    first: int,
    stop: int,
    bias_parts: Tensor | None,
    mass: Tensor,
    threshold: float,
) -> Tensor:
    """Fill dlogits (N, stop - first) where a tile is kept, mass where not. (row, column blocks) int32, 1: kept."""
    n_rows = head.hidden.shape[0]
    row_blocks, column_blocks = triton.cdiv(n_rows, tiles.rows), triton.cdiv(stop - first, tiles.columns)
    kept = torch.empty(row_blocks, column_blocks, dtype=torch.int32, device=dlogits.device)
    programs = min(row_blocks * column_blocks, multiprocessors(dlogits.device))
    _kept_dlogits_kernel[(programs,)](
        out=dlogits, bias_out=terms.upstream if bias_parts is None else bias_parts, kept_out=kept, mass_out=mass,
        lse=terms.lse, targets=terms.targets, upstream=terms.upstream, n_rows=n_rows, first=first, stop=stop,
        out_row=dlogits.stride(0), mass_row=mass.stride(0), n_columns=column_blocks, hard=terms.hard, share=terms.share,
        threshold=threshold, PROGRAMS=programs, ROWS=tiles.rows, COLUMNS=tiles.columns, DEPTH=tiles.depth,
        COMPUTE=compute_type(head.dtype), BIAS_GRADIENT=bias_parts is not None, RESULT=TRITON_TYPES[head.dtype],
        num_warps=tiles.warps, num_stages=tiles.stages, **head.arguments(tiles),
    )  # fmt: skip
    return kept


def _add_kept(
    left: Tensor,
    right: Tensor,
    out: Tensor,
    low: Tensor | None,
    factor: Tensor | None,
    order: Tensor,
    count: Tensor,
    tiles: Tiles,
    *,
    first: bool = True,
    last: bool = True,
    spread: Tensor | None = None,
    shift: Tensor | None = None,
) -> None:
    """out (+)= left right over kept blocks; with spread and shift left is dlogits (N, c), which stands transposed."""
    transposed = spread is not None
    rows, columns = (tiles.columns, tiles.rows) if transposed else (tiles.rows, tiles.columns)
    descriptor = describable(left, right)
    named: dict[str, Any] = {"num_warps": tiles.warps, "num_stages": tiles.stages}
    _kept_product_kernel[(order.shape[0], triton.cdiv(right.shape[1], columns))](
        source(left, tiles.depth if transposed else rows, rows if transposed else tiles.depth, descriptor),
        source(right, tiles.depth, columns, descriptor), out, out if low is None else low,
        out if factor is None else factor, order, count, out if spread is None else spread,
        out if shift is None else shift, out.shape[0], out.shape[1], right.shape[0], left.stride(0), left.stride(1),
        right.stride(0), right.stride(1), out.stride(0), order.stride(0), 0 if spread is None else spread.stride(0),
        ROWS=rows, COLUMNS=columns, DEPTH=tiles.depth, BLOCK=columns, TRANSPOSED=transposed, DESCRIPTOR=descriptor,
        COMPUTE=compute_type(left.dtype), RESULT=TRITON_TYPES[out.dtype if low is None else torch.float32],
        SPLIT=low is not None, FIRST=first, LAST=last, FACTOR=factor is not None, SPREAD=transposed, **named,
    )  # fmt: skip
