"""Running what rows share once: block masks, the key-value cache, and the proof that they change nothing."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import DynamicCache

Forward = Callable[..., tuple[Tensor, Any]]

TOLERANCE = {torch.float32: 1e-3, torch.float16: 3e-2, torch.bfloat16: 1e-1}
"""Largest |difference| over |hidden state| (Euclidean) at one position; a wrong position or mask is far above it."""

_CONTEXTS = (4, 7)
_CONTINUATIONS = (3, 2)
N_PROBE = max(length + 2 * n for length, n in zip(_CONTEXTS, _CONTINUATIONS, strict=True))

NEVER = sys.maxsize

_BLOCK = 32
"""Queries of one call of attention: more compute what the mask hides, fewer cost more calls."""


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
    """Whether the first half's states stay as they are when the second half's tokens change.

    Both rows run in one batch: 8-bit layers may round a row by what stands beside it, and round these two alike.
    """
    half = ids.shape[1] // 2
    changed = torch.cat([ids[:, :half], other[:, half:]], dim=1)
    before, after = forward(torch.cat([ids, changed]))[0][:, :half].chunk(2)
    return _difference(before, after) <= tolerance


def neighbours_part(forward: Forward, ids: Tensor, other: Tensor) -> float:
    """By how much of their size a row's states change with the row beside it in a batch; 0 but for rounding, mostly."""
    return _difference(forward(ids)[0], forward(torch.cat([ids, other]))[0][:1])


class Layout(NamedTuple):
    """A context and its continuations as columns of one row; what continuations start with alike stands there once.

    tokens, positions: of each column. ends: the column before which a column is seen, if it comes first.
    columns: of each continuation's tokens, one list each.
    """

    tokens: list[int]
    positions: list[int]
    ends: list[int]
    columns: list[list[int]]


def lay_out(context: Sequence[int], continuations: Iterable[Sequence[int]], first: int = 0) -> Layout:
    """The columns of context[first:] and of the continuations, which are sorted: a depth-first walk over their tree."""
    tokens, positions = [*context[first:]], [*range(first, len(context))]
    ends = [NEVER] * len(tokens)
    columns: list[list[int]] = []
    path: list[int] = []
    before: Sequence[int] = ()
    for continuation in continuations:
        shared = common_length(before, continuation)
        for column in path[shared:]:
            ends[column] = len(tokens)
        path = [*path[:shared], *range(len(tokens), len(tokens) + len(continuation) - shared)]
        tokens += continuation[shared:]
        positions += range(len(context) + shared, len(context) + len(continuation))
        ends += [NEVER] * (len(continuation) - shared)
        columns.append(path)
        before = continuation
    for column in path:
        ends[column] = len(tokens)
    return Layout(tokens, positions, ends, columns)


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of what both start with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def block_mask(ends: Tensor, n_common: int, dtype: torch.dtype) -> Tensor:
    """What each column of packed rows attends to, as an additive mask (B, 1, T, n_common + T): 0, or dtype's minimum.

    ends: (B, T) of the rows' layouts, 0 on padding. n_common: columns of an earlier part that all rows share, cached.
    A column attends to that part, to itself, and of its own row to the earlier columns that have not ended before it.
    """
    n_rows, width = ends.shape
    column = torch.arange(width, device=ends.device)
    seen = (ends[:, None, :] > column[:, None]) & (column <= column[:, None])
    seen |= column == column[:, None]  # padding too: a softmax over nothing is not a number
    mask = torch.zeros((n_rows, 1, width, n_common + width), dtype=dtype, device=ends.device)
    mask[..., n_common:].masked_fill_(~seen[:, None], torch.finfo(dtype).min)
    return mask.as_subclass(_LowerMask) if mask.device.type == "cpu" else mask


