"""Loss and gradients in one go in plain PyTorch: three products instead of four, where float32 logits can be kept.

The backward pass that knows each row's weight in the sum only later must make the logits a second time. Where it is
known, a block of rows keeps all of its logits until their log-sum-exp is found. The first block's lie in the storage of
the weight's gradient, which is empty until its rows are final: a chunk of columns takes the place of its own rows there
(rows of hidden at most as many as hidden is wide) and is read before they are written. Other blocks lie in the scratch,
and the weight's gradient is read and written once for each, so that they pay only where they have enough rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from calibaudit.kernels.chunked.anchored import anchored_backward, anchored_forward
from calibaudit.kernels.chunked.backward import GradientSums, head_backward, subtract_targets
from calibaudit.kernels.chunked.blocks import Blocks, Span, cuts, span_of
from calibaudit.kernels.chunked.forward import head_forward
from calibaudit.kernels.heads import AnchoredForward, Gradients, Head, HeadForward, Needs
from calibaudit.kernels.precision import full_float32
from calibaudit.kernels.validation import IGNORE_INDEX

MOST_KEPT = 37 << 20
"""Bytes of scratch unless the caller names another: 74 rows of 128,256 logits."""

_ENOUGH_ROWS = 64
_COLUMNS = 2048


def keeps(
    hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int, *, rounded: bool = False
) -> bool:  # fmt: skip
    """As kernels/heads.py says: float32 on a CPU, no softcap on what learns, and room for blocks of rows."""
    if rounded or hidden.device.type != "cpu" or heads[0].softcap is not None or hidden.shape[0] == 0:
        return False
    given = [hidden, *(tensor for head in heads for tensor in (head.weight, head.bias) if tensor is not None)]
    if any(tensor.dtype != torch.float32 for tensor in given):
        return False
    in_gradient, in_scratch = _room(hidden, heads, needs, scratch_bytes)
    return hidden.shape[0] <= in_gradient or in_scratch >= max(1, min(_ENOUGH_ROWS, hidden.shape[0]))


def _room(hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int) -> tuple[int, int]:
    """How many rows' logits the weight's gradient holds, and how many the scratch; an anchored row has two of each."""
    in_gradient = hidden.shape[1] // len(heads) if needs.weight else 0
    n_vocab = heads[0].n_vocab
    return in_gradient, scratch_bytes // (4 * (n_vocab * len(heads) + min(n_vocab, _COLUMNS)))


class _Kept(NamedTuple):
    """A block's logits: those of the columns from `start` lie at `step` * start, `rows` for each column and head."""

    storage: Tensor
    step: int
    rows: int

    def place(self, start: int, stop: int, which: int) -> Tensor:
        size = self.rows * (stop - start)
        return self.storage[self.step * start + which * size :][:size]


