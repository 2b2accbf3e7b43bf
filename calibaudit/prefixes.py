"""Running a context once and its continuations after it: the key-value cache, and the proof that it changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

Forward = Callable[..., tuple[Tensor, Any]]

TOLERANCE = {torch.float32: 1e-3, torch.float16: 3e-2, torch.bfloat16: 1e-1}
"""Largest |difference| over |hidden state| (Euclidean) at one position; a wrong position or mask is far above it."""

_CONTEXTS = (4, 7)
_CONTINUATIONS = (3, 2)
N_PROBE = max(_CONTEXTS) + max(_CONTINUATIONS)


def fresh_cache(kind: str) -> Any:
    """`plain`: keeps every layer's whole past, whatever its window. `own`: None, so that the network makes its own."""
    return DynamicCache() if kind == "plain" else None


def repeat_cache(past: Any, rows: Tensor) -> Any:
    """A new cache whose batch row i is row rows[i] of `past`, which stays as it is."""
    if isinstance(past, tuple | list):
        return tuple(repeat_cache(part, rows) for part in past)
    if isinstance(past, Tensor):
        return past.index_select(0, rows.to(past.device))
    new = copy.copy(past)
    for name, value in vars(
        past
    ).items():  # batch_select_indices replaces the entries of these lists, not their tensors
        if isinstance(value, list):
            setattr(new, name, [copy.copy(entry) if not isinstance(entry, Tensor) else entry for entry in value])
    if hasattr(new, "batch_select_indices"):
        new.batch_select_indices(rows)
    else:
        new.reorder_cache(rows)
    return new


def is_causal(forward: Forward, ids: Tensor, other: Tensor, tolerance: float) -> bool:
    """Whether the first half's states stay as they are when the second half's tokens change."""
    half = ids.shape[1] // 2
    changed = torch.cat([ids[:, :half], other[:, half:]], dim=1)
    before, after = forward(ids)[0][:, :half], forward(changed)[0][:, :half]
    return _difference(before, after) <= tolerance


def why_not_shared(forward: Forward, ids: Tensor, tolerance: float) -> str | None:
    """None when what scoring does with a batch gives what whole rows give; else the reason, for the user.

    Two contexts of different length share their first tokens, which run once; their rest follows, padded on the right
    and without a mask; each is continued twice, behind the padding, with a mask.
    forward: Model.forward. ids: (1, at least 2 * N_PROBE) token ids.
    """
    width, n_tail, n_common = max(_CONTEXTS), max(_CONTINUATIONS), min(_CONTEXTS) // 2
    device = ids.device
    contexts = [torch.cat([ids[0, :n_common], ids[0, n_common + i : length + i]]) for i, length in enumerate(_CONTEXTS)]
    tails = [[ids[0, width + i : width + i + n], ids[0, -1 - n - i : -1 - i]] for i, n in enumerate(_CONTINUATIONS)]
    lengths = torch.tensor(_CONTEXTS, device=device)
    mask = (torch.arange(width, device=device) < lengths[:, None]).long()
    padded = torch.zeros((2, width), dtype=torch.int64, device=device)
    for row, context in enumerate(contexts):
        padded[row, : len(context)] = context
    rows = torch.tensor([0, 0, 1, 1], device=device)
    tail_ids = torch.zeros((4, n_tail), dtype=torch.int64, device=device)
    tail_mask = torch.zeros_like(tail_ids)
    for row, tail in enumerate(tails[0] + tails[1]):
        tail_ids[row, : len(tail)] = tail
        tail_mask[row, : len(tail)] = 1
    try:
        start, past = forward(ids[:, :n_common], use_cache=True)
        if past is None:
            return "it keeps no cache"
        positions = torch.arange(n_common, width, device=device).expand(2, -1)
        rest, past = forward(
            padded[:, n_common:],
            None,
            positions,
            past=repeat_cache(past, torch.tensor([0, 0], device=device)),
            use_cache=True,
        )
        prefix = torch.cat([start.expand(2, -1, -1), rest], dim=1)
        whole_mask = torch.cat([mask[rows], tail_mask], dim=1)
        tail_positions = lengths[rows, None] + torch.arange(n_tail, device=device)
        repeated = forward(tail_ids, whole_mask, tail_positions, past=repeat_cache(past, rows))[0]
        again = forward(tail_ids, whole_mask, tail_positions, past=repeat_cache(past, rows))[0]
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()
        return f"its cache cannot be reused: {reason[0][:120] if reason else type(error).__name__}"
    worst = _difference(repeated, again)
    for row in range(4):
        context, tail = contexts[row // 2], tails[row // 2][row % 2]
        plain = forward(torch.cat([context, tail])[None])[0][0]
        worst = max(
            worst,
            _difference(plain[: len(context)], prefix[row // 2, : len(context)]),
            _difference(plain[len(context) :], repeated[row, : len(tail)]),
        )
    if worst <= tolerance:
        return None
    return f"padded and cached rows differ from whole ones by {worst:.1g} of their size"


def _difference(a: Tensor, b: Tensor) -> float:
    """Largest relative Euclidean distance over positions; infinite when either is not a number."""
    a, b = a.float(), b.float().to(a.device)
    distance = ((a - b).norm(dim=-1) / a.norm(dim=-1).clamp(min=1e-6)).max().item()
    return distance if distance == distance else float("inf")
