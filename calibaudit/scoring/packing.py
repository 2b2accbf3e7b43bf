"""Packed rows: a context runs once, its continuations side by side behind it, under a mask that sets them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from calibaudit.models.model import Model
from calibaudit.models.prefix_cache import Layout, common_length, lay_out
from calibaudit.scoring.encode import Row, Tokens
from calibaudit.scoring.sums import Reader, Span, V, common_prefix, in_order, integers, pad, parts

COLUMNS_BESIDE = 256
"""Continuations stand side by side up to this many columns, or twice their context: attention's cost grows with the
square, and from some width on a second run of the context costs less."""

COLUMN_MULTIPLE = 16
"""Masked attention is up to twice as fast where its columns fill the vector registers, and needs no copy on a GPU."""


class Piece(NamedTuple):
    """A row of the network: the context of rows[row] and some of its continuations, sorted, behind it."""

    row: int
    continuations: tuple[int, ...]
    width: int


def pieces_of(model: Model, row: Row, index: int) -> list[Piece]:
    """How the row's continuations are laid side by side. The row is no longer than model.max_packed_length."""
    n_context, limit = len(row.context), model.max_packed_length
    limit = min(limit, n_context + max(COLUMNS_BESIDE, 2 * n_context))
    pieces: list[Piece] = []
    before: Tokens = ()
    for c in sorted(range(len(row.continuations)), key=lambda c: row.continuations[c]):
        fed = row.continuations[c][:-1]
        added = len(fed) - common_length(before, fed)
        if pieces and pieces[-1].width + added <= limit:
            last = pieces.pop()
            pieces.append(Piece(index, (*last.continuations, c), last.width + added))
        else:
            pieces.append(Piece(index, (c,), n_context + len(fed)))
        before = fed
    return pieces


def packed(
    model: Model, rows: Sequence[Row], pieces: Sequence[Piece], rows_of: Callable[[int], int], reader: Reader[V]
) -> tuple[tuple[V, ...], ...]:
    """Each piece as one row: its context's last position scores all first tokens, each continuation's own the rest.

    What all contexts start with (few-shot examples, a passage) runs once for the batch, and is cached.
    rows_of: rows of a given length that one call takes. Returns the reader's value of each continuation.
    """
    n_common = common_prefix([row.context for row in rows])
    if model.rope_switch is not None and n_common <= model.rope_switch < len(rows[0].context):
        n_common = 0  # a short prefix run apart would get the rotary factors of short rows
    common = None
    if n_common:
        start = torch.tensor([rows[0].context[:n_common]], device=model.device)
        common = model.forward(start, past=model.empty_cache(packed=True), use_cache=True)[1]
    totals: list[dict[int, V]] = [{} for _ in rows]
    pieces = sorted(pieces, key=lambda piece: -piece.width)
    for part in parts(pieces, rows_of(pieces[0].width)):
        layouts = [
            lay_out(rows[r].context, [rows[r].continuations[c][:-1] for c in chosen], n_common) for r, chosen, _ in part
        ]
        features = _packed_features(model, layouts, n_common, common)
        lasts = integers([len(rows[r].context) - n_common - 1 for r, _, _ in part], model.device)
        firsts = [[rows[r].continuations[c][0] for c in chosen] for r, chosen, _ in part]
        at_lasts = features[torch.arange(len(part), device=lasts.device), lasts]
        for (r, chosen, _), values in zip(part, reader.each(at_lasts, firsts), strict=True):
            for c, value in zip(chosen, values, strict=True):
                totals[r][c] = value
        longer = [
            (r, c, Span(p, columns, rows[r].continuations[c][1:]))
            for p, ((r, chosen, _), layout) in enumerate(zip(part, layouts, strict=True))
            for c, columns in zip(chosen, layout.columns, strict=True)
            if columns
        ]
        for (r, c, _), value in zip(longer, reader.sums(features, [span for _, _, span in longer]), strict=True):
            totals[r][c] += value
    return in_order(totals)


def _packed_features(model: Model, layouts: Sequence[Layout], n_common: int, common: Any) -> Tensor:
    """(layouts, columns, width), from the column after the common prefix on; `common` is that prefix's cache."""
    device, width = model.device, max(len(layout.tokens) for layout in layouts)
    mask = positions = None
    if any(any(layout.columns) for layout in layouts):  # else plain causal attention does, which needs no mask
        width = min(-(width + n_common) // COLUMN_MULTIPLE * -COLUMN_MULTIPLE, model.max_packed_length) - n_common
        length = 1 + max(max(layout.positions) for layout in layouts)
        ends = pad([layout.ends for layout in layouts], width, 0, device)
        positions = pad([layout.positions for layout in layouts], width, 0, device)
        mask = model.block_mask(ends, positions, n_common, length)
    elif n_common:
        positions = pad([layout.positions for layout in layouts], width, 0, device)
    if common is not None:
        common = model.repeat_cache(common, torch.zeros(len(layouts), dtype=torch.int64, device=device))
    return model.forward(pad([layout.tokens for layout in layouts], width, 0, device), mask, positions, past=common)[0]
