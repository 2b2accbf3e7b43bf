"""The two products of the backward pass: rows of dW = dlogits' h, final at once, and dH += dlogits W, chunk by chunk.

dH's sum over chunks is kept to 24 bits: the upper 16 bits of a float32 lie in the result's own 16-bit storage, the next
8 beside it (one byte an element of scratch, a quarter of a float32 accumulator). The rounding of one addition is 2^-17
relative, that of the last one is the result dtype's.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.precision import full_float32
from calibaudit.kernels.triton_kernels.packing import halves
from calibaudit.kernels.triton_kernels.tiles import (
    TRITON_TYPES,
    block_shape,
    compute_type,
    describable,
    load_tile,
    multiprocessors,
    narrow,
    product_dtype,
    source,
)


@triton.jit
def _store_part(
    acc, out, low, factor, row, column, n_rows, n_columns, out_row,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RESULT: tl.constexpr,
    SPLIT: tl.constexpr, FIRST: tl.constexpr, LAST: tl.constexpr, FACTOR: tl.constexpr,
):  # fmt: skip
    """out and low += acc; the first time there is nothing to add to, the last time the sum is rounded to RESULT."""
    rows = row + tl.arange(0, ROWS)
    columns = column + tl.arange(0, COLUMNS)
    keep = (rows < n_rows)[:, None] & (columns < n_columns)[None, :]
    at = rows.to(tl.int64)[:, None] * out_row + columns[None, :]
    if not FIRST:
        if SPLIT:
            bits = tl.load(out + at, mask=keep, other=0).to(tl.int32) << 16
            bits |= tl.load(low + at, mask=keep, other=0).to(tl.int32) << 8
            acc += bits.to(tl.float32, bitcast=True)
        else:
            acc += tl.load(out + at, mask=keep, other=0.0)
    if LAST:
        if FACTOR:
            acc *= tl.load(factor)
        value = narrow(acc, RESULT)
        if SPLIT:
            value = value.to(tl.int16, bitcast=True)
        tl.store(out + at, value, mask=keep)
    else:
        if SPLIT:
            bits = tl.minimum(acc.to(tl.int32, bitcast=True), 2147483392) + 128  # to nearest; a NaN stays one
            tl.store(out + at, (bits >> 16).to(tl.int16), mask=keep)
            tl.store(low + at, ((bits >> 8) & 255).to(tl.uint8), mask=keep)
        else:
            tl.store(out + at, acc, mask=keep)


@triton.jit
def store_sum(
    acc, out, low, factor, row, column, n_rows, n_columns, out_row,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RESULT: tl.constexpr,
    SPLIT: tl.constexpr, FIRST: tl.constexpr, LAST: tl.constexpr, FACTOR: tl.constexpr,
):  # fmt: skip
    """_store_part in two halves, one after the other, for want of registers."""
    left, right = halves(acc, ROWS, COLUMNS)
    _store_part(
        left, out, low, factor, row, column, n_rows, n_columns, out_row,
        ROWS, COLUMNS // 2, RESULT, SPLIT, FIRST, LAST, FACTOR,
    )  # fmt: skip
    _store_part(
        right, out, low, factor, row, column + COLUMNS // 2, n_rows, n_columns, out_row,
        ROWS, COLUMNS // 2, RESULT, SPLIT, FIRST, LAST, FACTOR,
    )  # fmt: skip


@triton.jit
def _product_kernel(
    a, b, out, low, factor, n_rows, n_columns, depth, a_row, a_column, b_row, b_column, out_row,
    PROGRAMS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, GROUP: tl.constexpr,
    TRANSPOSED: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr, RESULT: tl.constexpr,
    SPLIT: tl.constexpr, FIRST: tl.constexpr, LAST: tl.constexpr, FACTOR: tl.constexpr, FLATTEN: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    column_blocks = tl.cdiv(n_columns, COLUMNS)
    for tile in tl.range(tl.program_id(0), row_blocks * column_blocks, PROGRAMS, flatten=FLATTEN):
        group = tile // (GROUP * column_blocks)  # a few row blocks side by side share what they read
        size = min(row_blocks - group * GROUP, GROUP)
        row = (group * GROUP + (tile % (GROUP * column_blocks)) % size) * ROWS
        column = (tile % (GROUP * column_blocks)) // size * COLUMNS
        acc = tl.zeros((ROWS, COLUMNS), tl.float32)
        for k in range(0, depth, DEPTH):
            if TRANSPOSED:
                left = load_tile(a, k, row, depth, n_rows, a_row, a_column, DEPTH, ROWS, DESCRIPTOR).to(COMPUTE).T
            else:
                left = load_tile(a, row, k, n_rows, depth, a_row, a_column, ROWS, DEPTH, DESCRIPTOR).to(COMPUTE)
            right = load_tile(b, k, column, depth, n_columns, b_row, b_column, DEPTH, COLUMNS, DESCRIPTOR).to(COMPUTE)
            acc = tl.dot(left, right, acc, input_precision="ieee")
        store_sum(
            acc, out, low, factor, row, column, n_rows, n_columns, out_row,
            ROWS, COLUMNS, RESULT, SPLIT, FIRST, LAST, FACTOR,
        )  # fmt: skip


FLATTEN = False
WIDE_CHUNK = 4096  # columns below which the library's products lose more than an accumulator of its own costs
_ADDS = torch.version.hip is None and "dtype_out" in torch.ops.aten.addmm.overloads()  # torch 2.8


def launch_product(
    left: Tensor,
    right: Tensor,
    out: Tensor,
    low: Tensor | None,
    factor: Tensor | None,
    *,
    transposed: bool,
    result: torch.dtype | None = None,
    first: bool = True,
    last: bool = True,
) -> None:
    """out (+)= left right (or left' right) * factor, last of all in `result`'s dtype; low: see HiddenGradient."""
    dtype = product_dtype(left, right)
    tiles = block_shape(out.device, dtype)
    descriptor = describable(left, right)
    left_block = (tiles.depth, tiles.rows) if transposed else (tiles.rows, tiles.depth)
    n_tiles = triton.cdiv(out.shape[0], tiles.rows) * triton.cdiv(out.shape[1], tiles.columns)
    programs = min(multiprocessors(out.device), n_tiles)
    _product_kernel[(programs,)](
        source(left, *left_block, descriptor), source(right, tiles.depth, tiles.columns, descriptor), out,
        out if low is None else low, out if factor is None else factor, out.shape[0], out.shape[1], right.shape[0],
        left.stride(0), left.stride(1), right.stride(0), right.stride(1), out.stride(0),
        PROGRAMS=programs, ROWS=tiles.rows, COLUMNS=tiles.columns, DEPTH=tiles.depth, GROUP=8,
        TRANSPOSED=transposed, DESCRIPTOR=descriptor, COMPUTE=compute_type(dtype),
        RESULT=TRITON_TYPES[result or out.dtype], SPLIT=low is not None, FIRST=first, LAST=last,
        FACTOR=factor is not None, FLATTEN=FLATTEN, num_warps=tiles.warps, num_stages=tiles.stages,
    )  # fmt: skip


def in_library(*tensors: Tensor) -> bool:
    """Whether cuBLAS or rocBLAS multiplies these with float32 sums: one dtype, and no scale for float16's range."""
    return tensors[0].device.type == "cuda" and {t.dtype for t in tensors} in ({torch.bfloat16}, {torch.float32})


def weight_product(dlogits: Tensor, hidden: Tensor, out: Tensor, factor: Tensor | None) -> None:
    """out (c, D) = dlogits (N, c)' hidden (N, D) * factor, rounded once."""
    if factor is None and in_library(dlogits, hidden, out):
        torch.mm(dlogits.T, hidden, out=out)
    elif factor is None and in_library(dlogits, hidden) and out.dtype == torch.float32 and _ADDS:
        torch.mm(dlogits.T, hidden, out_dtype=torch.float32, out=out)
    else:
        launch_product(dlogits, hidden, out, None, factor, transposed=True)


@contextmanager
def full_sums(device: torch.device) -> Iterator[None]:
    """No shortcut of the library's in float32 products, nor in the sums of 16-bit ones, whatever the caller has set."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_bf16_reduced_precision_reduction = False
    try:
        with full_float32(device):
            yield
    finally:
        matmul.allow_bf16_reduced_precision_reduction = before


class HiddenGradient:
    """The sum over chunks of dlogits (N, c) W (c, D), in the dtype of hidden when it is done.

    Where a float32 accumulator leaves room for a good chunk, the library adds to one (4 bytes an element of scratch);
    else it is kept to 24 bits (1 byte). A float32 result is its own accumulator.
    """

    def __init__(self, hidden: Tensor, factor: Tensor | None, scratch_bytes: int) -> None:
        self.dtype = hidden.dtype
        self.factor = factor
        self.whole = self._in_float32(hidden, scratch_bytes)
        kept = torch.float32 if self.whole or hidden.dtype == torch.float64 else hidden.dtype
        self.result = torch.empty(hidden.shape, dtype=kept, device=hidden.device)
        self.low = None
        if kept.itemsize == 2:
            self.low = torch.empty(hidden.shape, dtype=torch.uint8, device=hidden.device)
        self.first = True

    @staticmethod
    def _in_float32(hidden: Tensor, scratch_bytes: int) -> bool:
        """Whether the library may add bfloat16 products to a float32 accumulator."""
        if not (_ADDS and hidden.dtype == torch.bfloat16 and in_library(hidden)):
            return False
        held = 4 * hidden.numel()
        return held <= scratch_bytes // 2 and scratch_bytes - held >= 2 * WIDE_CHUNK * hidden.shape[0]

    @classmethod
    def scratch_bytes(cls, hidden: Tensor, scratch_bytes: int) -> int:
        """What of the scratch is held beside the result while the sum grows.

        A float32 sum is held before there is a 16-bit result, whose room it may take too: chunks must be gone by then.
        """
        if hidden.dtype == torch.float32:
            return 0
        if cls._in_float32(hidden, scratch_bytes):
            return hidden.numel() * (4 - hidden.element_size())
        return hidden.numel() * (4 if hidden.dtype == torch.float64 else 1)

    @classmethod
    def fits(cls, hidden: Tensor, scratch_bytes: int) -> bool:
        """Whether that leaves room for chunks: five eighths of the scratch at most."""
        return cls.scratch_bytes(hidden, scratch_bytes) <= scratch_bytes * 5 // 8

    @property
    def bits(self) -> Tensor:
        """What kernels add to: the result, or its bits as int16 where `low` has the others."""
        return self.result if self.low is None else self.result.view(torch.int16)

    def add(self, dlogits: Tensor, weight: Tensor, last: bool) -> None:
        if self.factor is None and self.low is None and in_library(dlogits, weight):
            beta = 0.0 if self.first else 1.0
            if self.whole:
                torch.addmm(self.result, dlogits, weight, beta=beta, out_dtype=torch.float32, out=self.result)
            else:
                torch.addmm(self.result, dlogits, weight, beta=beta, out=self.result)
        else:
            launch_product(
                dlogits, weight, self.bits, self.low, self.factor, transposed=False, result=self.result.dtype,
                first=self.first, last=last,
            )  # fmt: skip
        self.first = False

    def finish(self) -> Tensor:
        self.low = None
        return self.result.to(self.dtype)


def chunk_columns(
    n_rows: int, width: int, n_vocab: int, itemsize: int, bytes_at_hand: int, step: int, device: torch.device
) -> int:
    """Columns of one chunk of dlogits that fits in bytes_at_hand, a multiple of `step`, at least `step`.

    Of the widths between half the largest and the largest, the one whose dW fills the device's waves best.
    """
    most = min(bytes_at_hand // (n_rows * itemsize), triton.cdiv(n_vocab, step) * step) // step * step
    if most <= step:
        return step
    side_by_side = multiprocessors(device)

    def filled(columns: int) -> float:
        n_tiles = triton.cdiv(columns, 128) * triton.cdiv(width, 256)
        return float(n_tiles / (triton.cdiv(n_tiles, side_by_side) * side_by_side))

    if most >= n_vocab:
        return int(most)
    return max(range(most, max(most // 2, step) - 1, -step), key=lambda columns: (round(filled(columns), 2), columns))
