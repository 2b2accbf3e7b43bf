"""What rows share, laid out: columns of packed rows, what each may see, and caches that are copied."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import DynamicCache

CacheKind = Literal["plain", "own"]

NEVER = sys.maxsize

_BLOCK = 32
"""Queries of one call of attention: more compute what the mask hides, fewer cost more calls."""


def fresh_cache(kind: CacheKind) -> Any:
    """`plain`: keeps every layer's whole past, whatever its window. `own`: None, so that the network makes its own."""
    return DynamicCache() if kind == "plain" else None


def repeat_cache(past: Any, rows: Tensor) -> Any:
    """A new cache whose batch row i is row rows[i] of `past`, which stays as it is.

    Keys, values, recurrent and convolution states alike: a cache of transformers selects each kind of its layers' own
    in `reorder_cache`, by replacing entries of lists and dicts, which are therefore copied first; tensors are not.
    """
    if isinstance(past, tuple | list):
        return tuple(repeat_cache(part, rows) for part in past)
    if isinstance(past, Tensor):
        return past.index_select(0, rows.to(past.device))
    new = _shallow(past)
    for name, value in vars(new).items():
        if isinstance(value, list):
            setattr(new, name, [entry if isinstance(entry, Tensor) else _shallow(entry) for entry in value])
    caches = [n for n, value in vars(new).items() if hasattr(value, "reorder_cache") and not isinstance(value, type)]
    for name in caches:  # of a decoder made for an encoder: a cache of caches
        setattr(new, name, repeat_cache(getattr(new, name), rows))
    if len(cache_devices(new)) > 1:
        rows = rows.cpu()  # a family's own cache may index with it, which no GPU does with an index on another
    select = getattr(type(new), "batch_select_indices", None)
    if select not in (None, DynamicCache.batch_select_indices):  # a family's own cache (MiniMax) knows what it holds
        select(new, rows)
    elif not caches:
        new.reorder_cache(rows)
    return new


def _shallow(value: Any) -> Any:
    """The object again, with lists and dicts of its own."""
    if isinstance(value, str | int | float | None):
        return value
    new = copy.copy(value)
    for name, entry in getattr(new, "__dict__", {}).items():
        if isinstance(entry, list | dict):
            setattr(new, name, copy.copy(entry))
    return new


def cache_bytes(past: Any) -> int:
    """Memory that a cache's tensors take."""
    return sum(tensor.nbytes for tensor in _tensors(past))


def cache_devices(past: Any) -> set[torch.device]:
    """Where a cache's tensors are: on several devices where a network is spread over them."""
    return {tensor.device for tensor in _tensors(past)}


def _tensors(past: Any) -> Iterator[Tensor]:
    if isinstance(past, Tensor):
        yield past
    else:
        parts = past if isinstance(past, list | tuple) else getattr(past, "__dict__", past)
        for part in parts.values() if isinstance(parts, dict) else parts if isinstance(parts, list | tuple) else ():
            yield from _tensors(part)


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
    """Length of what both start with; they are of one type. By halves: slices compare faster than a loop does."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class Local(NamedTuple):
    """What a layer with a window sees of its own past: the last `size` positions, or the current chunk of `size`."""

    size: int
    chunked: bool = False


Locals = Mapping[str, Local | None] | Local | None
"""The windows of a network: one for all layers (None: none), or by layer type, as its mask is asked for."""


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


def block_masks(ends: Tensor, positions: Tensor, n_common: int, dtype: torch.dtype, local: Locals, length: int) -> Any:
    """`block_mask` for a network with windows: one mask, or a dict of masks by layer type.

    positions: (B, T), each column's place in its own row, from which distances are taken: columns that stand side by
    side are not near each other. length: positions are below it; windows that hold as many need no mask of their own.
    """
    whole = block_mask(ends, n_common, dtype)
    if local is None:
        return whole
    if isinstance(local, Local):
        return _windowed(whole, positions, n_common, local, length)
    made = {window: _windowed(whole, positions, n_common, window, length) for window in {*local.values()}}
    return {kind: made[window] for kind, window in local.items()}


def _windowed(mask: Tensor, positions: Tensor, n_common: int, local: Local | None, length: int) -> Tensor:
    if local is None or length <= local.size:
        return mask
    common = torch.arange(n_common, device=positions.device).expand(positions.shape[0], -1)
    keys, queries = torch.cat([common, positions], dim=1)[:, None, :], positions[:, :, None]
    far = keys // local.size != queries // local.size if local.chunked else queries - keys >= local.size
    windowed = mask.masked_fill(far[:, None], torch.finfo(mask.dtype).min)
    return windowed.as_subclass(_LowerMask) if isinstance(mask, _LowerMask) else windowed


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
