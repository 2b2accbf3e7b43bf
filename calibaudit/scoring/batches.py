"""Token rows -> log-probabilities: widest first, a context run once, only the positions that count at the head."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from calibaudit.errors import ModelError
from calibaudit.models.devices import is_out_of_memory
from calibaudit.models.model import Model
from calibaudit.models.prefix_cache import Layout, block_mask, common_length, lay_out
from calibaudit.scoring.encode import Row, Tokens

T = TypeVar("T")

logger = logging.getLogger(__name__)

TOKENS_PER_BATCH = {"cpu": 2_048, "cuda": 65_536}
"""What `--batch-size auto` starts from, padding included; halved whenever memory runs out."""

LEAST_COMMON_PREFIX = 16
"""Tokens that must be common to a batch before they are run apart."""

COLUMNS_BESIDE = 256
"""Continuations stand side by side up to this many columns, or twice their context: attention's cost grows with the
square, and from some width on a second run of the context costs less."""

COLUMN_MULTIPLE = 16
"""Masked attention is up to twice as fast where its columns fill the vector registers, and needs no copy on a GPU."""

NO_TARGET = -100


class BatchSize:
    """How many rows of a given length go into one batch: a fixed count, or as many as a token budget holds.

    rows: a fixed count, or None for `auto`. tokens: the budget of `auto`.
    """

    def __init__(self, rows: int | None, tokens: int) -> None:
        self._rows = rows
        self._tokens = tokens

    def rows_of(self, length: int) -> int:
        """Rows of `length` tokens that one batch takes, at least 1."""
        return self._rows if self._rows is not None else max(1, self._tokens // length)

    def halve(self, length: int) -> None:
        """After memory ran out on rows of `length` tokens: from now on half as many."""
        half = max(1, self.rows_of(length) // 2)
        if self._rows is None:
            self._tokens = half * length
        else:
            self._rows = half


def batch_size_for(model: Model, rows: int | None) -> BatchSize:
    """`rows` a batch; None: by tokens, as the device holds."""
    return BatchSize(rows, TOKENS_PER_BATCH.get(model.device.type, TOKENS_PER_BATCH["cpu"]))


@dataclass(frozen=True)
class Batch:
    """Positions in the list of rows, and for each the log-probability of every continuation, nats."""

    indices: tuple[int, ...]
    logprobs: tuple[tuple[float, ...], ...]


class _Piece(NamedTuple):
    """A row of the network: the context of rows[row] and some of its continuations, sorted, behind it."""

    row: int
    continuations: tuple[int, ...]
    width: int


def score_rows(model: Model, rows: Sequence[Row], size: BatchSize, names: Sequence[str]) -> Iterator[Batch]:
    """The rows' log-probabilities, a batch at a time, widest rows first so that a lack of memory shows at once.

    names: how an error names each row. Raises ModelError when one row alone does not fit in memory.
    """
    pieces = [_pieces(model, row, r) for r, row in enumerate(rows)]
    widths = [max((piece.width for piece in parts), default=rows[r].length - 1) for r, parts in enumerate(pieces)]
    kinds = [(_rope_side(model, row), bool(parts)) for row, parts in zip(rows, pieces, strict=True)]
    order = sorted(range(len(rows)), key=lambda i: (*kinds[i], widths[i], rows[i].context, i), reverse=True)
    start = 0
    while start < len(order):
        width, kind = widths[order[start]], kinds[order[start]]
        candidates = order[start : start + size.rows_of(width)]
        indices = tuple(takewhile(lambda i, kind=kind: kinds[i] == kind, candidates))  # type: ignore[misc]
        batch = [rows[i] for i in indices]
        try:
            with torch.inference_mode():
                if kind[1]:
                    packed = [piece._replace(row=r) for r, i in enumerate(indices) for piece in pieces[i]]
                    logprobs = _packed(model, batch, packed, size)
                else:
                    logprobs = _unshared(model, batch, size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            make_room(model, size, width, names[indices[0]], error)
            continue
        yield Batch(indices, logprobs)
        start += len(indices)


def make_room(model: Model, size: BatchSize, length: int, name: str, error: BaseException) -> None:
    """After memory ran out on rows of `length` tokens: fewer a batch. Raises ModelError, naming `name`, at one row."""
    n_rows = size.rows_of(length)
    if n_rows == 1:
        raise ModelError(
            f"{name}: {length} tokens do not fit in memory even alone on {model.device}; "
            "try --dtype bfloat16, fewer shots (--num-fewshot) or a device with more memory"
        ) from error
    size.halve(length)
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    logger.warning("out of memory with %d rows of %d tokens; going on with %d", n_rows, length, size.rows_of(length))


def _pieces(model: Model, row: Row, index: int) -> list[_Piece]:
    """How the row's continuations are laid side by side; none where each must run as a whole row of its own."""
    n_context, limit = len(row.context), model.max_packed_length
    if not model.shares_prefix or _rope_side(model, row) == 1 or row.length - 1 > limit:
        return []
    limit = min(limit, n_context + max(COLUMNS_BESIDE, 2 * n_context))
    pieces: list[_Piece] = []
    before: Tokens = ()
    for c in sorted(range(len(row.continuations)), key=lambda c: row.continuations[c]):
        fed = row.continuations[c][:-1]
        added = len(fed) - common_length(before, fed)
        if pieces and pieces[-1].width + added <= limit:
            last = pieces.pop()
            pieces.append(_Piece(index, (*last.continuations, c), last.width + added))
        else:
            pieces.append(_Piece(index, (c,), n_context + len(fed)))
        before = fed
    return pieces


