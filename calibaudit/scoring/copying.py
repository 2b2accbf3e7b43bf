"""Continuations behind copies of their context's cache, and whole rows: for networks whose rows cannot be packed.

A recurrent state takes in every token that passes, so the rows whose cache is kept are never padded: contexts of
different lengths run together up to the end of the shortest, and what is left of the others runs with each of their
continuations. Those are padded on the right, and their cache is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from calibaudit.models.model import Model
from calibaudit.scoring.encode import Row, Tokens
from calibaudit.scoring.sums import Found, Reader, Span, Totals, V, common_prefix, integers, pad, parts

TOKENS_PER_CALL = {"cpu": 32, "cuda": 512}
"""What a call of the network costs beside its tokens, in tokens: fewer than these are rather run twice."""


class Group(NamedTuple):
    """rows: places in a batch. cut: the first tokens of each of their contexts that run once; 0: whole rows."""

    rows: tuple[int, ...]
    cut: int


def whole(model: Model, rows: Sequence[Row], rows_of: Callable[[int], int], reader: Reader[V]) -> Found[V]:
    """Every context and continuation as a row of its own, right-padded: right for any causal model.

    rows_of: rows of a given length that one call takes. Returns the reader's value of each continuation.
    """
    totals: Totals[V] = Totals(len(rows))
    _run_behind(model, rows, Group(tuple(range(len(rows))), 0), {(): 0}, None, rows_of, reader, totals)
    return totals


def copied(model: Model, rows: Sequence[Row], rows_of: Callable[[int], int], reader: Reader[V]) -> Found[V]:
    """Each continuation behind a copy of its context's cache; what all contexts start with runs once for the batch."""
    n_common = common_prefix([row.context for row in rows])
    call = TOKENS_PER_CALL.get(model.device.type, TOKENS_PER_CALL["cpu"])
    cost, groups = plan(rows, 0, call, model.one_by_one)
    if n_common:
        behind, others = plan(rows, n_common, call, model.one_by_one)
        n_common, groups = (n_common, others) if behind + call + n_common < cost else (0, groups)
    totals: Totals[V] = Totals(len(rows))
    common = None
    if n_common:
        start = torch.tensor([rows[0].context[:n_common]], device=model.device)
        common = model.forward(start, past=model.empty_cache(packed=False), use_cache=True)[1]
    for group in groups:
        starts = {start: s for s, start in enumerate(dict.fromkeys(rows[r].context[: group.cut] for r in group.rows))}
        past = common
        if group.cut > n_common:
            if common is None:
                past = model.empty_cache(packed=False)
            else:
                past = model.repeat_cache(common, torch.zeros(len(starts), dtype=torch.int64, device=model.device))
            rest = integers([start[n_common:] for start in starts], model.device)
            past = model.extend(rest, past, n_common, use_cache=True)[1]
        _run_behind(model, rows, group, starts, past, rows_of, reader, totals)
    return totals


def plan(rows: Sequence[Row], n_common: int, call: int, one_by_one: bool = False) -> tuple[int, list[Group]]:
    """Which contexts run together, and how much of them, at what cost: the tokens run, and `call` for each call.

    n_common: tokens that all contexts start with, which have run. Each group's cut is that, or a token less than its
    shortest context, whose last token is left to predict from. one_by_one: what follows a cache takes a call a token.
    The least cost of all such plans, but for padding and for further starts that contexts share.
    """
    order = sorted(range(len(rows)), key=lambda r: len(rows[r].context))
    lengths = [len(rows[r].context) for r in order]
    fed = [{continuation[:-1] for continuation in rows[r].continuations} for r in order]
    ends = [n + max(map(len, distinct)) for n, distinct in zip(lengths, fed, strict=True)]
    copies = _running([len(distinct) for distinct in fed])
    tails = _running([len(distinct) * n + sum(map(len, distinct)) for distinct, n in zip(fed, lengths, strict=True)])
    bounds = [*(i for i in range(len(order)) if i == 0 or lengths[i] > lengths[i - 1]), len(order)]

    def calls(start: int, stop: int) -> int:
        return call * (stop - start if one_by_one and start else 1)

    best = {0: (0, 0, 0)}
    for b, stop in enumerate(bounds[1:], 1):
        found, end = [], 0
        for start, after in zip(bounds[b - 1 :: -1], bounds[b::-1], strict=False):
            end = max(end, *ends[start:after])
            fed_behind, n_copies = tails[stop] - tails[start], copies[stop] - copies[start]
            cut = max(lengths[start] - 1, n_common)
            never = calls(n_common, end) + fed_behind - n_copies * n_common
            found.append((best[start][0] + never, start, n_common))
            if cut > n_common:
                once = calls(n_common, cut) + calls(cut, end) + (stop - start) * (cut - n_common)
                found.append((best[start][0] + once + fed_behind - n_copies * cut, start, cut))
        best[stop] = min(found)
    groups, stop = [], len(order)
    while stop:
        _, start, cut = best[stop]
        groups.append(Group(tuple(order[start:stop]), cut))
        stop = start
    return best[len(order)][0], groups


def _running(values: Sequence[int]) -> list[int]:
    total = [0]
    for value in values:
        total.append(total[-1] + value)
    return total


def _run_behind(
    model: Model,
    rows: Sequence[Row],
    group: Group,
    starts: dict[Tokens, int],
    past: Any,
    rows_of: Callable[[int], int],
    reader: Reader[V],
    totals: Totals[V],
) -> None:
    """Fills in the totals of the group's rows. past: a cache whose row starts[s] holds the tokens s; None: whole rows.

    Continuations that feed the network the same tokens (all of one token, of one context) are read from one row.
    """
    sequences: dict[tuple[Tokens, Tokens], list[tuple[int, int]]] = {}
    for r in group.rows:
        context = rows[r].context
        for c, tokens in enumerate(rows[r].continuations):
            key = (context[: group.cut], context[group.cut :] + tokens[:-1])
            sequences.setdefault(key, []).append((r, c))
    order = sorted(sequences, key=lambda key: -len(key[1]))
    n_above = 0 if model.rope_switch is None else sum(len(rest) > model.rope_switch for _, rest in order)
    step = rows_of(group.cut + len(order[0][1]))
    for part in [*parts(order[:n_above], step), *parts(order[n_above:], step)]:
        copy = None
        if past is not None:
            copy = model.repeat_cache(past, integers([starts[start] for start, _ in part], model.device))
        features, _ = model.extend(pad([rest for _, rest in part], len(part[0][1]), 0, model.device), copy, group.cut)
        owned = [(s, r, c) for s, key in enumerate(part) for r, c in sequences[key]]
        spans = [
            Span(s, range(len(rows[r].context) - group.cut - 1, len(part[s][1])), rows[r].continuations[c])
            for s, r, c in owned
        ]
        totals.add([(r, c) for _, r, c in owned], reader.sums(features, spans))
