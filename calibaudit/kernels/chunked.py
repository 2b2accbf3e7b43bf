"""The head in plain PyTorch, on any device: the vocabulary in chunks, the rows in blocks, never an N x V tensor.

Each chunk's logits live in one reused scratch buffer; a running maximum and a running sum of exponentials
(Milakov & Gimelshein 2018, arXiv 1805.02867) carry the log-sum-exp from chunk to chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from calibaudit.kernels.arguments import IGNORE_INDEX, LinearLogprobs, check_linear, check_targets

SCRATCH_BYTES = 64 << 20
_CACHED_BYTES = 4 << 20  # on CPU a block of logits that stays near the cache is read back faster than it is written out


@torch.no_grad()
def linear_logprobs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    vocab_size: int | None = None,
    scratch_bytes: int = SCRATCH_BYTES,
) -> LinearLogprobs:
    """As `calibaudit.kernels.linear_logprobs`; beyond inputs and results at most about `scratch_bytes` are held."""
    n_vocab = check_linear(hidden, weight, targets, bias, softcap, logit_scale, vocab_size)
    n_rows, width = hidden.shape
    rows, columns = _block_shape(n_rows, n_vocab, width, hidden, weight, scratch_bytes)
    running = _Running(targets)
    scratch = torch.empty(rows * columns, dtype=torch.float32, device=hidden.device)
    with _full_float32(hidden.device):
        for start in range(0, n_vocab, columns) if n_rows else ():
            stop = min(start + columns, n_vocab)
            chunk = weight[start:stop].float().T  # an upcast chunk is made once for all rows
            offset = None if bias is None else bias[start:stop].float()
            for first in range(0, n_rows, rows):
                last = min(first + rows, n_rows)
                z = scratch[: (last - first) * (stop - start)].view(last - first, stop - start)
                block = hidden[first:last].float()
                if offset is None:
                    torch.mm(block, chunk, out=z)
                else:
                    torch.addmm(offset, block, chunk, out=z)
                if logit_scale != 1.0:
                    z.mul_(logit_scale)
                if softcap is not None:
                    z.div_(softcap).tanh_().mul_(softcap)
                running.add(z, start, first, last)
    return running.result()


@torch.no_grad()
def logprobs_from_logits(logits: Tensor, targets: Tensor, *, scratch_bytes: int = SCRATCH_BYTES) -> LinearLogprobs:
    """The same from logits (N, V) that a model made itself; softmax in float32 whatever their dtype."""
    n_rows, n_vocab = logits.shape
    check_targets(targets, n_rows, n_vocab, logits.device)
    rows = max(1, min(n_rows, scratch_bytes // (4 * n_vocab)))
    running = _Running(targets)
    for first in range(0, n_rows, rows):
        last = min(first + rows, n_rows)
        running.add(logits[first:last].to(torch.float32, copy=True), 0, first, last)
    return running.result()


class _Running:
    """Maximum, its token, scaled sum of exponentials and target logits of every row, over the chunks seen so far."""

    def __init__(self, targets: Tensor) -> None:
        n_rows, device = targets.shape[0], targets.device
        self.targets = targets
        self.wanted = targets if targets.ndim == 2 else targets[:, None]
        self.top = torch.full((n_rows,), -torch.inf, dtype=torch.float32, device=device)
        self.token = torch.zeros(n_rows, dtype=torch.int64, device=device)
        self.total = torch.zeros(n_rows, dtype=torch.float32, device=device)
        self.logit = torch.zeros(self.wanted.shape, dtype=torch.float32, device=device)

    def add(self, z: Tensor, start: int, first: int, last: int) -> None:
        """Take in z, the logits of rows first..last and of the columns from `start`. z is overwritten."""
        rows = slice(first, last)
        column = self.wanted[rows] - start
        inside = (column >= 0) & (column < z.shape[1])
        self.logit[rows] = torch.where(inside, z.gather(1, column.clamp(0, z.shape[1] - 1)), self.logit[rows])
        chunk_top, chunk_token = z.max(dim=1)  # documented to give the first index of a tie
        old_top = self.top[rows]
        self.token[rows] = torch.where(chunk_top > old_top, chunk_token + start, self.token[rows])
        top = torch.maximum(old_top, chunk_top)
        shift = top.masked_fill(top == -torch.inf, 0.0)  # -inf - -inf would be NaN
        total = z.sub_(shift[:, None]).exp_().sum(dim=1)
        self.total[rows] = self.total[rows] * torch.exp(old_top - shift) + total
        self.top[rows] = top

    def result(self) -> LinearLogprobs:
        log_total = self.total.log()
        # (z - top) - log_total keeps digits that z - lse would lose where the logits are large
        logprob = (self.logit - self.top[:, None]) - log_total[:, None]
        logprob = logprob.masked_fill(self.wanted == IGNORE_INDEX, 0.0).view(self.targets.shape)
        lse = self.top + log_total
        return LinearLogprobs(logprob, lse, torch.where(lse == -torch.inf, torch.nan, -log_total), self.token)


def _block_shape(
    n_rows: int, n_vocab: int, width: int, hidden: Tensor, weight: Tensor, scratch_bytes: int
) -> tuple[int, int]:
    """Rows and columns of one block: half the scratch for its logits, a quarter each for upcast hidden and weight."""
    on_cpu = hidden.device.type == "cpu"
    floats = scratch_bytes // 4
    block = min(floats // 2, _CACHED_BYTES // 4) if on_cpu else floats // 2
    columns = min(n_vocab, block // max(1, min(n_rows, 256 if on_cpu else 2048)))
    if weight.dtype != torch.float32:
        columns = min(columns, floats // 4 // max(1, width))
    columns = max(1, columns)
    rows = min(n_rows, block // columns)
    if hidden.dtype != torch.float32:
        rows = min(rows, floats // 4 // max(1, width))
    return max(1, rows), columns


@contextmanager
def _full_float32(device: torch.device) -> Iterator[None]:
    """No autocast and no TF32 or bfloat16 shortcut in float32 products, whatever the caller has set."""
    modules: tuple[Any, ...] = (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    settings = [module for module in modules if hasattr(module, "fp32_precision")]
    with torch.autocast(device.type, enabled=False):
        if settings:
            before = [module.fp32_precision for module in settings]
            for module, value in zip(settings, before, strict=True):
                if value not in ("ieee", "none"):
                    module.fp32_precision = "ieee"
            try:
                yield
            finally:
                for module, value in zip(settings, before, strict=True):
                    if value not in ("ieee", "none"):
                        module.fp32_precision = value
        else:  # torch before 2.9
            legacy = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
            try:
                yield
            finally:
                torch.set_float32_matmul_precision(legacy)
