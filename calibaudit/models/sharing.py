"""How much of a network's work rows can share, proven on a few tokens: packed rows, copied caches, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from calibaudit.models.attention.forest import LEAST_SHARED, Forest, columns_of
from calibaudit.models.lengths import narrow_windows
from calibaudit.models.prefix_cache import lay_out, repeat_cache

Forward = Callable[..., tuple[Tensor, Any]]
Masks = Callable[[Tensor, Tensor, int, int], Any]
"""(ends, positions, n_common, length) -> what the network takes as its mask: `prefix_cache.block_masks`."""

TOLERANCE = {torch.float32: 1e-3, torch.float16: 3e-2, torch.bfloat16: 1e-1}
"""Largest |difference| over |hidden state| (Euclidean) at one position; a wrong position or mask is far above it."""

_OTHER_STATES = 0.5
"""Above this part of their size states are others; below it, 8-bit layers may have rounded a row by its neighbours."""

_COMMON = 4
_CONTEXTS = (5, 8)
_CONTINUATIONS = (3, 2)
N_PROBE = max(length + 2 * n for length, n in zip(_CONTEXTS, _CONTINUATIONS, strict=True))

_FAR = 72
"""Tokens of the longer context behind which a copied cache is proven: recurrent layers work in chunks, mostly of 64."""

_FARTHEST = 600
"""A window that cannot be narrowed is proven at its own width up to this many tokens."""

_FAULTS = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a network raises that takes no such mask or cache."""


def is_causal(forward: Forward, ids: Tensor, other: Tensor, tolerance: float) -> bool:
    """Whether the first half's states stay as they are when the second half's tokens change.

    Both rows run in one batch: 8-bit layers may round a row by what stands beside it, and round these two alike.
    """
    half = ids.shape[1] // 2
    changed = torch.cat([ids[:, :half], other[:, half:]], dim=1)
    before, after = forward(torch.cat([ids, changed]))[0][:, :half].chunk(2)
    alone = forward(ids[:, :half])[0]  # ProphetNet's states follow the row's length
    return _difference(before, after) <= tolerance and _difference(alone, before) <= max(tolerance, _OTHER_STATES)


def neighbours_part(forward: Forward, ids: Tensor, other: Tensor) -> float:
    """By how much of their size a row's states change with the row beside it in a batch; 0 but for rounding, mostly."""
    return _difference(forward(ids)[0], forward(torch.cat([ids, other]))[0][:1])


def follows_its_config(forward: Forward, config: Any, ids: Tensor, tolerance: float) -> bool:
    """Whether states change by more than the tolerance when the windows that the config names are made narrow."""
    wide = forward(ids)[0]
    try:
        with narrow_windows(config):
            return _difference(wide, forward(ids)[0]) > tolerance
    except _FAULTS:
        return False


def why_not_packed(forward: Forward, masks: Masks, fresh: Any, ids: Tensor, tolerance: float) -> str | None:
    """None when what scoring does with packed rows gives what whole rows give; else the reason, for the user.

    Two contexts of different length are followed by two continuations each, side by side in one row behind a block
    mask, padded on the right: first as they are, then with their first tokens run once for both, and cached.
    forward: Model.forward. fresh: makes the cache that is filled first. ids: (1, at least 2 * N_PROBE) token ids.
    """
    offset, device = max(_CONTEXTS), ids.device
    probe = ids[0].tolist()
    contexts = [[*probe[:_COMMON], *probe[_COMMON + i : length + i]] for i, length in enumerate(_CONTEXTS)]
    pairs = [[probe[offset + i : offset + i + n], probe[-n - i :][:n]] for i, n in enumerate(_CONTINUATIONS)]
    layouts = [lay_out(context, pair) for context, pair in zip(contexts, pairs, strict=True)]
    packed, positions, ends = (
        torch.tensor([[*values, *[0] * (N_PROBE - len(values))] for values in rows], device=device)
        for rows in list(zip(*layouts, strict=True))[:3]
    )
    tokens, places, stops = packed[:, _COMMON:], positions[:, _COMMON:], (ends - _COMMON).clamp(min=0)[:, _COMMON:]
    try:
        alone, _ = forward(packed, masks(ends, positions, 0, N_PROBE), positions)
        start, past = forward(ids[:, :_COMMON], past=fresh(), use_cache=True)
        if past is None:
            return "it keeps no cache"
        both = torch.tensor([0, 0], device=device)
        found = [
            torch.cat(
                [
                    start.expand(2, -1, -1),
                    forward(tokens, masks(stops, places, _COMMON, N_PROBE), places, past=repeat_cache(past, both))[0],
                ],
                dim=1,
            )
            for _attempt in range(2)  # the cache is not used up
        ]
        bare = forward(tokens[:, :offset], None, places[:, :offset], past=repeat_cache(past, both))[0]
    except _FAULTS:
        return "its layers take no mask that sets choices apart"
    worst = 0.0
    for row, (context, pair, layout) in enumerate(zip(contexts, pairs, layouts, strict=True)):
        for tail, columns in zip(pair, layout.columns, strict=True):
            whole = forward(torch.tensor([[*context, *tail]], device=device))[0][0]
            picked = [*range(len(context)), *columns]
            worst = max(worst, *(_difference(whole, states[row, picked]) for states in (alone, *found)))
            rest = slice(_COMMON, len(context))  # contexts alone need no mask
            worst = max(worst, _difference(whole[rest], bare[row, : len(context) - _COMMON]))
    if worst <= tolerance:
        return None
    return f"choices set side by side differ from whole rows by {worst:.1g} of their size"


