"""One pass over the vocabulary in Triton: log-sum-exp, target, top and mean logits, with no logit written to memory.

Each program holds a block of rows and sweeps a share of the vocabulary's tiles, with a running maximum and a running
sum of exponentials (Milakov & Gimelshein 2018, arXiv 1805.02867) in registers; a second kernel joins the shares in
order. No locks and no atomics, so two runs are bit-equal. Memory beyond results: 8 to 16 bytes a row and share.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

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
    multiprocessors,
    tile_bits,
)

PARTIAL_BYTES = 1 << 20  # of a sweep's shares; more shares than fill the device twice are never made


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


@triton.jit
def _sweep_kernel(
    h, w, bias, top_out, total_out, token_out, logits_out, planes, slot_step,
    n_rows, first, stop, n_shares, depth, h_row, h_column, w_row, w_column, bias_step, inner_scale, cap_bits,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    TOP: tl.constexpr, MEAN: tl.constexpr, SLOT: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    row = (tl.program_id(0) % row_blocks) * ROWS
    share = tl.program_id(0) // row_blocks
    n_tiles = tl.cdiv(stop - first, COLUMNS)
    rows = row + tl.arange(0, ROWS)
    m = tl.full((ROWS,), float("-inf"), tl.float32)
    s = tl.zeros((ROWS,), tl.float32)
    token = tl.zeros((ROWS,), tl.int32)
    logits = tl.zeros((ROWS,), tl.float32)
    for tile in range(share * n_tiles // n_shares, (share + 1) * n_tiles // n_shares):
        column = first + tile * COLUMNS
        columns = column + tl.arange(0, COLUMNS)
        a = tile_bits(
            h, w, bias, row, column, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
            inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
        )  # fmt: skip
        if MEAN:
            logits += tl.sum(tl.where((columns < stop)[None, :], a, 0.0), 1)
        a = tl.where((columns < stop)[None, :], a, float("-inf"))  # after the softcap: padding must not count
        tile_top = tl.max(a, 1)
        if TOP:
            found = tl.min(tl.where(a == tile_top[:, None], columns[None, :], 2147483647), 1)
            token = tl.where(tile_top > m, found, token)
        new_m = tl.maximum(m, tile_top)
        shift = tl.where(new_m == float("-inf"), 0.0, new_m)  # -inf - -inf would be NaN
        s = s * tl.exp2(m - shift) + tl.sum(tl.exp2(a - shift[:, None]), 1)
        m = new_m
        if SLOT > 0:
            pack_tile(a, tile_top, planes, slot_step, rows, n_rows, tile * COLUMNS, ROWS, COLUMNS, SLOT)
    out = share.to(tl.int64) * n_rows + rows
    tl.store(top_out + out, m, mask=rows < n_rows)
    tl.store(total_out + out, s, mask=rows < n_rows)
    if TOP:
        tl.store(token_out + out, token, mask=rows < n_rows)
    if MEAN:
        tl.store(logits_out + out, logits, mask=rows < n_rows)


@triton.jit
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


def share_count(n_rows: int, n_columns: int, tiles: Tiles, device: torch.device) -> int:
    """Into how many shares a sweep of n_columns is cut: programs that fill whole waves of the device."""
    row_blocks = triton.cdiv(n_rows, tiles.rows)
    n_tiles = triton.cdiv(n_columns, tiles.columns)
    side_by_side = multiprocessors(device)
    most = max(1, min(n_tiles, triton.cdiv(2 * side_by_side, row_blocks), PARTIAL_BYTES // (16 * n_rows) or 1))

    def waves(shares: int) -> int:
        """The tiles that the busiest multiprocessor goes through."""
        return int(triton.cdiv(row_blocks * shares, side_by_side) * triton.cdiv(n_tiles, shares))

    return min(range(1, most + 1), key=waves)


def sweep(
    logits: HeadLogits,
    tiles: Tiles,
    first: int,
    stop: int,
    *,
    top: bool = False,
    mean: bool = False,
    retained: Retained | None = None,
) -> Shares:
    """Shares of the columns first..stop; `retained` says where their packed logits go."""
    n_rows, device = logits.hidden.shape[0], logits.hidden.device
    n_shares = share_count(n_rows, stop - first, tiles, device)

    def per_share(dtype: torch.dtype) -> Tensor:
        return torch.empty(n_shares, n_rows, dtype=dtype, device=device)

    shares = Shares(
        per_share(torch.float32),
        per_share(torch.float32),
        per_share(torch.int32) if top else None,
        per_share(torch.float32) if mean else None,
    )
    _sweep_kernel[(triton.cdiv(n_rows, tiles.rows) * n_shares,)](
        top_out=shares.top,
        total_out=shares.total,
        token_out=shares.token if top else shares.top,
        logits_out=shares.logits if mean else shares.top,
        planes=shares.top if retained is None else retained.planes,
        slot_step=0 if retained is None else retained.step,
        n_rows=n_rows,
        first=first,
        stop=stop,
        n_shares=n_shares,
        ROWS=tiles.rows,
        COLUMNS=tiles.columns,
        DEPTH=tiles.depth,
        COMPUTE=compute_type(logits.dtype),
        TOP=top,
        MEAN=mean,
        SLOT=0 if retained is None else retained.columns,
        num_warps=tiles.warps,
        num_stages=tiles.stages,
        **logits.arguments(tiles),
    )
    return shares


def join(parts: list[Shares], n_vocab: int) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """lse, top logit, top token and mean logit of each row, in nats, out of all the sweeps' shares in column order."""
    top, total, token, logits = (
        None if group[0] is None else (group[0] if len(group) == 1 else torch.cat(group))
        for group in zip(*parts, strict=True)
    )
    assert top is not None
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
    shares = sweep(logits, tiles, 0, head.n_vocab, top=top, mean=per_element)
    lse, top_logit, top_token, mean_logit = join([shares], head.n_vocab)
    if mean and not per_element:
        mean_logit = mean_logits(logits)
    return HeadForward(lse, target_logits(logits, targets), top_logit, top_token, mean_logit)
