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
from calibaudit.scoring.sums import Span, common_prefix, integers, pad, parts, sums

TOKENS_PER_CALL = {"cpu": 32, "cuda": 512}
"""What a call of the network costs beside its tokens, in tokens: fewer than these are rather run twice."""


class Group(NamedTuple):
    """rows: places in a batch. cut: the first tokens of each of their contexts that run once; 0: whole rows."""

    rows: tuple[int, ...]
    cut: int


def whole(model: Model, rows: Sequence[Row], rows_of: Callable[[int], int]) -> tuple[tuple[float, ...], ...]:
    """Every context and continuation as a row of its own, right-padded: right for any causal model.

    rows_of: rows of a given length that one call takes. Returns the log-probability of each continuation, nats.
    """
    totals = [[0.0] * len(row.continuations) for row in rows]
    _run_behind(model, rows, Group(tuple(range(len(rows))), 0), {(): 0}, None, rows_of, totals)
    return tuple(map(tuple, totals))


def copied(model: Model, rows: Sequence[Row], rows_of: Callable[[int], int]) -> tuple[tuple[float, ...], ...]:
    """Each continuation behind a copy of its context's cache; what all contexts start with runs once for the batch."""
    n_common = common_prefix([row.context for row in rows])
    totals = [[0.0] * len(row.continuations) for row in rows]
    common = None
    if n_common:
        start = torch.tensor([rows[0].context[:n_common]], device=model.device)
        common = model.forward(start, past=model.empty_cache(packed=False), use_cache=True)[1]
    for group in plan(rows, n_common, TOKENS_PER_CALL.get(model.device.type, TOKENS_PER_CALL["cpu"])):
        starts = {start: s for s, start in enumerate(dict.fromkeys(rows[r].context[: group.cut] for r in group.rows))}
        past = common
        if group.cut > n_common:
            if common is None:
                past = model.empty_cache(packed=False)
            else:
                past = model.repeat_cache(common, torch.zeros(len(starts), dtype=torch.int64, device=model.device))
            rest = integers([start[n_common:] for start in starts], model.device)
            past = model.forward(rest, past=past, use_cache=True)[1]
        _run_behind(model, rows, group, starts, past, rows_of, totals)
    return tuple(map(tuple, totals))


def plan(rows: Sequence[Row], n_common: int, call: int) -> list[Group]:
    """Which contexts run together, and how much of them, so that the tokens run and `call` for each call are fewest.

    n_common: tokens that all contexts start with, which have run. Each group's cut is that, or a token less than its
    shortest context, whose last token is left to predict from. Exact, but for padding and starts that contexts share.
    """
    order = sorted(range(len(rows)), key=lambda r: len(rows[r].context))
    lengths = [len(rows[r].context) for r in order]
    fed = [{continuation[:-1] for continuation in rows[r].continuations} for r in order]
    copies = _running([len(distinct) for distinct in fed])
    tails = _running([len(d) * n + sum(map(len, d)) for d, n in zip(fed, lengths, strict=True)])
    first = [0] + [i for i in range(1, len(order)) if lengths[i] > lengths[i - 1]]
    best: list[tuple[float, int, int]] = [(0.0, 0, 0)] + [(float("inf"), 0, 0)] * len(order)
    for stop in [*first[1:], len(order)]:
        for start in first:
            if start >= stop:
                break
            behind, n_copies = tails[stop] - tails[start], copies[stop] - copies[start]
            cut = max(lengths[start] - 1, n_common)
            once = 2 * call + (stop - start) * (cut - n_common) + behind - n_copies * cut
            never = call + behind - n_copies * n_common
            cost = best[start][0] + min(once, never)
            if cost < best[stop][0]:
                best[stop] = (cost, start, cut if once < never else n_common)
    groups, stop = [], len(order)
    while stop:
        _, start, cut = best[stop]
        groups.append(Group(tuple(order[start:stop]), cut))
        stop = start
    return groups


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
    totals: list[list[float]],
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
        owners = None if past is None else integers([starts[start] for start, _ in part], model.device)
        copy = None if past is None else model.repeat_cache(past, owners)
        features, _ = model.forward(pad([rest for _, rest in part], len(part[0][1]), 0, model.device), past=copy)
        owned = [(s, r, c) for s, key in enumerate(part) for r, c in sequences[key]]
        spans = [
            Span(s, range(len(rows[r].context) - group.cut - 1, len(part[s][1])), rows[r].continuations[c])
            for s, r, c in owned
        ]
        for (_, r, c), value in zip(owned, sums(model, features, spans), strict=True):
            totals[r][c] = value
