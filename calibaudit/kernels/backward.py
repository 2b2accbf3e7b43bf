"""Gradients of the smoothed loss in Triton: logits recomputed a chunk of the vocabulary at a time.

A chunk's dlogits (N, c) are written once, rounded once; rows of dW are then final (their sum over tokens is one
product), and dH gains one term. See docs/kernels.md for the count of products and why it cannot be lower in this order.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.products import HiddenGradient, chunk_columns, full_sums, weight_product
from calibaudit.kernels.tiles import (
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

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
HALF_RANGE = 2.0**14  # float16 dlogits are scaled so that the largest possible one is this


class Smoothing(NamedTuple):
    """dz = (p - share - hard at the target) * upstream; targets and upstream (N,), upstream float32, lse (N,) nats."""

    lse: Tensor
    targets: Tensor
    upstream: Tensor
    hard: float
    share: float


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


def smoothing_terms(
    head: Head, lse: Tensor, targets: Tensor, upstream: Tensor, label_smoothing: float
) -> tuple[Smoothing, Tensor | None]:
    """The terms, logit_scale in upstream; for float16 also the device scalar that undoes their scaling to its range."""
    g = upstream.float() * head.logit_scale
    factor = None
    if head.dtype == torch.float16:
        unit = g.abs().max()
        unit = torch.where(unit > 0, unit, 1.0)
        g, factor = g * (HALF_RANGE / unit), unit / HALF_RANGE
    return Smoothing(lse, targets.contiguous(), g, 1.0 - label_smoothing, label_smoothing / head.n_vocab), factor


class GradientSum:
    """dH, dW and the bias gradient as the chunks of dlogits come in, in column order within each call's range."""

    def __init__(
        self,
        head: Head,
        factor: Tensor | None,
        need_hidden: bool,
        need_weight: bool,
        need_bias: bool,
        scratch_bytes: int,
    ) -> None:
        self.head, self.factor = head, factor
        self.hidden = HiddenGradient(head.hidden, factor, scratch_bytes) if need_hidden else None
        weight = head.weight
        kept = torch.float32 if weight.dtype == torch.float64 else weight.dtype
        self.weight = torch.empty(weight.shape, dtype=kept, device=weight.device) if need_weight else None
        self.bias = None
        if need_bias:
            self.bias = torch.zeros(weight.shape[0], dtype=torch.float32, device=weight.device)
        self.left = head.n_vocab

    def bias_parts(self, columns: int, row_block: int) -> Tensor | None:
        """Where a chunk's kernel puts its sums over each block of rows."""
        if self.bias is None:
            return None
        return torch.empty(
            triton.cdiv(self.head.hidden.shape[0], row_block), columns, dtype=torch.float32, device=self.bias.device
        )

    def add(self, dlogits: Tensor, first: int, stop: int, bias_parts: Tensor | None) -> None:
        """Take in dlogits (N, stop - first)."""
        self.left -= stop - first
        if self.weight is not None:
            weight_product(dlogits, self.head.hidden, self.weight[first:stop], self.factor)
        if self.hidden is not None:
            self.hidden.add(dlogits, self.head.weight[first:stop], last=self.left == 0)
        if self.bias is not None and bias_parts is not None:
            torch.sum(bias_parts[:, : stop - first], 0, out=self.bias[first:stop])

    def result(self) -> Gradients:
        assert self.left == 0
        n_vocab = self.head.n_vocab
        if self.weight is not None:
            self.weight[n_vocab:].zero_()
        if self.bias is not None and self.factor is not None:
            self.bias *= self.factor
        return (
            None if self.hidden is None else self.hidden.finish(),
            None if self.weight is None else self.weight.to(self.head.weight.dtype),
            None if self.bias is None or self.head.bias is None else self.bias.to(self.head.bias.dtype),
        )


def add_chunks(
    head: Head,
    tiles: Tiles,
    gradients: GradientSum,
    first: int,
    scratch: Tensor,
    write: Callable[[Tensor, int, int, Tensor | None], None],
) -> None:
    """Take in the columns first..n_vocab; scratch: bytes for one chunk.

    write(dlogits, start, stop, bias_parts) fills dlogits (N, stop - start).
    """
    n_rows, width = head.hidden.shape
    itemsize = head.dtype.itemsize
    columns = chunk_columns(
        n_rows, width, head.n_vocab - first, itemsize, scratch.numel(), tiles.columns, scratch.device
    )
    buffer = scratch[: n_rows * columns * itemsize].view(head.dtype).view(n_rows, columns)
    bias_parts = gradients.bias_parts(columns, tiles.rows)
    for start in range(first, head.n_vocab, columns):
        stop = min(start + columns, head.n_vocab)
        dlogits = buffer[:, : stop - start]
        write(dlogits, start, stop, bias_parts)
        gradients.add(dlogits, start, stop, bias_parts)