def forest_holds(forward: Forward, run_forest: Callable[[Forest], Tensor], ids: Tensor, tolerance: float) -> bool:
    """Whether rows of a forest get the states that they get as whole rows.

    Two rows start alike and a third does not; their continuations start alike or not, and one of them is empty.
    forward, run_forest: Model's. ids: (1, at least 2 * N_PROBE) token ids.
    """
    probe = ids[0].tolist()
    start, rest = probe[:LEAST_SHARED], probe[LEAST_SHARED:]
    rows = [
        ([*start, *rest[:2]], [[], rest[4:7], rest[4:6] + rest[1:3]]),
        ([*start, *rest[1:5]], [rest[3:6]]),
        (rest[2:9], [rest[:3], rest[:2]]),
    ]
    forest = Forest()
    ways = [forest.add(context, tails) for context, tails in rows]
    try:
        states = run_forest(forest)[0]
    except _FAULTS:
        return False
    for (context, tails), found in zip(rows, ways, strict=True):
        for tail, way in zip(tails, found, strict=True):
            whole = forward(torch.tensor([[*context, *tail]], device=ids.device))[0][0, len(context) - 1 :]
            if not _difference(whole, states[columns_of(way)]) <= tolerance:
                return False
    return True


def copied_lengths(window: int | None, max_length: int) -> tuple[int, int] | None:
    """Tokens of the two contexts for `why_not_copied`; None where a window (None: none, or narrowed) is too wide."""
    far = min(_FAR if window is None else max(_FAR, window + _COMMON), max_length - max(_CONTINUATIONS))
    if window is not None and not window < far <= _FARTHEST:
        return None
    return (min(_COMMON + 3, far), far) if far > _COMMON else None


def why_not_copied(
    forward: Forward,
    extend: Forward,
    fresh: Any,
    ids: Tensor,
    lengths: Sequence[int],
    tolerance: float,
    recurrent: bool,
) -> str | None:
    """None when continuations behind copies of a context's cache give what whole rows give; else the reason.

    The first tokens run once, are copied for two contexts of the same length, and the two contexts' cache for their
    continuations, which are of different lengths, padded on the right, and in another order. forward, extend: Model's.
    fresh: makes the cache that is filled first. lengths: of contexts, in tokens, tried one after the other.
    ids: (1, at least 2 * (the longest + 3)). recurrent: how a refusal is worded.
    """
    kept = "recurrent state" if recurrent else "cache"
    cannot = f"its layers keep a {kept} that this version of transformers cannot copy"
    for length in lengths:
        probe, device = ids[0].tolist(), ids.device
        contexts = [[*probe[:_COMMON], *probe[_COMMON + i : length + i]] for i in range(2)]
        tails = [(i, probe[-n - i :][:n]) for i, n in ((1, 3), (0, 1), (1, 2), (0, 3))]
        owners = torch.tensor([i for i, _ in tails], device=device)
        padded = torch.tensor([[*tail, *[0] * (3 - len(tail))] for _, tail in tails], device=device)
        both, rest = torch.tensor([0, 0], device=device), torch.tensor(contexts, device=device)[:, _COMMON:]
        try:
            past = forward(ids[:, :_COMMON], past=fresh(), use_cache=True)[1]
            if past is None:
                return cannot
            copies = [repeat_cache(past, both) for _attempt in range(2)]  # the cache is not used up
            pasts = [extend(rest, copy, _COMMON, use_cache=True)[1] for copy in copies]
            found = [extend(padded, repeat_cache(past, owners), length)[0] for past in (*pasts, pasts[0])]
            single = extend(padded[:, :1], repeat_cache(pasts[0], owners), length)[0]  # has code of its own
        except _FAULTS:
            return cannot
        for row, (i, tail) in enumerate(tails):
            whole = forward(torch.tensor([[*contexts[i], *tail]], device=device))[0][0, length:]
            worst = max(_difference(whole, states[row, : len(tail)]) for states in found)
            worst = max(worst, _difference(whole[:1], single[row]))
            if worst > tolerance:
                return f"what follows a copy of its {kept} differs from whole rows by {worst:.1g} of their size"
    return None


def _difference(a: Tensor, b: Tensor) -> float:
    """Largest relative Euclidean distance over positions; infinite when either is not a number."""
    a, b = a.float(), b.float().to(a.device)
    distance = ((a - b).norm(dim=-1) / a.norm(dim=-1).clamp(min=1e-6)).max().item()
    return distance if distance == distance else float("inf")
