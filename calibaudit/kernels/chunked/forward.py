"""The head in plain PyTorch, on any device: the vocabulary in chunks, the rows in blocks, never an N x V tensor.

Each chunk's logits live in one reused scratch buffer; a running maximum and a running sum of exponentials
(Milakov & Gimelshein 2018, arXiv 1805.02867) carry the log-sum-exp from chunk to chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.chunked.blocks import CPU_SCRATCH_BYTES as SCRATCH_BYTES
from calibaudit.kernels.chunked.blocks import blocks_for, span_of
from calibaudit.kernels.heads import Head, HeadForward
from calibaudit.kernels.precision import full_float32
from calibaudit.kernels.validation import IGNORE_INDEX, LinearLogprobs, check_targets


@torch.no_grad()
def linear_logprobs(
    hidden: Tensor, head: Head, targets: Tensor, *, scratch_bytes: int = SCRATCH_BYTES
) -> LinearLogprobs:
    """As `calibaudit.kernels.linear_logprobs`; beyond inputs and results at most about `scratch_bytes` are held."""
    running = _Running(targets, with_token=True)
    _pass_over(hidden, head, running, scratch_bytes)
    return running.logprobs()


@torch.no_grad()
def head_forward(hidden: Tensor, head: Head, targets: Tensor, *, top: bool, mean: bool) -> HeadForward:
    """As kernels/heads.py says."""
    running = _Running(targets, with_token=top, with_sum=mean)
    _pass_over(hidden, head, running, SCRATCH_BYTES)
    return running.forward(head.n_vocab)


@torch.no_grad()
def logprobs_from_logits(logits: Tensor, targets: Tensor, *, scratch_bytes: int = SCRATCH_BYTES) -> LinearLogprobs:
    """`linear_logprobs` of logits (N, V) that a model made itself; softmax in float32 whatever their dtype.

    targets: as for `linear_logprobs`. scratch_bytes: what may be held beyond inputs and results.
    """
    n_rows, n_vocab = logits.shape
    check_targets(targets, n_rows, n_vocab, logits.device)
    rows = max(1, min(n_rows, scratch_bytes // (4 * n_vocab)))
    running = _Running(targets, with_token=True)
    for first in range(0, n_rows, rows):
        last = min(first + rows, n_rows)
        running.add(logits[first:last].to(torch.float32, copy=True), 0, first, last)
    return running.logprobs()


def _pass_over(hidden: Tensor, head: Head, running: _Running, scratch_bytes: int) -> None:
    blocks = blocks_for(hidden, (head,), scratch_bytes)
    scratch = blocks.scratch(hidden.device)
    with full_float32(hidden.device):
        for start, stop in blocks.spans():
            span = span_of(head, start, stop)
            for first, last in blocks.row_cuts():
                running.add(span.logits(hidden[first:last].float(), scratch), start, first, last)


class _Running:
    """Maximum, its token, scaled sum of exponentials, target logits and sum of logits of every row, chunk by chunk."""

    def __init__(self, targets: Tensor, *, with_token: bool, with_sum: bool = False) -> None:
        n_rows, device = targets.shape[0], targets.device
        self.targets = targets
        self.wanted = targets if targets.ndim == 2 else targets[:, None]
        self.top = torch.full((n_rows,), -torch.inf, dtype=torch.float32, device=device)
        self.total = torch.zeros(n_rows, dtype=torch.float32, device=device)
        self.logit = torch.zeros(self.wanted.shape, dtype=torch.float32, device=device)
        self.token = torch.zeros(n_rows, dtype=torch.int64, device=device) if with_token else None
        self.sum = torch.zeros(n_rows, dtype=torch.float32, device=device) if with_sum else None

    def add(self, z: Tensor, start: int, first: int, last: int) -> None:
        """Take in z, the logits of rows first..last and of the columns from `start`. z is overwritten."""
        rows = slice(first, last)
        column = self.wanted[rows] - start
        inside = (column >= 0) & (column < z.shape[1])
        self.logit[rows] = torch.where(inside, z.gather(1, column.clamp(0, z.shape[1] - 1)), self.logit[rows])
        old_top = self.top[rows]
        if self.token is None:
            chunk_top = z.amax(dim=1)
        else:
            chunk_top, chunk_token = z.max(dim=1)  # documented to give the first index of a tie
            self.token[rows] = torch.where(chunk_top > old_top, chunk_token + start, self.token[rows])
        if self.sum is not None:
            self.sum[rows] += z.sum(dim=1)
        top = torch.maximum(old_top, chunk_top)
        shift = top.masked_fill(top == -torch.inf, 0.0)  # -inf - -inf would be NaN
        total = z.sub_(shift[:, None]).exp_().sum(dim=1)
        self.total[rows] = self.total[rows] * torch.exp(old_top - shift) + total
        self.top[rows] = top

    def logprobs(self) -> LinearLogprobs:
        assert self.token is not None
        log_total = self.total.log()
        # (z - top) - log_total keeps digits that z - lse would lose where the logits are large
        logprob = (self.logit - self.top[:, None]) - log_total[:, None]
        logprob = logprob.masked_fill(self.wanted == IGNORE_INDEX, 0.0).view(self.targets.shape)
        lse = self.top + log_total
        return LinearLogprobs(logprob, lse, torch.where(lse == -torch.inf, torch.nan, -log_total), self.token)

    def forward(self, n_vocab: int) -> HeadForward:
        mean = None if self.sum is None else self.sum / n_vocab
        top = None if self.token is None else self.top
        return HeadForward(self.top + self.total.log(), self.logit, top, self.token, mean)