def by_recomputation(
    head: Head,
    tiles: Tiles,
    needs: tuple[bool, bool, bool],
    factor: Tensor | None,
    scratch_bytes: int,
    write: Callable[[Tensor, int, int, Tensor | None], None],
) -> Gradients:
    """All columns through add_chunks, in scratch_bytes but never less than one block of columns."""
    n_rows = head.hidden.shape[0]
    held = HiddenGradient.scratch_bytes(head.hidden, scratch_bytes) if needs[0] else 0
    gradients = GradientSum(head, factor, *needs, scratch_bytes)
    floor = n_rows * tiles.columns * head.dtype.itemsize
    most = n_rows * (head.n_vocab + tiles.columns) * head.dtype.itemsize
    scratch = torch.empty(min(max(scratch_bytes - held, floor), most), dtype=torch.uint8, device=head.hidden.device)
    with full_sums(scratch.device):
        add_chunks(head, tiles, gradients, 0, scratch, write)
    return gradients.result()


def row_blocks_for(hidden: Tensor, need_hidden: bool, scratch_bytes: int) -> int | None:
    """Rows of a block if dH's sum over all rows would take more than half of the scratch, else None."""
    held = HiddenGradient.scratch_bytes(hidden, scratch_bytes) if need_hidden else 0
    if held <= scratch_bytes // 2 or hidden.shape[0] == 1:
        return None
    return max(1, hidden.shape[0] * (scratch_bytes // 2) // held)


def in_two_passes(
    hidden: Tensor,
    block: int,
    needs: tuple[bool, bool, bool],
    run: Callable[[slice, tuple[bool, bool, bool]], Gradients],
) -> Gradients:
    """dW over all rows, then dH in blocks of rows with their logits computed once more. run(rows, needs) gives both."""
    n_rows = hidden.shape[0]
    _, dweight, dbias = run(slice(None), (False, *needs[1:])) if needs[1] or needs[2] else (None, None, None)
    dhidden = torch.empty(hidden.shape, dtype=hidden.dtype, device=hidden.device)
    for start in range(0, n_rows, block):
        part = run(slice(start, min(start + block, n_rows)), (True, False, False))[0]
        assert part is not None
        dhidden[start : start + block] = part
    return dhidden, dweight, dbias


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
    filter_threshold: float | None = None,
) -> Gradients:
    """Gradients of sum_n upstream[n] * loss[n] with respect to hidden (N, D), weight (rows, D) and bias (rows,).

    loss = lse - (1 - eps) z_y - eps mean z. targets, lse and upstream: (N,), upstream 0 on ignored rows.
    Scratch stays within scratch_bytes, but one block of columns (256 x N elements) is always held. Where dH's sum alone
    would take more than half of it (N D > 2^28 by default), dH is made from a second recomputation, in blocks of rows.
    """
    needs = (need_hidden, need_weight, need_bias and bias is not None)
    if hidden.shape[0] == 0:
        return no_rows(hidden, weight, bias, needs)

    def run(rows: slice, needs: tuple[bool, bool, bool]) -> Gradients:
        head = Head(hidden[rows], weight, bias, softcap, logit_scale, n_vocab)
        tiles = block_shape(hidden.device, head.dtype, head.hidden.shape[0])
        terms, factor = smoothing_terms(head, lse[rows], targets[rows], upstream[rows], label_smoothing)

        def write(dlogits: Tensor, start: int, stop: int, bias_parts: Tensor | None) -> None:
            launch_dlogits(head, terms, tiles, dlogits, start, stop, bias_parts)

        return by_recomputation(head, tiles, needs, factor, scratch_bytes, write)

    block = row_blocks_for(hidden, need_hidden, scratch_bytes)
    return run(slice(None), needs) if block is None else in_two_passes(hidden, block, needs, run)


def no_rows(hidden: Tensor, weight: Tensor, bias: Tensor | None, needs: tuple[bool, bool, bool]) -> Gradients:
    """The gradients of nothing."""
    by_hidden, by_weight, by_bias = (
        torch.zeros_like(tensor) if tensor is not None and need else None
        for tensor, need in zip((hidden, weight, bias), needs, strict=True)
    )
    return by_hidden, by_weight, by_bias
