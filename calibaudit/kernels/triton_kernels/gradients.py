"""Chunks of dlogits into gradients: the sums they go to, and the orders in which chunks and rows are gone through."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from calibaudit.kernels.heads import Gradients, Head, Needs
from calibaudit.kernels.triton_kernels.products import HiddenGradient, chunk_columns, full_sums, weight_product
from calibaudit.kernels.triton_kernels.tiles import HeadLogits, Tiles

HALF_RANGE = 2.0**14  # float16 dlogits are scaled so that the largest possible one is this
SMALL_BYTES = 1 << 20  # the mean row's partial sums
ROW_BYTES = 64  # a row's own figures
BIAS_SHARE = 32  # of the scratch, for the bias gradient's sums over blocks of 64 rows or more


class Smoothing(NamedTuple):
    """dz = (p - share - hard at the target) * upstream; targets and upstream (N,), upstream float32, lse (N,) nats."""

    lse: Tensor
    targets: Tensor
    upstream: Tensor
    hard: float
    share: float


def smoothing_terms(
    logits: HeadLogits, lse: Tensor, targets: Tensor, upstream: Tensor, label_smoothing: float
) -> tuple[Smoothing, Tensor | None]:
    """The terms, logit_scale in upstream; for float16 also the device scalar that undoes their scaling to its range."""
    g = upstream.float() * logits.head.logit_scale
    factor = None
    if logits.dtype == torch.float16:
        unit = g.abs().max()
        unit = torch.where(unit > 0, unit, 1.0)
        g, factor = g * (HALF_RANGE / unit), unit / HALF_RANGE
    return Smoothing(lse, targets.contiguous(), g, 1.0 - label_smoothing, label_smoothing / logits.head.n_vocab), factor


class Chunk(NamedTuple):
    """dlogits (N, stop - first) of the columns first..stop; bias_parts: their sums over each block of rows, or None."""

    dlogits: Tensor
    first: int
    stop: int
    bias_parts: Tensor | None


class GradientSum:
    """dH, dW and the bias gradient as the chunks of dlogits come in, in column order."""

    def __init__(
        self, logits: HeadLogits, factor: Tensor | None, needs: Needs, scratch_bytes: int, out: Tensor | None = None
    ) -> None:
        """out: where dW goes, in its own dtype; the weight may lie in its upper half (retained.py)."""
        self.logits, self.factor = logits, factor
        self.hidden = HiddenGradient(logits.hidden, factor, scratch_bytes) if needs.hidden else None
        weight = logits.head.weight
        self.weight_dtype = weight.dtype if out is None else out.dtype
        if needs.weight and out is None:
            kept = torch.float32 if weight.dtype == torch.float64 else weight.dtype
            out = torch.empty(weight.shape, dtype=kept, device=weight.device)
        self.weight = out if needs.weight else None
        self.bias = None
        if needs.bias:
            self.bias = torch.zeros(weight.shape[0], dtype=torch.float32, device=weight.device)
        self.left = logits.head.n_vocab

    def bias_parts(self, columns: int, row_block: int) -> Tensor | None:
        """Where a chunk's kernel puts its sums over each block of rows."""
        if self.bias is None:
            return None
        return torch.empty(
            -(-self.logits.hidden.shape[0] // row_block), columns, dtype=torch.float32, device=self.bias.device
        )

    def add(self, chunk: Chunk) -> None:
        dlogits, first, stop, bias_parts = chunk
        self.left -= stop - first
        if self.hidden is not None:  # before the rows of dW, which may lie where the weight's were
            self.hidden.add(dlogits, self.logits.head.weight[first:stop], last=self.left == 0)
        if self.weight is not None:
            weight_product(dlogits, self.logits.hidden, self.weight[first:stop], self.factor)
        if self.bias is not None and bias_parts is not None:
            torch.sum(bias_parts[:, : stop - first], 0, out=self.bias[first:stop])

    def result(self) -> Gradients:
        assert self.left == 0
        head = self.logits.head
        if self.weight is not None:
            self.weight[head.n_vocab :].zero_()
        if self.bias is not None and self.factor is not None:
            self.bias *= self.factor
        return Gradients(
            None if self.hidden is None else self.hidden.finish(),
            None if self.weight is None else self.weight.to(self.weight_dtype),
            None if self.bias is None or head.bias is None else self.bias.to(head.bias.dtype),
        )


def add_chunks(
    logits: HeadLogits,
    tiles: Tiles,
    gradients: GradientSum,
    columns: int,
    scratch: Tensor,
    write: Callable[[Chunk], None],
) -> None:
    """Take in all columns of the vocabulary, `columns` at a time; scratch: bytes for one such chunk.

    write(chunk) fills its dlogits and bias_parts.
    """
    n_rows, n_vocab = logits.hidden.shape[0], logits.head.n_vocab
    buffer = scratch[: n_rows * columns * logits.dtype.itemsize].view(logits.dtype).view(n_rows, columns)
    bias_parts = gradients.bias_parts(columns, tiles.rows)
    for start in range(0, n_vocab, columns):
        stop = min(start + columns, n_vocab)
        chunk = Chunk(buffer[:, : stop - start], start, stop, bias_parts)
        write(chunk)
        gradients.add(chunk)


def chunk_scratch(
    logits: HeadLogits, tiles: Tiles, room: int, needs: Needs, most_per_logit: int, row_bytes: int = 0
) -> Tensor:
    """Bytes for chunks: what `room` leaves beside the bias gradient's sums and, for a row, a few floats and row_bytes.

    Never less than one block of columns needs, nor more than most_per_logit bytes for every logit.
    """
    n_rows = logits.hidden.shape[0]
    room -= SMALL_BYTES + (ROW_BYTES + row_bytes) * n_rows
    if needs.bias:
        room -= room // BIAS_SHARE
    floor = n_rows * tiles.columns * logits.dtype.itemsize
    most = n_rows * (logits.head.n_vocab + tiles.columns) * most_per_logit
    return torch.empty(min(max(room, floor), most), dtype=torch.uint8, device=logits.hidden.device)


def by_recomputation(
    logits: HeadLogits,
    tiles: Tiles,
    needs: Needs,
    factor: Tensor | None,
    scratch_bytes: int,
    write: Callable[[Chunk], None],
) -> Gradients:
    """All columns through add_chunks, in scratch_bytes but never less than one block of columns."""
    held = HiddenGradient.scratch_bytes(logits.hidden, scratch_bytes) if needs.hidden else 0
    gradients = GradientSum(logits, factor, needs, scratch_bytes)
    scratch = chunk_scratch(logits, tiles, scratch_bytes - held, needs, most_per_logit=logits.dtype.itemsize)
    n_rows, width = logits.hidden.shape
    columns = chunk_columns(
        n_rows, width, logits.head.n_vocab, logits.dtype.itemsize, scratch.numel(), tiles.columns, scratch.device
    )
    with full_sums(scratch.device):
        add_chunks(logits, tiles, gradients, columns, scratch, write)
    del scratch  # dH's 16-bit result takes its room
    return gradients.result()


def by_rows(
    hidden: Tensor, head: Head, needs: Needs, scratch_bytes: int, run: Callable[[slice, Needs, int], Gradients]
) -> Gradients:
    """All rows at once, or dH in blocks of rows where its sum over all rows would take over 5/8 of the scratch.

    run(rows, needs, scratch_bytes) gives the gradients of these rows. For dH in blocks the logits are computed once
    more, after dW.
    """
    n_rows = hidden.shape[0]
    if n_rows == 0:
        return _of_no_rows(hidden, head, needs)
    if not needs.hidden or n_rows == 1 or HiddenGradient.fits(hidden, scratch_bytes):
        return run(slice(None), needs, scratch_bytes)
    others = needs._replace(hidden=False)
    found = run(slice(None), others, scratch_bytes) if any(others) else Gradients(None, None, None)
    row = hidden.shape[1] * hidden.element_size()  # of a block's result, which is copied
    held = HiddenGradient.scratch_bytes(hidden[:1], scratch_bytes)
    block = min(n_rows, max(1, scratch_bytes // 2 // (row + held)))
    by_hidden = torch.empty(hidden.shape, dtype=hidden.dtype, device=hidden.device)
    for start in range(0, n_rows, block):
        rows = slice(start, min(start + block, n_rows))
        part = run(rows, Needs(True, False, False), max(1, scratch_bytes - block * row)).hidden
        assert part is not None
        by_hidden[rows] = part
        del part  # the next block takes its room
    return found._replace(hidden=by_hidden)


def _of_no_rows(hidden: Tensor, head: Head, needs: Needs) -> Gradients:
    return Gradients(
        *(
            torch.zeros_like(tensor) if tensor is not None and need else None
            for tensor, need in zip((hidden, head.weight, head.bias), needs, strict=True)
        )
    )
