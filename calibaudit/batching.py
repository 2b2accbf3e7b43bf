"""Token rows -> log-probabilities: longest first, a context run once, only the positions that count at the head."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeVar

import torch
from torch import Tensor

from calibaudit.encoding import Row, Tokens
from calibaudit.errors import ModelError
from calibaudit.models import Model, is_out_of_memory

T = TypeVar("T")

logger = logging.getLogger(__name__)

TOKENS_PER_BATCH = {"cpu": 4_096, "cuda": 65_536}
"""What `--batch-size auto` starts from, padding included; halved whenever memory runs out."""

LEAST_COMMON_PREFIX = 16
"""Tokens that must be common to a batch before they are run apart."""

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


def score_rows(model: Model, rows: Sequence[Row], size: BatchSize, names: Sequence[str]) -> Iterator[Batch]:
    """The rows' log-probabilities, a batch at a time, longest rows first so that a lack of memory shows at once.

    names: how an error names each row. Raises ModelError when one row alone does not fit in memory.
    """
    sides = [_rope_side(model, row) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (-sides[i], -rows[i].length, rows[i].context, i))
    start = 0
    while start < len(order):
        length, side = rows[order[start]].length, sides[order[start]]
        candidates = order[start : start + size.rows_of(length)]
        indices = tuple(takewhile(lambda i, side=side: sides[i] == side, candidates))  # type: ignore[misc]
        batch = [rows[i] for i in indices]
        try:
            logprobs = _score_batch(model, batch, size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            _make_room(model, size, length, names[indices[0]], error)
            continue
        yield Batch(indices, logprobs)
        start += len(indices)


def _make_room(model: Model, size: BatchSize, length: int, name: str, error: BaseException) -> None:
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


def _score_batch(model: Model, rows: Sequence[Row], size: BatchSize) -> tuple[tuple[float, ...], ...]:
    with torch.inference_mode():
        if model.shares_prefix and _shareable(model, rows):
            return _shared(model, rows, size)
        return _unshared(model, rows, size)


def _shareable(model: Model, rows: Sequence[Row]) -> bool:
    """Whether contexts cached on their own, with padding behind them, are what they are within whole rows."""
    width = max(len(row.context) for row in rows) + max(len(tokens) for row in rows for tokens in row.continuations)
    limit = model.max_padded_length
    return (limit is None or width <= limit) and all(_rope_side(model, row) != 1 for row in rows)


def _rope_side(model: Model, row: Row) -> int:
    """Where LongRoPE changes its factors: 0 for rows below that length, 2 for contexts above it, 1 across it."""
    if model.rope_switch is None or row.length - 1 <= model.rope_switch:
        return 0
    return 2 if len(row.context) > model.rope_switch else 1


def _shared(model: Model, rows: Sequence[Row], size: BatchSize) -> tuple[tuple[float, ...], ...]:
    """Each context once: its last position scores every first token, and its cache the rest.

    What all contexts start with (few-shot examples, a passage) runs once for the batch. Contexts are padded on the
    right, so that plain causal attention does for them and no mask is needed; the padding is masked from the
    continuations, which stand behind it.
    """
    long = [(r, c) for r, row in enumerate(rows) for c, tokens in enumerate(row.continuations) if len(tokens) > 1]
    n_common = _common_prefix([row.context for row in rows])
    if _rope_side(model, rows[0]) == 2 and n_common <= (model.rope_switch or 0):
        n_common = 0  # a short prefix run apart would get the rotary factors of short rows
    past = None
    if n_common:
        shared_ids = torch.tensor([rows[0].context[:n_common]], device=model.device)
        _, past = model.forward(shared_ids, use_cache=True)
        past = model.repeat_cache(past, torch.zeros(len(rows), dtype=torch.int64, device=model.device))
    ids, mask = _pad([row.context[n_common:] for row in rows], model.device)
    positions = n_common + torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    features, cache = model.forward(ids, position_ids=positions if n_common else None, past=past, use_cache=bool(long))
    lengths = mask.sum(1)
    mask = torch.cat([mask.new_ones(len(rows), n_common), mask], dim=1)
    firsts = [[tokens[0] for tokens in row.continuations] for row in rows]
    totals = _target_logprobs(model, features[torch.arange(len(rows), device=ids.device), lengths - 1], firsts)
    long.sort(key=lambda rc: -len(rows[rc[0]].continuations[rc[1]]))
    width = mask.shape[1] + max((len(rows[r].continuations[c]) for r, c in long), default=0)
    for part in _parts(long, size.rows_of(width)):
        picked = torch.tensor([r for r, _ in part], device=ids.device)
        tails = [rows[r].continuations[c] for r, c in part]
        tail_ids, tail_mask = _pad([tokens[:-1] for tokens in tails], model.device)
        positions = n_common + lengths[picked, None] + torch.arange(tail_ids.shape[1], device=ids.device)
        features, _ = model.forward(
            tail_ids,
            torch.cat([mask[picked], tail_mask], dim=1),
            positions * tail_mask,  # learned positions end with the window: padding must not point beyond it
            past=model.repeat_cache(cache, picked),
        )
        for (r, c), value in zip(part, _sums(model, features, [(0, tokens[1:]) for tokens in tails]), strict=True):
            totals[r][c] += value
    return tuple(map(tuple, totals))


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
        ids, _ = _pad(part, model.device)
        features, _ = model.forward(ids)
        # One-token continuations of one context share a sequence: they are read from the same position.
        owners = [(s, r, c) for s, sequence in enumerate(part) for r, c in sequences[sequence]]
        spans = [(len(rows[r].context) - 1, rows[r].continuations[c]) for _, r, c in owners]
        picked = torch.tensor([s for s, _, _ in owners], device=model.device)
        for (_, r, c), value in zip(owners, _sums(model, features, spans, picked), strict=True):
            totals[r][c] = value
    return tuple(map(tuple, totals))


def _common_prefix(contexts: Sequence[Tokens]) -> int:
    """Tokens that all contexts start with, where a pass of their own pays; each keeps a token after them."""
    first, last = min(contexts), max(contexts)  # what the extremes share, all share
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    n = min(n, min(map(len, contexts)) - 1)
    return n if len(contexts) > 1 and n >= LEAST_COMMON_PREFIX else 0


def _parts(values: Sequence[T], step: int) -> list[Sequence[T]]:
    return [values[start : start + step] for start in range(0, len(values), step)]


def _pad(sequences: Sequence[Tokens], device: torch.device) -> tuple[Tensor, Tensor]:
    """ids (rows, longest) with 0 behind the shorter ones, and the mask: 1 on tokens."""
    width = max(map(len, sequences))
    ids = [[*sequence, *[0] * (width - len(sequence))] for sequence in sequences]
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=device)
    mask = torch.arange(width, device=device) < lengths[:, None]
    return torch.tensor(ids, device=device), mask.long()


def _target_logprobs(model: Model, features: Tensor, targets: Sequence[Sequence[int]]) -> list[list[float]]:
    """features (rows, width); targets: ragged token ids of each row."""
    width = max(map(len, targets))
    padded = torch.tensor([[*t, *[NO_TARGET] * (width - len(t))] for t in targets], device=features.device)
    logprobs = model.target_logprobs(features, padded).logprob.double().tolist()
    return [values[: len(t)] for values, t in zip(logprobs, targets, strict=True)]


def _sums(
    model: Model, features: Tensor, spans: Sequence[tuple[int, Tokens]], picked: Tensor | None = None
) -> list[float]:
    """The summed log-probability of each span: (position that predicts its first token, its tokens).

    features (rows, positions, width). picked: the row of each span, else one span a row in order.
    """
    lengths = torch.tensor([len(tokens) for _, tokens in spans], device=features.device)
    span = torch.repeat_interleave(torch.arange(len(spans), device=features.device), lengths)
    columns = torch.tensor([start + j for start, tokens in spans for j in range(len(tokens))], device=features.device)
    targets = torch.tensor([token for _, tokens in spans for token in tokens], device=features.device)
    rows = span if picked is None else picked[span]
    logprob = model.target_logprobs(features[rows, columns], targets).logprob.double()
    return torch.zeros(len(spans), dtype=torch.float64, device=features.device).index_add_(0, span, logprob).tolist()
