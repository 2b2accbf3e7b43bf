"""One pass over the vocabulary in Triton: log-sum-exp, target, top and mean logits, with no logit written to memory.

Each program holds a block of rows at a time and sweeps a share of the vocabulary's tiles, with a running maximum and a
running sum of exponentials (Milakov & Gimelshein 2018, arXiv 1805.02867) in registers; a second kernel joins the shares
in order. No locks and no atomics, so two runs are bit-equal. Memory beyond results: 8 to 16 bytes a row and share.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import Head, HeadForward
from calibaudit.kernels.triton_kernels.gather import mean_logits, target_logits
from calibaudit.kernels.triton_kernels.packing import pack_tile
from calibaudit.kernels.triton_kernels.tiles import (
    HeadLogits,
    Tiles,
    block_shape,
    compute_type,
    in_bits,
    multiprocessors,
    tile_products,
)

FLATTEN = True  # where logits are kept: the work after a tile's product is longer then


class Shares(NamedTuple):
    """Per share of the vocabulary and row, in bits: maximum, sum of 2^(z - maximum), top token, sum of z."""

    top: Tensor
    total: Tensor
    token: Tensor | None
    logits: Tensor | None


class Retained(NamedTuple):
    """Where a sweep leaves its logits, packed (see retained.py): slots of `columns` columns, `step` bytes apart."""

    planes: Tensor
    step: int
    columns: int


class Cuts(NamedTuple):
    """How a sweep is divided among programs: groups of row blocks one after another, so that a group's rows of hidden
    stay in the cache; in a group a program for each of `at_once` row blocks and `shares` shares of the first `split`
    tiles, and `rest` programs for the tiles from there on, each with its part of the group's row blocks.
    """

    groups: int
    at_once: int
    shares: int
    split: int
    rest: int

    @property
    def programs(self) -> int:
        return self.at_once * self.shares + self.rest

    @property
    def parts(self) -> int:
        """Partial results of a row."""
        return self.shares + (self.rest > 0)


GROUP = 16


@lru_cache
def cuts_of(n_rows: int, n_columns: int, tiles: Tiles, device: torch.device) -> Cuts:
    """Cuts that keep all multiprocessors busy equally long."""
    row_blocks, n_tiles = triton.cdiv(n_rows, tiles.rows), triton.cdiv(n_columns, tiles.columns)
    side_by_side = multiprocessors(device)
    groups = triton.cdiv(row_blocks, min(GROUP, side_by_side))
    at_once = triton.cdiv(row_blocks, groups)
    shares = side_by_side // at_once
    if shares >= n_tiles:
        return Cuts(groups, at_once, n_tiles, n_tiles, 0)
    rest = min(side_by_side - shares * at_once, at_once)
    left = n_tiles // (shares * triton.cdiv(at_once, rest) + 1) if rest else 0
    return Cuts(groups, at_once, shares, n_tiles - left, rest if left else 0)


def most_parts(n_rows: int, tiles: Tiles, device: torch.device) -> int:
    """A bound of a sweep's partial results of a row, whatever its columns."""
    return cuts_of(n_rows, 1 << 30, tiles, device).parts