def _blocks(
    hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int, sums: GradientSums
) -> list[tuple[int, int, _Kept]]:
    """First and last row of every block, and where its logits are kept."""
    n_rows, kept = hidden.shape[0], len(heads)
    in_gradient, in_scratch = _room(hidden, heads, needs, scratch_bytes)
    found = []
    first = 0
    if sums.weight is not None and (n_rows <= in_gradient or in_gradient > in_scratch):
        first = min(n_rows, in_gradient)
        found.append((0, first, _Kept(sums.weight.view(-1), hidden.shape[1], first)))
    left = n_rows - first
    if left:
        rows = -(-left // -(-left // max(1, in_scratch)))  # blocks of one size
        scratch = torch.empty(rows * heads[0].n_vocab * kept, dtype=torch.float32)
        found += [(first + a, first + b, _Kept(scratch, kept * (b - a), b - a)) for a, b in cuts(left, rows)]
    return found


class _Row:
    """Each row's running maximum, sum of exponentials and target logit, over the spans of one head."""

    def __init__(self, n_rows: int) -> None:
        self.top = torch.full((n_rows,), -torch.inf)
        self.total = torch.zeros(n_rows)
        self.tops: list[Tensor] = []

    def add(self, z: Tensor) -> Tensor:
        """z becomes exp(z - the largest so far); how sums so far shrink."""
        old = self.top
        self.top = torch.maximum(old, z.amax(dim=1))
        shift = self.top.masked_fill(self.top == -torch.inf, 0.0)  # -inf - -inf would be NaN
        shrink = torch.exp(old - shift)
        self.total = self.total * shrink + z.sub_(shift[:, None]).exp_().sum(dim=1)
        self.tops.append(self.top)
        return shrink

    def lse(self) -> Tensor:
        return self.top + self.total.log()


def _target(z: Tensor, targets: Tensor, start: int, before: Tensor) -> Tensor:
    """z at the targets among its columns, `before` for the others."""
    column = targets - start
    inside = (column >= 0) & (column < z.shape[1])
    return torch.where(inside, z.gather(1, column.clamp(0, z.shape[1] - 1)[:, None])[:, 0], before)


class _Pass:
    """What both losses share: spans, sums, and a buffer for a span's dlogits."""

    def __init__(self, hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int) -> None:
        n_vocab = heads[0].n_vocab
        self.hidden = hidden
        self.sums = GradientSums(hidden, heads[0], Blocks(hidden.shape[0], n_vocab, 1, 1), needs)
        self.blocks = _blocks(hidden, heads, needs, scratch_bytes, self.sums)
        most = max(last - first for first, last, _ in self.blocks)
        columns = max(1, min(n_vocab, _COLUMNS, scratch_bytes // (4 * most)))
        self.spans = [[span_of(head, *cut) for head in heads] for cut in cuts(n_vocab, columns)]
        self.buffer = torch.empty(most * columns, dtype=torch.float32)

    def add(self, dz: Tensor, span: Span, targets: Tensor, upstream: Tensor, hard: float, rows: slice) -> None:
        """dz lacks its targets yet."""
        subtract_targets(dz, targets, span.start, hard, upstream)
        self.sums.add(dz, self.hidden[rows], span, rows.start, rows.stop)

    def like(self, kept: Tensor) -> Tensor:
        return self.buffer[: kept.numel()].view(kept.shape)


def _rounded(head: Head, hidden: Tensor) -> Head:
    return head._replace(weight=head.weight.to(hidden.dtype))


def _widened(gradients: Gradients, head: Head) -> Gradients:
    by_weight = gradients.weight
    return gradients._replace(weight=None if by_weight is None else by_weight.to(head.weight.dtype))


@torch.no_grad()
def head_loss_gradients(
    hidden: Tensor, head: Head, targets: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int, rounded: bool = False,
) -> tuple[HeadForward, Gradients]:  # fmt: skip
    """As kernels/heads.py says; where `keeps` says no, one pass after the other."""
    options: Any = {"label_smoothing": label_smoothing, "needs": needs, "scratch_bytes": scratch_bytes}
    if rounded:
        found, gradients = head_loss_gradients(hidden, _rounded(head, hidden), targets, upstream, **options)
        return found, _widened(gradients, head)
    if not keeps(hidden, (head,), needs, scratch_bytes):
        found = head_forward(hidden, head, targets[:, None], top=False, mean=label_smoothing > 0.0)
        return found, head_backward(hidden, head, targets, found.lse, upstream, **options)
    n_rows, n_vocab = hidden.shape[0], head.n_vocab
    work = _Pass(hidden, (head,), needs, scratch_bytes)
    lse, target, mean = (torch.zeros(n_rows) for _ in range(3))
    with full_float32(hidden.device):
        for first, last, kept in work.blocks:
            rows, row = slice(first, last), _Row(last - first)
            block, y, weight = hidden[rows], targets[rows], upstream[rows]
            for (span,) in work.spans:
                z = span.logits(block, kept.place(span.start, span.stop, 0))
                target[rows] = _target(z, y, span.start, target[rows])
                if label_smoothing:
                    mean[rows] += z.sum(dim=1)
                row.add(z)
            lse[rows] = row.lse()
            share = (label_smoothing / n_vocab * weight)[:, None]
            for (span,), top in zip(work.spans, row.tops, strict=True):
                z = kept.place(span.start, span.stop, 0).view(last - first, -1)
                dz = torch.mul(z, (torch.exp(top - lse[rows]) * weight)[:, None], out=work.like(z))
                if label_smoothing:
                    dz.sub_(share)
                work.add(dz, span, y, weight, 1.0 - label_smoothing, rows)
    target = target.masked_fill(targets == IGNORE_INDEX, 0.0)[:, None]
    return HeadForward(lse, target, None, None, mean / n_vocab if label_smoothing else None), work.sums.result()


@torch.no_grad()
def anchored_loss_gradients(
    hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor, upstream: Tensor, *,
    label_smoothing: float, needs: Needs, scratch_bytes: int, rounded: bool = False,
) -> tuple[AnchoredForward, Gradients]:  # fmt: skip
    """As kernels/heads.py says: four products instead of six where `keeps` says yes, else one pass after the other."""
    options: Any = {"label_smoothing": label_smoothing, "needs": needs, "scratch_bytes": scratch_bytes}
    if rounded:
        given = (hidden, _rounded(head, hidden), prior_hidden, prior, targets)
        found, gradients = anchored_loss_gradients(*given, upstream, **options)
        return found, _widened(gradients, head)
    if prior_hidden.dtype != torch.float32 or not keeps(hidden, (head, prior), needs, scratch_bytes):
        given = (hidden, head, prior_hidden, prior, targets)
        found = anchored_forward(*given)
        return found, anchored_backward(*given, found.lse, found.prior_lse, upstream, **options)
    n_rows = hidden.shape[0]
    work = _Pass(hidden, (head, prior), needs, scratch_bytes)
    lse, target, prior_lse, mean = (torch.zeros(n_rows) for _ in range(4))
    with full_float32(hidden.device):
        for first, last, kept in work.blocks:
            rows, row, prior_row = slice(first, last), _Row(last - first), _Row(last - first)
            block, prior_block, y, weight = hidden[rows], prior_hidden[rows], targets[rows], upstream[rows]
            for span, prior_span in work.spans:
                z = span.logits(block, kept.place(span.start, span.stop, 0))
                q = prior_span.logits(prior_block, kept.place(span.start, span.stop, 1))
                target[rows] = _target(z, y, span.start, target[rows])
                shrink = prior_row.add(q)
                weighted = torch.mul(q, z, out=work.like(z))
                if head.bias is not None:  # 0 * -inf: a token that both rule out adds nothing
                    weighted.masked_fill_(weighted.isnan() & (z == -torch.inf), 0.0)
                mean[rows] = mean[rows] * shrink + weighted.sum(dim=1)
                row.add(z)
            lse[rows], prior_lse[rows] = row.lse(), prior_row.lse()
            mean[rows] /= prior_row.total
            for (span, _), top, prior_top in zip(work.spans, row.tops, prior_row.tops, strict=True):
                z, q = (kept.place(span.start, span.stop, which).view(last - first, -1) for which in range(2))
                dz = torch.mul(z, (torch.exp(top - lse[rows]) * weight)[:, None], out=work.like(z))
                dz.addcmul_(q, (torch.exp(prior_top - prior_lse[rows]) * weight)[:, None], value=-label_smoothing)
                work.add(dz, span, y, weight, 1.0 - label_smoothing, rows)
    found = AnchoredForward(lse, target.masked_fill(targets == IGNORE_INDEX, 0.0), prior_lse, mean)
    return found, work.sums.result()


def scale_by(tensors: Iterable[Tensor | None], factor: Tensor) -> None:
    """Each tensor times factor, a single number, in place; without a pass over them where a CPU sees that it is 1."""
    for tensor in tensors:
        if tensor is not None and (tensor.device.type != "cpu" or factor.item() != 1.0):
            tensor.mul_(factor)
