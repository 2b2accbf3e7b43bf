"""Logits in 12 bits: how far one lies below the largest of its row and tile, in steps of 1/128 of a factor of two.

A softmax value so kept is off by at most 0.27 % (0.16 % root mean square, as a bfloat16 is); what lies 2^-32 below the
largest or deeper counts as 0. Eight values share three 32-bit words. A slot of c columns holds, for N rows, three
planes of N x c/8 words and then a float32 level for each tile and row: 1.5 + 4 / tile bytes a logit.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import triton
import triton.language as tl


def slot_bytes(n_rows: int, columns: int, tile_columns: int) -> int:
    """Size of a slot, a multiple of 128."""
    return -(-(n_rows * columns // 8 * 12 + n_rows * (columns // tile_columns) * 4) // 128) * 128


@triton.jit
def halves(x, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The left and the right half of the columns, with no data moved between threads."""
    return tl.split(tl.permute(tl.reshape(x, (ROWS, 2, COLUMNS // 2)), (0, 2, 1)))


@triton.jit
def _pair(x, level, unit, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Two values of 12 bits, those of the left half below those of the right; the upper byte is 0."""
    # in [2^23, 2^24) float32 counts in ones, so the addition rounds to whole steps and its low bits are their number
    steps = tl.minimum(level[:, None] - x * unit, 8388608.0 + 4095.0)
    left, right = halves(steps.to(tl.int32, bitcast=True), ROWS, COLUMNS)
    return (right << 12) + (left & 4095)


@triton.jit
def pack_tile(
    a, scale, tile_top, planes, slot_step, rows, n_rows, column,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, SLOT: tl.constexpr,
):  # fmt: skip
    """Keep a (ROWS, COLUMNS), which times scale are logits in bits; its first column is the column-th of all slots."""
    WORDS: tl.constexpr = COLUMNS // 8
    wide = tl.full((), 1, tl.int64)
    slot = planes + wide * (column // SLOT) * slot_step
    inside = column % SLOT
    level = tl.ceil(tile_top * 128.0)  # a whole number, so that level / 128 is exact
    left, right = halves(a, ROWS, COLUMNS)
    first, second = halves(left, ROWS, COLUMNS // 2)
    third, fourth = halves(right, ROWS, COLUMNS // 2)
    shifted = level + 8388608.0
    unit = scale * 128.0
    d = _pair(fourth, shifted, unit, ROWS, COLUMNS // 4)
    plane = wide * n_rows * (SLOT // 8)
    at = slot.to(tl.pointer_type(tl.int32)) + rows.to(tl.int64)[:, None] * (SLOT // 8) + inside // 8
    at += tl.arange(0, WORDS)[None, :]
    keep = (rows < n_rows)[:, None]
    tl.store(at, _pair(first, shifted, unit, ROWS, COLUMNS // 4) | (d << 24), mask=keep)
    tl.store(at + plane, _pair(second, shifted, unit, ROWS, COLUMNS // 4) | ((d & 65280) << 16), mask=keep)
    tl.store(at + plane * 2, _pair(third, shifted, unit, ROWS, COLUMNS // 4) | ((d & 16711680) << 8), mask=keep)
    levels = slot.to(tl.pointer_type(tl.float32)) + plane * 3 + wide * (inside // COLUMNS) * n_rows + rows
    tl.store(levels, level, mask=rows < n_rows)


@triton.jit
def load_words(planes, rows, n_rows, inside, COLUMNS: tl.constexpr, SLOT: tl.constexpr):
    """The four pairs of a tile, as _pair made them, and its levels; planes: one slot."""
    WORDS: tl.constexpr = COLUMNS // 8
    plane = tl.full((), 1, tl.int64) * n_rows * (SLOT // 8)
    at = planes.to(tl.pointer_type(tl.int32)) + rows.to(tl.int64)[:, None] * (SLOT // 8) + inside // 8
    at += tl.arange(0, WORDS)[None, :]
    keep = (rows < n_rows)[:, None]
    a = tl.load(at, mask=keep, other=0)
    b = tl.load(at + plane, mask=keep, other=0)
    c = tl.load(at + plane * 2, mask=keep, other=0)
    d = ((a >> 24) & 255) | ((b >> 16) & 65280) | ((c >> 8) & 16711680)
    levels = planes.to(tl.pointer_type(tl.float32)) + plane * 3 + inside // COLUMNS * n_rows + rows
    return a & 16777215, b & 16777215, c & 16777215, d, tl.load(levels, mask=rows < n_rows, other=0.0)