@triton.jit
def work_of(group, row_blocks, n_tiles, groups, at_once, shares, split, rest):
    """Of this program in a group: row blocks from, to, tiles from, to, and the place of its partial results."""
    program = tl.program_id(0)
    low, high = group * row_blocks // groups, (group + 1) * row_blocks // groups
    place = tl.minimum(program // at_once, shares)
    extra = program - at_once * shares
    is_rest = extra >= 0
    block = low + program % at_once
    first_block = tl.where(is_rest, low + extra * (high - low) // tl.maximum(rest, 1), block)
    last_block = tl.where(is_rest, low + (extra + 1) * (high - low) // tl.maximum(rest, 1), tl.minimum(block + 1, high))
    first_tile = tl.where(is_rest, split, place * split // shares)
    last_tile = tl.where(is_rest, n_tiles, (place + 1) * split // shares)
    return first_block, last_block, first_tile, last_tile, place


CUT_ARGUMENTS = ["first", "stop", "groups", "at_once", "shares", "split", "rest"]
"""Numbers of which a kernel must not be compiled once more for a multiple of 16."""


@triton.jit(do_not_specialize=CUT_ARGUMENTS)
def _sweep_kernel(
    h, w, bias, top_out, total_out, token_out, logits_out, planes, slot_step,
    n_rows, first, stop, groups, at_once, shares, split, rest,
    depth, h_row, h_column, w_row, w_column, bias_step, inner_scale, cap_bits,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    TOP: tl.constexpr, MEAN: tl.constexpr, SLOT: tl.constexpr, SCALE_FIRST: tl.constexpr, FLATTEN: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    n_tiles = tl.cdiv(stop - first, COLUMNS)
    for group in range(groups):
        first_block, last_block, first_tile, last_tile, place = work_of(
            group, row_blocks, n_tiles, groups, at_once, shares, split, rest
        )
        for block in range(first_block, last_block):
            row = block * ROWS
            rows = row + tl.arange(0, ROWS)
            m = tl.full((ROWS,), float("-inf"), tl.float32)
            s = tl.zeros((ROWS,), tl.float32)
            token = tl.zeros((ROWS,), tl.int32)
            logits = tl.zeros((ROWS,), tl.float32)
            for tile in tl.range(first_tile, last_tile, flatten=FLATTEN):
                column = first + tile * COLUMNS
                columns = column + tl.arange(0, COLUMNS)
                a = tile_products(
                    h, w, bias, row, column, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
                    ROWS, COLUMNS, DEPTH, BIAS, DESCRIPTOR, COMPUTE,
                )  # fmt: skip
                scale = inner_scale
                if SCALE_FIRST:  # a scale above 0 leaves the order of logits, and is a factor of the exponent
                    a = in_bits(a, inner_scale, cap_bits, SOFTCAP)
                    scale = 1.0
                if MEAN:
                    logits += tl.sum(tl.where((columns < stop)[None, :], a, 0.0), 1) * scale
                if column + COLUMNS > stop:  # after the softcap: padding must not count
                    a = tl.where((columns < stop)[None, :], a, float("-inf"))
                tile_top = tl.max(a, 1)
                if TOP:
                    found = tl.min(tl.where(a == tile_top[:, None], columns[None, :], 2147483647), 1)
                    token = tl.where(tile_top * scale > m, found, token)
                tile_top *= scale
                new_m = tl.maximum(m, tile_top)
                shift = tl.where(new_m == float("-inf"), 0.0, new_m)  # -inf - -inf would be NaN
                s = s * tl.exp2(m - shift) + tl.sum(tl.exp2(a * scale - shift[:, None]), 1)
                m = new_m
                if SLOT > 0:
                    pack_tile(a, scale, tile_top, planes, slot_step, rows, n_rows, tile * COLUMNS, ROWS, COLUMNS, SLOT)
            out = place.to(tl.int64) * n_rows + rows
            tl.store(top_out + out, m, mask=rows < n_rows)
            tl.store(total_out + out, s, mask=rows < n_rows)
            if TOP:
                tl.store(token_out + out, token, mask=rows < n_rows)
            if MEAN:
                tl.store(logits_out + out, logits, mask=rows < n_rows)


@triton.jit(do_not_specialize=["n_shares"])
def _join_kernel(
    top_in, total_in, token_in, logits_in, lse_out, top_out, token_out, mean_out, n_rows, n_shares, n_vocab,
    TOP: tl.constexpr, MEAN: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    keep = rows < n_rows
    m = tl.full((ROWS,), float("-inf"), tl.float32)
    s = tl.zeros((ROWS,), tl.float32)
    token = tl.zeros((ROWS,), tl.int32)
    logits = tl.zeros((ROWS,), tl.float32)
    for share in range(n_shares):
        at = rows + share * n_rows
        top = tl.load(top_in + at, mask=keep, other=float("-inf"))
        total = tl.load(total_in + at, mask=keep, other=0.0)
        if TOP:  # shares run upward, so the first of equal tops has the lowest id
            token = tl.where(top > m, tl.load(token_in + at, mask=keep, other=0), token)
        if MEAN:
            logits += tl.load(logits_in + at, mask=keep, other=0.0)
        new_m = tl.maximum(m, top)
        shift = tl.where(new_m == float("-inf"), 0.0, new_m)
        s = s * tl.exp2(m - shift) + total * tl.exp2(top - shift)
        m = new_m
    tl.store(lse_out + rows, (m + tl.log2(s)) * 0.6931471805599453, mask=keep)
    if TOP:
        tl.store(top_out + rows, m * 0.6931471805599453, mask=keep)
        tl.store(token_out + rows, token.to(tl.int64), mask=keep)
    if MEAN:
        tl.store(mean_out + rows, logits * 0.6931471805599453 / n_vocab, mask=keep)


def sweep(
    logits: HeadLogits,
    tiles: Tiles,
    ranges: list[tuple[int, int, Retained | None]],
    *,
    top: bool = False,
    mean: bool = False,
) -> Shares:
    """Shares of all columns, in column order; a range is its first column, its last + 1, and where packed logits go."""
    n_rows, device = logits.hidden.shape[0], logits.hidden.device
    cuts = [cuts_of(n_rows, stop - first, tiles, device) for first, stop, _ in ranges]
    n_shares = sum(cut.parts for cut in cuts)

    def per_share(dtype: torch.dtype) -> Tensor:
        return torch.empty(n_shares, n_rows, dtype=dtype, device=device)

    shares = Shares(
        per_share(torch.float32),
        per_share(torch.float32),
        per_share(torch.int32) if top else None,
        per_share(torch.float32) if mean else None,
    )
    done = 0
    for cut, (first, stop, retained) in zip(cuts, ranges, strict=True):
        top_out, total_out, token_out, logits_out = (None if whole is None else whole[done:] for whole in shares)
        done += cut.parts
        _sweep_kernel[(cut.programs,)](
            top_out=top_out,
            total_out=total_out,
            token_out=top_out if token_out is None else token_out,
            logits_out=top_out if logits_out is None else logits_out,
            planes=top_out if retained is None else retained.planes,
            slot_step=0 if retained is None else retained.step,
            n_rows=n_rows,
            first=first,
            stop=stop,
            **cut._asdict(),
            ROWS=tiles.rows,
            COLUMNS=tiles.columns,
            DEPTH=tiles.depth,
            COMPUTE=compute_type(logits.dtype),
            TOP=top,
            MEAN=mean,
            SLOT=0 if retained is None else retained.columns,
            SCALE_FIRST=logits.head.softcap is not None or logits.head.logit_scale < 0,
            FLATTEN=FLATTEN and retained is not None,
            num_warps=tiles.warps,
            num_stages=tiles.stages,
            **logits.arguments(tiles),
        )
    return shares


def join(shares: Shares, n_vocab: int) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """lse, top logit, top token and mean logit of each row, in nats."""
    top, total, token, logits = shares
    n_shares, n_rows = top.shape

    def per_row(dtype: torch.dtype) -> Tensor:
        return torch.empty(n_rows, dtype=dtype, device=top.device)

    lse = per_row(torch.float32)
    top_logit = None if token is None else per_row(torch.float32)
    top_token = None if token is None else per_row(torch.int64)
    mean_logit = None if logits is None else per_row(torch.float32)
    block = 16 if top.device.type == "cpu" else 256
    _join_kernel[(triton.cdiv(n_rows, block),)](
        top, total, top if token is None else token, top if logits is None else logits,
        lse, lse if top_logit is None else top_logit, lse if top_token is None else top_token,
        lse if mean_logit is None else mean_logit, n_rows, n_shares, n_vocab,
        TOP=token is not None, MEAN=logits is not None, ROWS=block, num_warps=4,
    )  # fmt: skip
    return lse, top_logit, top_token, mean_logit


@torch.no_grad()
def head_forward(hidden: Tensor, head: Head, targets: Tensor, *, top: bool, mean: bool) -> HeadForward:
    """As kernels/heads.py says. Memory beyond results and inputs: about 1 MiB.

    A row with a NaN or +inf among its logits has lse NaN.
    """
    logits = HeadLogits(hidden, head)
    if hidden.shape[0] == 0:
        empty = hidden.new_empty(0, dtype=torch.float32)
        token = hidden.new_empty(0, dtype=torch.int64)
        return HeadForward(
            empty,
            target_logits(logits, targets),
            empty if top else None,
            token if top else None,
            empty if mean else None,
        )
    tiles = block_shape(hidden.device, logits.dtype, hidden.shape[0])
    per_element = mean and head.softcap is not None
    shares = sweep(logits, tiles, [(0, head.n_vocab, None)], top=top, mean=per_element)
    lse, top_logit, top_token, mean_logit = join(shares, head.n_vocab)
    if mean and not per_element:
        mean_logit = mean_logits(logits)
    return HeadForward(lse, target_logits(logits, targets), top_logit, top_token, mean_logit)
