"""The loss anchored to a frozen prior head, in Triton: both heads' logits of a tile side by side in registers.

Beside the prior's running sum of exponentials runs sum_v exp(u_v - max) z_v, rescaled with it; the backward pass makes
both tiles again. Neither distribution is written; dlogits are, a chunk at a time.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import AnchoredForward, Gradients, Head, Needs
from calibaudit.kernels.triton_kernels.backward import dlogits_arguments, place_of, store_dlogits
from calibaudit.kernels.triton_kernels.forward import cuts_of, work_of
from calibaudit.kernels.triton_kernels.gather import target_logits
from calibaudit.kernels.triton_kernels.gradients import Chunk, by_recomputation, by_rows, smoothing_terms
from calibaudit.kernels.triton_kernels.tiles import HeadLogits, Tiles, block_shape, compute_type, tile_bits

SWEEP_FLATTEN = True
FLATTEN = True


@triton.jit
def _sweep_kernel(
    h, w, bias, prior_h, prior_w, prior_bias, top_out, total_out, prior_top_out, prior_total_out, product_out,
    n_rows, stop, groups, at_once, shares, split, rest, depth, h_row, h_column, w_row, w_column, bias_step, inner_scale, cap_bits,
    prior_depth, prior_h_row, prior_h_column, prior_w_row, prior_w_column, prior_bias_step, prior_inner_scale,
    prior_cap_bits,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    prior_BIAS: tl.constexpr, prior_SOFTCAP: tl.constexpr, prior_DESCRIPTOR: tl.constexpr, prior_COMPUTE: tl.constexpr,
    FLATTEN: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    n_tiles = tl.cdiv(stop, COLUMNS)
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
                column = tile * COLUMNS
                inside = (column + tl.arange(0, COLUMNS) < stop)[None, :]
                z = tile_bits(
                    h, w, bias, row, column, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
                    inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
                )  # fmt: skip
                z = tl.where(inside, z, float("-inf"))
                new_m = tl.maximum(m, tl.max(z, 1))
                shift = tl.where(new_m == float("-inf"), 0.0, new_m)
                s = s * tl.exp2(m - shift) + tl.sum(tl.exp2(z - shift[:, None]), 1)
                m = new_m
                u = tile_bits(
                    prior_h, prior_w, prior_bias, row, column, n_rows, stop, prior_depth, prior_h_row, prior_h_column,
                    prior_w_row, prior_w_column, prior_bias_step, prior_inner_scale, prior_cap_bits,
                    ROWS, COLUMNS, DEPTH, prior_BIAS, prior_SOFTCAP, prior_DESCRIPTOR, prior_COMPUTE,
                )  # fmt: skip
                u = tl.where(inside, u, float("-inf"))
                new_m = tl.maximum(prior_m, tl.max(u, 1))
                shift = tl.where(new_m == float("-inf"), 0.0, new_m)
                e = tl.exp2(u - shift[:, None])
                shrink = tl.exp2(prior_m - shift)
                prior_s = prior_s * shrink + tl.sum(e, 1)
                # 0 * -inf: a token that both rule out adds nothing
                product = product * shrink + tl.sum(tl.where((e == 0.0) & (z == float("-inf")), 0.0, e * z), 1)
                prior_m = new_m
            out = place.to(tl.int64) * n_rows + rows
            keep = rows < n_rows
            tl.store(top_out + out, m, mask=keep)
            tl.store(total_out + out, s, mask=keep)
            tl.store(prior_top_out + out, prior_m, mask=keep)
            tl.store(prior_total_out + out, prior_s, mask=keep)
            tl.store(product_out + out, product, mask=keep)


@triton.jit
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
def _dlogits_kernel(
    h, w, bias, prior_h, prior_w, prior_bias, out, bias_out, lse, prior_lse, targets, upstream,
    n_rows, first, stop, out_row, hard, soft, depth, h_row, h_column, w_row, w_column, bias_step, inner_scale, cap_bits,
    prior_depth, prior_h_row, prior_h_column, prior_w_row, prior_w_column, prior_bias_step, prior_inner_scale,
    prior_cap_bits,
    PROGRAMS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
    prior_BIAS: tl.constexpr, prior_SOFTCAP: tl.constexpr, prior_DESCRIPTOR: tl.constexpr, prior_COMPUTE: tl.constexpr,
    BIAS_GRADIENT: tl.constexpr, OUT_DESCRIPTOR: tl.constexpr, RESULT: tl.constexpr, GROUP: tl.constexpr,
    FLATTEN: tl.constexpr,
):  # fmt: skip
    row_blocks = tl.cdiv(n_rows, ROWS)
    column_blocks = tl.cdiv(stop - first, COLUMNS)
    for tile in tl.range(tl.program_id(0), row_blocks * column_blocks, PROGRAMS, flatten=FLATTEN):
        row_block, column_block = place_of(tile, row_blocks, column_blocks, GROUP)
        row = row_block * ROWS
        inside = column_block * COLUMNS
        rows = row + tl.arange(0, ROWS)
        u = tile_bits(
            prior_h, prior_w, prior_bias, row, first + inside, n_rows, stop, prior_depth, prior_h_row, prior_h_column,
            prior_w_row, prior_w_column, prior_bias_step, prior_inner_scale, prior_cap_bits,
            ROWS, COLUMNS, DEPTH, prior_BIAS, prior_SOFTCAP, prior_DESCRIPTOR, prior_COMPUTE,
        )  # fmt: skip
        q = tl.exp2(u - tl.load(prior_lse + rows, mask=rows < n_rows, other=0.0)[:, None] * 1.4426950408889634)
        z = tile_bits(
            h, w, bias, row, first + inside, n_rows, stop, depth, h_row, h_column, w_row, w_column, bias_step,
            inner_scale, cap_bits, ROWS, COLUMNS, DEPTH, BIAS, SOFTCAP, DESCRIPTOR, COMPUTE,
        )  # fmt: skip
        p = tl.exp2(z - tl.load(lse + rows, mask=rows < n_rows, other=0.0)[:, None] * 1.4426950408889634)
        slope = p
        if SOFTCAP:
            slope = 1.0 - (z / cap_bits) * (z / cap_bits)
        store_dlogits(
            p - soft * q, slope, out, bias_out, targets, upstream, row, first + inside, inside, n_rows, stop, out_row,
            hard, 0.0, ROWS, COLUMNS, SOFTCAP, BIAS_GRADIENT, OUT_DESCRIPTOR, RESULT,
        )  # fmt: skip


def _both(z: HeadLogits, u: HeadLogits) -> tuple[Tiles, dict[str, Any]]:
    """The block shape for both heads at once, and what a kernel needs of them."""
    dtype = torch.float32 if torch.float32 in (z.dtype, u.dtype) else z.dtype
    tiles = block_shape(z.hidden.device, dtype, z.hidden.shape[0], heads=2)
    named = z.arguments(tiles) | u.arguments(tiles, "prior_")
    named |= {"COMPUTE": compute_type(z.dtype), "prior_COMPUTE": compute_type(u.dtype)}
    named |= {"ROWS": tiles.rows, "COLUMNS": tiles.columns, "DEPTH": tiles.depth}
    return tiles, named | {"num_warps": tiles.warps, "num_stages": tiles.stages}


@torch.no_grad()
def anchored_forward(hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor) -> AnchoredForward:
    """As kernels/heads.py says."""
    z, u = HeadLogits(hidden, head), HeadLogits(prior_hidden, prior)
    n_rows, device = hidden.shape[0], hidden.device
    lse, prior_lse, mean = (torch.empty(n_rows, dtype=torch.float32, device=device) for _ in range(3))
    if n_rows:
        tiles, named = _both(z, u)
        cuts = cuts_of(n_rows, head.n_vocab, tiles, device)
        top, total, prior_top, prior_total, product = parts = torch.empty(5, cuts.parts, n_rows, device=device).unbind()
        _sweep_kernel[(cuts.programs,)](
            top_out=top, total_out=total, prior_top_out=prior_top, prior_total_out=prior_total, product_out=product,
            n_rows=n_rows, stop=head.n_vocab, **cuts._asdict(), FLATTEN=SWEEP_FLATTEN, **named,
        )  # fmt: skip
        block = 16 if device.type == "cpu" else 256
        _join_kernel[(triton.cdiv(n_rows, block),)](*parts, lse, prior_lse, mean, n_rows, cuts.parts, ROWS=block)
    return AnchoredForward(lse, target_logits(z, targets[:, None])[:, 0], prior_lse, mean)


@torch.no_grad()
def anchored_backward(
    hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor, lse: Tensor, prior_lse: Tensor,
    upstream: Tensor, *, label_smoothing: float, needs: Needs, scratch_bytes: int,
) -> Gradients:  # fmt: skip
    """As `backward.head_backward`, towards the prior's distribution instead of the uniform one."""

    def run(rows: slice, needs: Needs) -> Gradients:
        z, u = HeadLogits(hidden[rows], head), HeadLogits(prior_hidden[rows], prior)
        terms, factor = smoothing_terms(z, lse[rows], targets[rows], upstream[rows], label_smoothing)
        tiles, named = _both(z, u)

        def write(chunk: Chunk) -> None:
            common = dlogits_arguments(z, terms, tiles, chunk)
            _dlogits_kernel[(common["PROGRAMS"],)](
                prior_lse=prior_lse[rows], soft=label_smoothing, FLATTEN=FLATTEN, **common, **named
            )

        return by_recomputation(z, tiles, needs, factor, scratch_bytes, write)

    return by_rows(hidden, head, needs, scratch_bytes, run)
