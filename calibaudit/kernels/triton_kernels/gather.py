"""Logits at single columns and the mean over all, in Triton: hidden against a few rows, no pass over the head."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import Head
from calibaudit.kernels.triton_kernels.tiles import HeadLogits, block_shape, multiprocessors


@triton.jit
def _target_kernel(
    h, w, bias, targets, out, n_targets, depth, h_row, h_column, w_row, w_column, bias_step, target_row,
    target_column, inner_scale, cap_bits, DEPTH: tl.constexpr, BIAS: tl.constexpr, SOFTCAP: tl.constexpr,
):  # fmt: skip
    row = (tl.program_id(0) // n_targets).to(tl.int64)
    which = (tl.program_id(0) % n_targets).to(tl.int64)
    target = tl.load(targets + row * target_row + which * target_column)
    known = target >= 0
    target = tl.where(known, target, 0)
    total = tl.zeros((DEPTH,), tl.float32)
    for k in range(0, depth, DEPTH):
        at = k + tl.arange(0, DEPTH).to(tl.int64)
        a = tl.load(h + row * h_row + at * h_column, mask=at < depth, other=0.0).to(tl.float32)
        b = tl.load(w + target * w_row + at * w_column, mask=at < depth, other=0.0).to(tl.float32)
        total += a * b
    z = tl.sum(total, 0)
    if BIAS:
        z += tl.load(bias + target * bias_step).to(tl.float32)
    z *= inner_scale
    if SOFTCAP:
        z = cap_bits * (1.0 - 2.0 / (tl.exp2(z * 1.4426950408889634) + 1.0))
    tl.store(out + row * n_targets + which, tl.where(known, z * 0.6931471805599453, 0.0))


@triton.jit
def _column_sum_kernel(
    w, out, n_rows, width, n_parts, row_step, column_step, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    part = tl.program_id(0)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    n_blocks = tl.cdiv(n_rows, ROWS)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for block in range((part * n_blocks) // n_parts, ((part + 1) * n_blocks) // n_parts):
        rows = block * ROWS + tl.arange(0, ROWS)
        at = rows.to(tl.int64)[:, None] * row_step + columns.to(tl.int64)[None, :] * column_step
        total += tl.load(w + at, mask=(rows < n_rows)[:, None] & (columns < width)[None, :], other=0.0).to(tl.float32)
    tl.store(out + part * width + columns, tl.sum(total, 0), mask=columns < width)


def target_logits(logits: HeadLogits, targets: Tensor) -> Tensor:
    """(N, K) float32 logits at targets (N, K), in nats; 0 where the target is below 0 (ignored)."""
    n_rows, n_targets = targets.shape
    out = torch.empty(n_rows, n_targets, dtype=torch.float32, device=targets.device)
    if out.numel():
        named = logits.arguments(block_shape(targets.device, logits.dtype))
        wanted = {name: value for name, value in named.items() if name not in ("h", "w", "DESCRIPTOR")}
        _target_kernel[(n_rows * n_targets,)](
            logits.hidden, logits.head.weight, targets=targets, out=out, n_targets=n_targets,
            target_row=targets.stride(0), target_column=targets.stride(1),
            DEPTH=16 if targets.device.type == "cpu" else 512, **wanted,
        )  # fmt: skip
    return out


def mean_row(weight: Tensor) -> Tensor:
    """(D,) float32 mean of the rows of weight: partial sums of equal row ranges, then their sum, in fixed order."""
    n_rows, width = weight.shape
    block, width_block = (16, 16) if weight.device.type == "cpu" else (64, 128)
    n_parts = max(1, min(triton.cdiv(n_rows, block), 8 * multiprocessors(weight.device) * width_block // max(width, 1)))
    parts = torch.empty(n_parts, width, dtype=torch.float32, device=weight.device)
    _column_sum_kernel[(n_parts, triton.cdiv(width, width_block))](
        weight, parts, n_rows, width, n_parts, weight.stride(0), weight.stride(1), ROWS=block, COLUMNS=width_block
    )
    return parts.sum(0) / n_rows


def mean_logits(logits: HeadLogits) -> Tensor:
    """(N,) mean of each row's logits without softcap: W h averaged over the vocabulary is h times the mean row."""
    hidden, head = logits
    mean_weight = mean_row(head.weight[: head.n_vocab])[None]
    mean_bias = None if head.bias is None else head.bias[: head.n_vocab].float().mean()[None]
    first = torch.zeros(1, 1, dtype=torch.int64, device=mean_weight.device).expand(hidden.shape[0], 1)
    mean_head = Head(mean_weight, mean_bias, None, head.logit_scale, 1)
    return target_logits(HeadLogits(hidden, mean_head), first)[:, 0]
