"""The loss anchored to a frozen prior head, in Triton.

The sweep holds both heads' logits of a tile side by side in registers: beside the prior's running sum of exponentials
runs sum_v exp(u_v - max) z_v, rescaled with it. The backward pass makes a chunk of the prior's softmax, then the
student's dlogits over it.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import AnchoredForward, Gradients, Head, Needs
from calibaudit.kernels.triton_kernels.backward import dlogits_arguments, launch_dlogits, place_of, store_dlogits
from calibaudit.kernels.triton_kernels.forward import CUT_ARGUMENTS, Retained, cuts_of, work_of
from calibaudit.kernels.triton_kernels.gather import target_logits
from calibaudit.kernels.triton_kernels.gradients import Chunk, Smoothing, by_recomputation, by_rows, smoothing_terms
from calibaudit.kernels.triton_kernels.packing import halves, pack_tile, slot_bytes
from calibaudit.kernels.triton_kernels.tiles import (
    HeadLogits,
    Tiles,
    block_shape,
    compute_type,
    multiprocessors,
    tile_bits,
)

SWEEP_FLATTEN = True
FLATTEN = True
Q_UNIT = 2.0**14
"""The prior's softmax is kept in float16 as this many times itself: 11 digits down to 2^-28."""


@triton.jit(do_not_specialize=CUT_ARGUMENTS)
def _sweep_kernel(
    h, w, bias, prior_h, prior_w, prior_bias, top_out, total_out, prior_top_out, prior_total_out, product_out,
    planes, prior_planes, slot_step, n_rows, first, stop, groups, at_once, shares, split, rest,
    depth, h_row, h_column, w_row, w_column, bias_step, inner_scale, cap_bits,
    prior_depth, prior_h_row, prior_h_column, prior_w_row, prior_w_column, prior_bias_step, prior_inner_scale,
    prior_cap_bits,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    prior_BIAS: tl.constexpr, prior_SOFTCAP: tl.constexpr, prior_DESCRIPTOR: tl.constexpr, prior_COMPUTE: tl.constexpr,
    SLOT: tl.constexpr, FLATTEN: tl.constexpr,
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
            prior_m = tl.full((ROWS,), float("-inf"), tl.float32)
            prior_s = tl.zeros((ROWS,), tl.float32)
            product = tl.zeros((ROWS,), tl.float32)
            for tile in tl.range(first_tile, last_tile, flatten=FLATTEN):
                column = first + tile * COLUMNS
                inside = (column + tl.arange(0, COLUMNS) < stop)[None, :]
                z = tile_bits(
                    h, w, bias, row, column, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
                    inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
                )  # fmt: skip
                z = tl.where(inside, z, float("-inf"))
                tile_top = tl.max(z, 1)
                new_m = tl.maximum(m, tile_top)
                shift = tl.where(new_m == float("-inf"), 0.0, new_m)
                s = s * tl.exp2(m - shift) + tl.sum(tl.exp2(z - shift[:, None]), 1)
                m = new_m
                if SLOT > 0:
                    pack_tile(z, 1.0, tile_top, planes, slot_step, rows, n_rows, tile * COLUMNS, ROWS, COLUMNS, SLOT)
                u = tile_bits(
                    prior_h, prior_w, prior_bias, row, column, n_rows, stop, prior_depth, prior_h_row, prior_h_column,
                    prior_w_row, prior_w_column, prior_bias_step, prior_inner_scale, prior_cap_bits,
                    ROWS, COLUMNS, DEPTH, prior_BIAS, prior_SOFTCAP, prior_DESCRIPTOR, prior_COMPUTE,
                )  # fmt: skip
                u = tl.where(inside, u, float("-inf"))
                tile_top = tl.max(u, 1)
                new_m = tl.maximum(prior_m, tile_top)
                shift = tl.where(new_m == float("-inf"), 0.0, new_m)
                e = tl.exp2(u - shift[:, None])
                shrink = tl.exp2(prior_m - shift)
                prior_s = prior_s * shrink + tl.sum(e, 1)
                # 0 * -inf: a token that both rule out adds nothing
                product = product * shrink + tl.sum(tl.where((e == 0.0) & (z == float("-inf")), 0.0, e * z), 1)
                prior_m = new_m
                if SLOT > 0:
                    pack_tile(
                        u, 1.0, tile_top, prior_planes, slot_step, rows, n_rows, tile * COLUMNS, ROWS, COLUMNS, SLOT
                    )
            out = place.to(tl.int64) * n_rows + rows
            keep = rows < n_rows
            tl.store(top_out + out, m, mask=keep)
            tl.store(total_out + out, s, mask=keep)
            tl.store(prior_top_out + out, prior_m, mask=keep)
            tl.store(prior_total_out + out, prior_s, mask=keep)
            tl.store(product_out + out, product, mask=keep)


@triton.jit(do_not_specialize=["n_shares"])
def _join_kernel(
    top_in, total_in, prior_top_in, prior_total_in, product_in, lse_out, prior_lse_out, mean_out, n_rows, n_shares,
    ROWS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    keep = rows < n_rows
    m = tl.full((ROWS,), float("-inf"), tl.float32)
    s = tl.zeros((ROWS,), tl.float32)
    prior_m = tl.full((ROWS,), float("-inf"), tl.float32)
    prior_s = tl.zeros((ROWS,), tl.float32)
    product = tl.zeros((ROWS,), tl.float32)
    for share in range(n_shares):
        at = rows + share * n_rows
        top = tl.load(top_in + at, mask=keep, other=float("-inf"))
        new_m = tl.maximum(m, top)
        shift = tl.where(new_m == float("-inf"), 0.0, new_m)
        s = s * tl.exp2(m - shift) + tl.load(total_in + at, mask=keep, other=0.0) * tl.exp2(top - shift)
        m = new_m
        top = tl.load(prior_top_in + at, mask=keep, other=float("-inf"))
        new_m = tl.maximum(prior_m, top)
        shift = tl.where(new_m == float("-inf"), 0.0, new_m)
        shrink, grow = tl.exp2(prior_m - shift), tl.exp2(top - shift)
        prior_s = prior_s * shrink + tl.load(prior_total_in + at, mask=keep, other=0.0) * grow
        product = product * shrink + tl.load(product_in + at, mask=keep, other=0.0) * grow
        prior_m = new_m
    tl.store(lse_out + rows, (m + tl.log2(s)) * 0.6931471805599453, mask=keep)
    tl.store(prior_lse_out + rows, (prior_m + tl.log2(prior_s)) * 0.6931471805599453, mask=keep)
    tl.store(mean_out + rows, product / prior_s * 0.6931471805599453, mask=keep)


@triton.jit
def _student_kernel(
    h, w, bias, q_in, out, bias_out, lse, targets, q_target, upstream, n_rows, first, stop, depth, h_row, h_column,
    w_row, w_column, bias_step, out_row, inner_scale, cap_bits, hard, soft,
    PROGRAMS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    BIAS_GRADIENT: tl.constexpr, OUT_DESCRIPTOR: tl.constexpr, RESULT: tl.constexpr, GROUP: tl.constexpr,
    FLATTEN: tl.constexpr,
):  # fmt: skip
    """dlogits over the prior's q in the same places: a program reads a half of its tile, then writes it."""
    HALF: tl.constexpr = COLUMNS // 2
    row_blocks = tl.cdiv(n_rows, ROWS)
    column_blocks = tl.cdiv(stop - first, COLUMNS)
    for tile in tl.range(tl.program_id(0), row_blocks * column_blocks, PROGRAMS, flatten=FLATTEN):
        row_block, column_block = place_of(tile, row_blocks, column_blocks, GROUP)
        row = row_block * ROWS
        inside = column_block * COLUMNS
        z = tile_bits(
            h, w, bias, row, first + inside, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
            inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
        )  # fmt: skip
        rows = row + tl.arange(0, ROWS)
        p = tl.exp2(z - tl.load(lse + rows, mask=rows < n_rows, other=0.0)[:, None] * 1.4426950408889634)
        left, right = halves(p, ROWS, COLUMNS)  # for want of registers
        left_slope, right_slope = left, right
        if SOFTCAP:
            left_slope, right_slope = halves(1.0 - (z / cap_bits) * (z / cap_bits), ROWS, COLUMNS)
        y = tl.load(targets + rows, mask=rows < n_rows, other=-1).to(tl.int32)
        q_y = tl.load(q_target + rows, mask=rows < n_rows, other=0.0)
        for half in tl.static_range(2):
            column = inside + half * HALF
            columns = column + tl.arange(0, HALF)
            at = rows.to(tl.int64)[:, None] * out_row + columns[None, :]
            q = tl.load(q_in + at, mask=(rows < n_rows)[:, None] & (first + columns < stop)[None, :], other=0.0)
            q = tl.where((first + columns)[None, :] == y[:, None], q_y[:, None], q.to(tl.float32))
            side = left if half == 0 else right
            slope = left_slope if half == 0 else right_slope
            store_dlogits(
                side - soft * q, slope, out, bias_out, targets, upstream, row, first + column, column,
                n_rows, stop, out_row, hard, 0.0, ROWS, HALF, SOFTCAP, BIAS_GRADIENT, OUT_DESCRIPTOR, RESULT,
            )  # fmt: skip


class Pair(NamedTuple):
    """Two heads over the same vocabulary for the same rows: the student's logits z and the prior's u."""

    z: HeadLogits
    u: HeadLogits

    @property
    def tiles(self) -> Tiles:
        """The block shape for both heads at once."""
        dtype = torch.float32 if torch.float32 in (self.z.dtype, self.u.dtype) else self.z.dtype
        return block_shape(self.z.hidden.device, dtype, self.z.hidden.shape[0], heads=2)

    def arguments(self, tiles: Tiles) -> dict[str, Any]:
        named = self.z.arguments(tiles) | self.u.arguments(tiles, "prior_")
        named |= {"COMPUTE": compute_type(self.z.dtype), "prior_COMPUTE": compute_type(self.u.dtype)}
        named |= {"ROWS": tiles.rows, "COLUMNS": tiles.columns, "DEPTH": tiles.depth}
        return named | {"num_warps": tiles.warps, "num_stages": tiles.stages}


class PriorTerms(NamedTuple):
    """What the prior adds to dz: - soft q. terms make its softmax, times Q_UNIT, of its logits; target: that at each
    row's target, (N,) float32, exact where float16 is not."""

    soft: float
    terms: Smoothing
    target: Tensor


def prior_terms(u: HeadLogits, prior_lse: Tensor, targets: Tensor, soft: float) -> PriorTerms:
    none = torch.full_like(targets, -1)
    terms = Smoothing(prior_lse, none, torch.full_like(prior_lse, Q_UNIT), 0.0, 0.0)
    return PriorTerms(soft, terms, torch.exp(target_logits(u, targets[:, None])[:, 0] - prior_lse) * Q_UNIT)


def launch_dlogits_towards(pair: Pair, terms: Smoothing, prior: PriorTerms, tiles: Tiles, chunk: Chunk) -> None:
    """Fill the chunk: first with the prior's softmax (float16 for a 16-bit chunk), then with the dlogits in its place.

    tiles: of one head. terms.share is left out: q stands for it.
    """
    dlogits, first, stop, _ = chunk
    room = dlogits.view(torch.float16) if dlogits.dtype == torch.bfloat16 else dlogits
    q_tiles = block_shape(dlogits.device, pair.u.dtype, dlogits.shape[0])
    launch_dlogits(pair.u, prior.terms, q_tiles, Chunk(room, first, stop, None), by_capped=True)
    named = dlogits_arguments(pair.z, terms, tiles._replace(columns=tiles.columns // 2), chunk)
    n_tiles = triton.cdiv(dlogits.shape[0], tiles.rows) * triton.cdiv(stop - first, tiles.columns)
    named["PROGRAMS"] = min(n_tiles, multiprocessors(dlogits.device))
    _student_kernel[(named["PROGRAMS"],)](
        q_in=room, q_target=prior.target, soft=prior.soft / Q_UNIT,
        ROWS=tiles.rows, COLUMNS=tiles.columns, DEPTH=tiles.depth, COMPUTE=compute_type(pair.z.dtype),
        FLATTEN=FLATTEN, num_warps=tiles.warps, num_stages=tiles.stages, **named, **pair.z.arguments(tiles),
    )  # fmt: skip


def sweep_both(pair: Pair, ranges: list[tuple[int, int, Retained | None]]) -> tuple[Tensor, Tensor, Tensor]:
    """lse, the prior's lse and sum_v q_v z_v of each row; a range is as in `forward.sweep`.

    A slot that is kept holds the student's logits of a tile, then the prior's.
    """
    n_rows, device = pair.z.hidden.shape[0], pair.z.hidden.device
    lse, prior_lse, mean = (torch.empty(n_rows, dtype=torch.float32, device=device) for _ in range(3))
    if not n_rows:
        return lse, prior_lse, mean
    tiles = pair.tiles
    cuts = [cuts_of(n_rows, stop - first, tiles, device) for first, stop, _ in ranges]
    parts = torch.empty(5, sum(cut.parts for cut in cuts), n_rows, dtype=torch.float32, device=device)
    done, named = 0, pair.arguments(tiles)
    for cut, (first, stop, retained) in zip(cuts, ranges, strict=True):
        top, total, prior_top, prior_total, product = parts[:, done:].unbind()
        done += cut.parts
        planes = prior_planes = top
        if retained is not None:
            planes = retained.planes
            prior_planes = planes[slot_bytes(n_rows, tiles.columns, tiles.columns) :]
        _sweep_kernel[(cut.programs,)](
            top_out=top, total_out=total, prior_top_out=prior_top, prior_total_out=prior_total, product_out=product,
            planes=planes, prior_planes=prior_planes, slot_step=0 if retained is None else retained.step,
            n_rows=n_rows, first=first, stop=stop, **cut._asdict(), SLOT=0 if retained is None else tiles.columns,
            FLATTEN=SWEEP_FLATTEN, **named,
        )  # fmt: skip
    block = 16 if device.type == "cpu" else 256
    _join_kernel[(triton.cdiv(n_rows, block),)](
        *parts.unbind(), lse, prior_lse, mean, n_rows, parts.shape[1], ROWS=block
    )
    return lse, prior_lse, mean


@torch.no_grad()
def anchored_forward(hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor) -> AnchoredForward:
    """As kernels/heads.py says."""
    pair = Pair(HeadLogits(hidden, head), HeadLogits(prior_hidden, prior))
    lse, prior_lse, mean = sweep_both(pair, [(0, head.n_vocab, None)])
    return AnchoredForward(lse, target_logits(pair.z, targets[:, None])[:, 0], prior_lse, mean)


@torch.no_grad()
def anchored_backward(
    hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor, lse: Tensor, prior_lse: Tensor,
    upstream: Tensor, *, label_smoothing: float, needs: Needs, scratch_bytes: int,
) -> Gradients:  # fmt: skip
    """As `backward.head_backward`, towards the prior's distribution instead of the uniform one."""

    def run(rows: slice, needs: Needs, scratch_bytes: int) -> Gradients:
        pair = Pair(HeadLogits(hidden[rows], head), HeadLogits(prior_hidden[rows], prior))
        terms, factor = smoothing_terms(pair.z, lse[rows], targets[rows], upstream[rows], label_smoothing)
        tiles = block_shape(hidden.device, pair.z.dtype, pair.z.hidden.shape[0])
        towards = prior_terms(pair.u, prior_lse[rows], terms.targets, label_smoothing)

        def write(chunk: Chunk) -> None:
            launch_dlogits_towards(pair, terms, towards, tiles, chunk)

        return by_recomputation(pair.z, tiles, needs, factor, scratch_bytes, write)

    return by_rows(hidden, head, needs, scratch_bytes, run)
