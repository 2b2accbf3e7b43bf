"""Chunks of dlogits into gradients: the sums they go to, and the orders in which chunks and rows are gone through."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from calibaudit.kernels.triton_kernels.products import HiddenGradient, chunk_columns, full_sums, weight_product
from calibaudit.kernels.triton_kernels.tiles import Head, Tiles

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
Needs = tuple[bool, bool, bool]
HALF_RANGE = 2.0**14  # float16 dlogits are scaled so that the largest possible one is this
SMALL_BYTES = 1 << 20  # a sweep's shares and the mean row's partial sums
BIAS_SHARE = 32  # of the scratch, for the bias gradient's sums over blocks of 64 rows or more


class Smoothing(NamedTuple):
    """dz = (p - share - hard at the target) * upstream; targets and upstream (N,), upstream float32, lse (N,) nats."""

    lse: Tensor
    targets: Tensor
    upstream: Tensor
    hard: float
    share: float


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
            -(-self.head.hidden.shape[0] // row_block), columns, dtype=torch.float32, device=self.bias.device
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


def chunk_scratch(head: Head, tiles: Tiles, room: int, need_bias: bool, most_per_logit: int) -> Tensor:
    """Bytes for chunks: what `room` leaves beside a few floats a row and the bias gradient's partial sums.

    Never less than one block of columns needs, nor more than most_per_logit bytes for every logit.
    """
    n_rows = head.hidden.shape[0]
    room -= SMALL_BYTES + 64 * n_rows
    if need_bias:
        room -= room // BIAS_SHARE
    floor = n_rows * tiles.columns * head.dtype.itemsize
    most = n_rows * (head.n_vocab + tiles.columns) * most_per_logit
    return torch.empty(min(max(room, floor), most), dtype=torch.uint8, device=head.hidden.device)


def by_recomputation(
    head: Head,
    tiles: Tiles,
    needs: Needs,
    factor: Tensor | None,
    scratch_bytes: int,
    write: Callable[[Tensor, int, int, Tensor | None], None],
) -> Gradients:
    """All columns through add_chunks, in scratch_bytes but never less than one block of columns."""
    held = HiddenGradient.scratch_bytes(head.hidden, scratch_bytes) if needs[0] else 0
    gradients = GradientSum(head, factor, *needs, scratch_bytes)
    scratch = chunk_scratch(head, tiles, scratch_bytes - held, needs[2], most_per_logit=head.dtype.itemsize)
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
    needs: Needs,
    run: Callable[[slice, Needs], Gradients],
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


def no_rows(hidden: Tensor, weight: Tensor, bias: Tensor | None, needs: Needs) -> Gradients:
    """The gradients of nothing."""
    by_hidden, by_weight, by_bias = (
        torch.zeros_like(tensor) if tensor is not None and need else None
        for tensor, need in zip((hidden, weight, bias), needs, strict=True)
    )
    return by_hidden, by_weight, by_bias