def _rope_side(model: Model, row: Row) -> int:
    """Where LongRoPE changes its factors: 0 for rows below that length, 2 for contexts above it, 1 across it."""
    if model.rope_switch is None or row.length - 1 <= model.rope_switch:
        return 0
    return 2 if len(row.context) > model.rope_switch else 1


def _packed(
    model: Model, rows: Sequence[Row], pieces: Sequence[_Piece], size: BatchSize
) -> tuple[tuple[float, ...], ...]:
    """Each piece as one row: its context's last position scores all first tokens, each continuation's own the rest.

    What all contexts start with (few-shot examples, a passage) runs once for the batch, and is cached.
    """
    n_common = _common_prefix([row.context for row in rows])
    if _rope_side(model, rows[0]) == 2 and n_common <= (model.rope_switch or 0):
        n_common = 0  # a short prefix run apart would get the rotary factors of short rows
    common = None
    if n_common:
        common = model.forward(torch.tensor([rows[0].context[:n_common]], device=model.device), use_cache=True)[1]
    totals = [[0.0] * len(row.continuations) for row in rows]
    pieces = sorted(pieces, key=lambda piece: -piece.width)
    for part in _parts(pieces, size.rows_of(pieces[0].width)):
        layouts = [
            lay_out(rows[r].context, [rows[r].continuations[c][:-1] for c in chosen], n_common) for r, chosen, _ in part
        ]
        features = _packed_features(model, layouts, n_common, common)
        lasts = _integers([len(rows[r].context) - n_common - 1 for r, _, _ in part], model.device)
        firsts = [[rows[r].continuations[c][0] for c in chosen] for r, chosen, _ in part]
        at_lasts = features[torch.arange(len(part), device=lasts.device), lasts]
        for (r, chosen, _), values in zip(part, _target_logprobs(model, at_lasts, firsts), strict=True):
            for c, value in zip(chosen, values, strict=True):
                totals[r][c] = value
        longer = [
            (r, c, _Span(p, columns, rows[r].continuations[c][1:]))
            for p, ((r, chosen, _), layout) in enumerate(zip(part, layouts, strict=True))
            for c, columns in zip(chosen, layout.columns, strict=True)
            if columns
        ]
        for (r, c, _), value in zip(longer, _sums(model, features, [span for _, _, span in longer]), strict=True):
            totals[r][c] += value
    return tuple(map(tuple, totals))


