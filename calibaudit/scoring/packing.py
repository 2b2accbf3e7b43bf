"""Packed rows: a context runs once, its continuations behind it: in a forest without padding, or side by side in rows
of the network, under a mask that sets them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from calibaudit.models.attention.forest import Forest, Runs, columns_of
from calibaudit.models.model import Model
from calibaudit.models.prefix_cache import Layout, common_length, lay_out
from calibaudit.scoring.encode import Row, Tokens
from calibaudit.scoring.sums import Found, Reader, Span, Totals, V, common_prefix, integers, pad, parts

COLUMNS_BESIDE = 256
"""Continuations stand side by side up to this many columns, or twice their context: attention's cost grows with the
square, and from some width on a second run of the context costs less."""

COLUMN_MULTIPLE = 16
"""Masked attention is up to twice as fast where its columns fill the vector registers, and needs no copy on a GPU."""


SEEN_PER_TOKEN = 8
"""Tokens that may be seen for each that is run: keys and values that are looked up for a batch take memory too."""


class Planted(NamedTuple):
    """Rows of a forest, the distinct ways of each through it, and which way each of its continuations takes."""

    forest: Forest
    rows: list[Row]
    ways: list[list[Runs]]
    owners: list[list[int]]


def plant(rows: Iterable[Row], fits: Callable[[int, int], bool]) -> Planted:
    """As many of the first rows as fit, and one at least. fits: whether so many rows and tokens do.

    What a batch costs is the tokens that it runs, or an eighth of those that they see, where that is more: few-shot
    examples in common run once, but each row looks at them.
    """
    planted = Planted(Forest(), [], [], [])
    forest = planted.forest
    for row in rows:
        fed = [continuation[:-1] for continuation in row.continuations]
        distinct = {tokens: d for d, tokens in enumerate(sorted(set(fed)))}
        n_more, n_seen = row.length - 1 + sum(map(len, distinct)), len(distinct) * (row.length - 1)
        cost = max(forest.n_tokens + n_more, (forest.n_sources + n_seen) // SEEN_PER_TOKEN)
        if planted.rows and not fits(len(planted.rows) + 1, cost):
            break
        planted.ways.append(forest.add(row.context, list(distinct)))
        planted.owners.append([distinct[tokens] for tokens in fed])
        planted.rows.append(row)
    return planted


def run_planted(model: Model, planted: Planted, reader: Reader[V]) -> Found[V]:
    """The reader's value of each continuation of the rows."""
    features = model.run_forest(planted.forest)
    totals: Totals[V] = Totals(len(planted.rows))
    owners, spans = [], []
    for r, (row, ways, own) in enumerate(zip(planted.rows, planted.ways, planted.owners, strict=True)):
        for c, (continuation, way) in enumerate(zip(row.continuations, own, strict=True)):
            owners.append((r, c))
            spans.append(Span(0, columns_of(ways[way]), continuation))
    totals.add(owners, reader.sums(features, spans))
    return totals


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
) -> Found[V]:
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
    totals: Totals[V] = Totals(len(rows))
    pieces = sorted(pieces, key=lambda piece: -piece.width)
    for part in parts(pieces, rows_of(pieces[0].width)):
        layouts = [
            lay_out(rows[r].context, [rows[r].continuations[c][:-1] for c in chosen], n_common) for r, chosen, _ in part
        ]
        features = _packed_features(model, layouts, n_common, common)
        lasts = integers([len(rows[r].context) - n_common - 1 for r, _, _ in part], features.device)
        firsts = [[rows[r].continuations[c][0] for c in chosen] for r, chosen, _ in part]
        at_lasts = features[torch.arange(len(part), device=features.device), lasts]
        totals.add_each([(r, c) for r, chosen, _ in part for c in chosen], reader.each(at_lasts, firsts))
        longer = [
            (r, c, Span(p, columns, rows[r].continuations[c][1:]))
            for p, ((r, chosen, _), layout) in enumerate(zip(part, layouts, strict=True))
            for c, columns in zip(chosen, layout.columns, strict=True)
            if columns
        ]
        totals.add([(r, c) for r, c, _ in longer], reader.sums(features, [span for _, _, span in longer]))
    return totals


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