class _LowerMask(Tensor):
    """An additive mask under which nothing is seen to the right of the diagonal, which ends in the last column.

    PyTorch's attention on a CPU computes what a mask then hides; under this one it is given its queries in blocks,
    each with the columns up to its own last one. To everything else this is the plain tensor, and gives plain ones.
    (torch.nn.attention.bias.CausalBias reaches the same function in the same way.)
    """

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func is scaled_dot_product_attention:
                return _attention_in_blocks(*args, **(kwargs or {}))
            result = func(*args, **(kwargs or {}))
            if func is Tensor.__getitem__ and result.shape == args[0].shape:
                return args[0]  # some versions of transformers cut every mask to the number of its keys
            return result


def _attention_in_blocks(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor, dropout_p: float = 0.0, **options: Any
) -> Tensor:
    n_queries, n_keys = attn_mask.shape[-2:]
    if query.shape[-2] != n_queries or key.shape[-2] != n_keys:  # a family with its own way of calling
        return scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, **options)
    blocks = []
    for start in range(0, n_queries, _BLOCK):
        stop = min(start + _BLOCK, n_queries)
        seen = n_keys - n_queries + stop
        blocks.append(
            scaled_dot_product_attention(
                query[..., start:stop, :],
                key[..., :seen, :],
                value[..., :seen, :],
                attn_mask[..., start:stop, :seen],
                dropout_p,
                **options,
            )
        )
    return torch.cat(blocks, dim=-2)


def why_not_shared(forward: Forward, ids: Tensor, dtype: torch.dtype, tolerance: float) -> str | None:
    """None when what scoring does with a batch gives what whole rows give; else the reason, for the user.

    Two contexts of different length are followed by two continuations each, side by side in one row behind a block
    mask, padded on the right: first as they are, then with their first tokens run once for both, and cached.
    forward: Model.forward. ids: (1, at least 2 * N_PROBE) token ids. dtype: the hidden states'.
    """
    n_common, offset, device = min(_CONTEXTS) // 2, max(_CONTEXTS), ids.device
    probe = ids[0].tolist()
    contexts = [[*probe[:n_common], *probe[n_common + i : length + i]] for i, length in enumerate(_CONTEXTS)]
    pairs = [[probe[offset + i : offset + i + n], probe[-n - i :][:n]] for i, n in enumerate(_CONTINUATIONS)]
    layouts = [lay_out(context, pair) for context, pair in zip(contexts, pairs, strict=True)]
    packed, positions, ends = (
        torch.tensor([[*values, *[0] * (N_PROBE - len(values))] for values in rows], device=device)
        for rows in list(zip(*layouts, strict=True))[:3]
    )
    rest = [tensor[:, n_common:] for tensor in (packed, positions, (ends - n_common).clamp(min=0))]
    try:
        alone, _ = forward(packed, block_mask(ends, 0, dtype), positions)
        start, past = forward(ids[:, :n_common], use_cache=True)
        if past is None:
            return "it keeps no cache"
        both = torch.tensor([0, 0], device=device)
        found = [
            torch.cat(
                [
                    start.expand(2, -1, -1),
                    forward(rest[0], block_mask(rest[2], n_common, dtype), rest[1], past=repeat_cache(past, both))[0],
                ],
                dim=1,
            )
            for _attempt in range(2)  # the cache is not used up
        ]
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()
        return f"it takes no such mask or cache: {reason[0][:120] if reason else type(error).__name__}"
    worst = 0.0
    for row, (context, pair, layout) in enumerate(zip(contexts, pairs, layouts, strict=True)):
        for tail, columns in zip(pair, layout.columns, strict=True):
            whole = forward(torch.tensor([[*context, *tail]], device=device))[0][0]
            picked = [*range(len(context)), *columns]
            worst = max(worst, *(_difference(whole, states[row, picked]) for states in (alone, *found)))
    if worst <= tolerance:
        return None
    return f"packed rows differ from whole ones by {worst:.1g} of their size"


def _difference(a: Tensor, b: Tensor) -> float:
    """Largest relative Euclidean distance over positions; infinite when either is not a number."""
    a, b = a.float(), b.float().to(a.device)
    distance = ((a - b).norm(dim=-1) / a.norm(dim=-1).clamp(min=1e-6)).max().item()
    return distance if distance == distance else float("inf")