def _packed_features(model: Model, layouts: Sequence[Layout], n_common: int, common: Any) -> Tensor:
    """(layouts, columns, width), from the column after the common prefix on; `common` is that prefix's cache."""
    device, width = model.device, max(len(layout.tokens) for layout in layouts)
    mask = positions = None
    if any(any(layout.columns) for layout in layouts):  # else plain causal attention does, which needs no mask
        width = min(-(width + n_common) // COLUMN_MULTIPLE * -COLUMN_MULTIPLE, model.max_packed_length) - n_common
        mask = block_mask(_pad([layout.ends for layout in layouts], width, 0, device), n_common, model.network.dtype)
    if mask is not None or n_common:
        positions = _pad([layout.positions for layout in layouts], width, 0, device)
    if common is not None:
        common = model.repeat_cache(common, torch.zeros(len(layouts), dtype=torch.int64, device=device))
    return model.forward(_pad([layout.tokens for layout in layouts], width, 0, device), mask, positions, past=common)[0]


def _unshared(model: Model, rows: Sequence[Row], size: BatchSize) -> tuple[tuple[float, ...], ...]:
    """Every context and continuation as a row of its own, right-padded: right for any causal model."""
    totals = [[0.0] * len(row.continuations) for row in rows]
    sequences: dict[Tokens, list[tuple[int, int]]] = {}
    for r, row in enumerate(rows):
        for c, tokens in enumerate(row.continuations):
            sequences.setdefault(row.context + tokens[:-1], []).append((r, c))
    order = sorted(sequences, key=lambda sequence: -len(sequence))
    n_above = 0 if model.rope_switch is None else sum(len(sequence) > model.rope_switch for sequence in order)
    step = size.rows_of(len(order[0]))
    for part in [*_parts(order[:n_above], step), *_parts(order[n_above:], step)]:
        features, _ = model.forward(_pad(part, len(part[0]), 0, model.device))
        # One-token continuations of one context share a sequence: they are read from the same position.
        owners = [(s, r, c) for s, sequence in enumerate(part) for r, c in sequences[sequence]]
        spans = [
            _Span(s, range(len(rows[r].context) - 1, len(part[s])), rows[r].continuations[c]) for s, r, c in owners
        ]
        for (_, r, c), value in zip(owners, _sums(model, features, spans), strict=True):
            totals[r][c] = value
    return tuple(map(tuple, totals))


def _common_prefix(contexts: Sequence[Tokens]) -> int:
    """Tokens that all contexts start with, where a pass of their own pays; each keeps a token after them."""
    n = common_length(min(contexts), max(contexts))  # what the extremes share, all share
    n = min(n, min(map(len, contexts)) - 1)
    return n if len(contexts) > 1 and n >= LEAST_COMMON_PREFIX else 0


def _parts(values: Sequence[T], step: int) -> list[Sequence[T]]:
    return [values[start : start + step] for start in range(0, len(values), step)]


def _pad(sequences: Sequence[Sequence[int]], width: int, filler: int, device: torch.device) -> Tensor:
    """(sequences, width), with `filler` behind the shorter ones."""
    return _integers([[*sequence, *[filler] * (width - len(sequence))] for sequence in sequences], device)


def _integers(values: Sequence[Any], device: torch.device) -> Tensor:
    """int64, by way of NumPy, which reads lists five times faster."""
    return torch.from_numpy(np.array(values, dtype=np.int64)).to(device)


def _target_logprobs(model: Model, features: Tensor, targets: Sequence[Sequence[int]]) -> list[list[float]]:
    """features (rows, width); targets: ragged token ids of each row."""
    padded = _pad(targets, max(map(len, targets)), NO_TARGET, features.device)
    logprobs = model.target_logprobs(features, padded).logprob.double().tolist()
    return [values[: len(t)] for values, t in zip(logprobs, targets, strict=True)]


class _Span(NamedTuple):
    """Tokens to be summed: `columns` of the batch's row `row` predict them, one each."""

    row: int
    columns: Sequence[int]
    tokens: Tokens


def _sums(model: Model, features: Tensor, spans: Sequence[_Span]) -> list[float]:
    """The summed log-probability of each span. features (rows, columns, width)."""
    if not spans:
        return []
    device = features.device
    lengths = _integers([len(span.tokens) for span in spans], device)
    owner = torch.repeat_interleave(torch.arange(len(spans), device=device), lengths)
    rows = _integers([span.row for span in spans], device)[owner]
    columns = _integers([column for span in spans for column in span.columns], device)
    targets = _integers([token for span in spans for token in span.tokens], device)
    logprob = model.target_logprobs(features[rows, columns], targets).logprob.double()
    return torch.zeros(len(spans), dtype=torch.float64, device=device).index_add_(0, owner, logprob).tolist()
