"""A head's logits block by block in plain PyTorch: how large a block may be, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from calibaudit.kernels.heads import Head

CPU_SCRATCH_BYTES = 64 << 20
GPU_SCRATCH_BYTES = 512 << 20
_CACHED_BYTES = 4 << 20  # on CPU a block of logits that stays near the cache is read back faster than it is written out


class Span(NamedTuple):
    """Columns start..stop of a head. weight: (stop - start, D) float32. bias: (stop - start,) float32 or None."""

    start: int
    stop: int
    weight: Tensor
    bias: Tensor | None
    softcap: float | None
    logit_scale: float

    def logits(self, hidden: Tensor, scratch: Tensor) -> Tensor:
        """(rows, D) float32 -> (rows, stop - start) float32, in `scratch`'s memory."""
        z = scratch[: hidden.shape[0] * (self.stop - self.start)].view(hidden.shape[0], -1)
        if self.bias is not None:
            torch.addmm(self.bias, hidden, self.weight.T, beta=self.logit_scale, alpha=self.logit_scale, out=z)
        elif self.logit_scale != 1.0:
            torch.addmm(z, hidden, self.weight.T, beta=0.0, alpha=self.logit_scale, out=z)
        else:
            torch.mm(hidden, self.weight.T, out=z)
        if self.softcap is not None:
            z.div_(self.softcap).tanh_().mul_(self.softcap)
        return z


def span_of(head: Head, start: int, stop: int) -> Span:
    """The rows of weight, upcast once for all rows of hidden."""
    bias = None if head.bias is None else head.bias[start:stop].float()
    return Span(start, stop, head.weight[start:stop].float(), bias, head.softcap, head.logit_scale)


class Blocks(NamedTuple):
    """How rows and columns are cut, and one reused float32 scratch a logits buffer."""

    n_rows: int
    n_vocab: int
    rows: int
    columns: int

    def spans(self) -> Iterator[tuple[int, int]]:
        return cuts(self.n_vocab, self.columns) if self.n_rows else iter(())

    def row_cuts(self) -> Iterator[tuple[int, int]]:
        return cuts(self.n_rows, self.rows)

    def scratch(self, device: torch.device) -> Tensor:
        return torch.empty(self.rows * self.columns, dtype=torch.float32, device=device)


def cuts(n: int, size: int) -> Iterator[tuple[int, int]]:
    """0..n in pieces of `size`; the last may be smaller."""
    return ((first, min(first + size, n)) for first in range(0, n, size))


def blocks_for(
    hidden: Tensor, heads: tuple[Head, ...], scratch_bytes: int, *, n_buffers: int = 1, column_floats: int = 0
) -> Blocks:
    """Half the scratch for `n_buffers` blocks of logits, a quarter each for float32 copies by column and by row.

    heads: one, or two over the same vocabulary; a span of weight is upcast unless it is float32 already.
    column_floats: further floats held for each column of a span, such as a row of a gradient.
    """
    n_rows, n_vocab = hidden.shape[0], heads[0].n_vocab
    on_cpu = hidden.device.type == "cpu"
    floats = max(1, scratch_bytes // 4)
    block = floats // 2 // n_buffers
    if on_cpu:
        block = min(block, _CACHED_BYTES // 4)
    by_column = column_floats + sum(head.weight.shape[1] for head in heads if head.weight.dtype != torch.float32)
    columns = min(n_vocab, block // max(1, min(n_rows, 512 if on_cpu else 2048)))
    if by_column:
        columns = min(columns, floats // 4 // by_column)
    columns = max(1, columns)
    rows = min(n_rows, block // columns)
    if hidden.dtype != torch.float32:
        rows = min(rows, floats // 4 // max(1, hidden.shape[1]))
    return Blocks(n_rows, n_vocab, max(1, rows), columns)
