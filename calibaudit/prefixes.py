"""Running what rows share once: block masks, the key-value cache, and the proof that they change nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

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

_BLOCK = 64
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
    """Whether the first half's states stay as they are when the second half's tokens change."""
    half = ids.shape[1] // 2
    changed = torch.cat([ids[:, :half], other[:, half:]], dim=1)
    before, after = forward(ids)[0][:, :half], forward(changed)[0][:, :half]
    return _difference(before, after) <= tolerance


def block_mask(branches: Tensor, n_common: int, dtype: torch.dtype) -> Tensor:
    """What each token of packed rows attends to, as an additive mask (B, 1, T, n_common + T): 0, or dtype's minimum.

    branches: (B, T), 0 on a row's context, k > 0 on its k-th continuation, -1 on padding. n_common: columns of an
    earlier part that all rows share, cached. A token attends to that part, and of its own row to what stands before it
    in the context and in its own branch; padding attends to something, so that its softmax is a number.
    """
    n_rows, width = branches.shape
    seen = (branches[:, None, :] == 0) | (branches[:, None, :] == branches[:, :, None])
    seen &= torch.ones((width, width), dtype=torch.bool, device=branches.device).tril()
    mask = torch.zeros((n_rows, 1, width, n_common + width), dtype=dtype, device=branches.device)
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
    contexts = [torch.cat([ids[0, :n_common], ids[0, n_common + i : length + i]]) for i, length in enumerate(_CONTEXTS)]
    tails = [[ids[0, offset + i : offset + i + n], ids[0, -n - i :][:n]] for i, n in enumerate(_CONTINUATIONS)]
    packed = torch.zeros((2, N_PROBE), dtype=torch.int64, device=device)
    positions, branches = torch.zeros_like(packed), torch.full_like(packed, -1)
    for row, (context, pair) in enumerate(zip(contexts, tails, strict=True)):
        column = 0
        for branch, tokens in enumerate((context, *pair)):
            columns = slice(column, column + len(tokens))
            first = len(context) if branch else 0
            packed[row, columns], branches[row, columns] = tokens, branch
            positions[row, columns] = torch.arange(first, first + len(tokens), device=device)
            column += len(tokens)
    rest = [tensor[:, n_common:] for tensor in (packed, branches, positions)]
    try:
        alone, _ = forward(packed, block_mask(branches, 0, dtype), positions)
        start, past = forward(ids[:, :n_common], use_cache=True)
        if past is None:
            return "it keeps no cache"
        both = torch.tensor([0, 0], device=device)
        found = [
            torch.cat(
                [
                    start.expand(2, -1, -1),
                    forward(rest[0], block_mask(rest[1], n_common, dtype), rest[2], past=repeat_cache(past, both))[0],
                ],
                dim=1,
            )
            for _attempt in range(2)  # the cache is not used up
        ]
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()
        return f"it takes no such mask or cache: {reason[0][:120] if reason else type(error).__name__}"
    worst = 0.0
    for row, (context, pair) in enumerate(zip(contexts, tails, strict=True)):
        for branch, tail in enumerate(pair, start=1):
            whole = forward(torch.cat([context, tail])[None])[0][0]
            picked = (branches[row] == 0) | (branches[row] == branch)
            worst = max(worst, *(_difference(whole, states[row, picked]) for states in (alone, *found)))
    if worst <= tolerance:
        return None
    return f"packed rows differ from whole ones by {worst:.1g} of their size"


def _difference(a: Tensor, b: Tensor) -> float:
    """Largest relative Euclidean distance over positions; infinite when either is not a number."""
    a, b = a.float(), b.float().to(a.device)
    distance = ((a - b).norm(dim=-1) / a.norm(dim=-1).clamp(min=1e-6)).max().item()
    return distance if distance == distance else float("inf")
