"""Attention over segments, as transformers asks for it: flash attention of rows of all lengths, where a GPU has it.

No row is padded and no mask is made, so that the attention of packed rows is as fast as that of plain ones. The keys
and values that a segment sees are gathered for it; that copies a few kilobytes a token, where a layer's products
compute on megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from calibaudit.models.attention.forest import Segments

NAME = "calibaudit_segments"
"""What the attention is called in a config while it is used."""

HALF = (torch.bfloat16, torch.float16)


def has_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether PyTorch's own flash attention may serve; its kernel says the last word, when the network is proven."""
    return device.type == "cuda" and dtype in HALF and hasattr(torch.ops.aten, "_flash_attention_forward")


class Placed(NamedTuple):
    """Segments on one device. sources: None where each segment sees itself only, and all columns are in order."""

    ends: Tensor
    sources: Tensor | None
    source_ends: Tensor


def placed(segments: Segments, device: torch.device) -> Placed:
    """Its indices, in int32 where flash attention wants that."""
    apart = len(segments.sources) == segments.ends[-1]
    ends, source_ends, sources = to_device(
        [segments.ends, segments.source_ends, () if apart else segments.sources], device
    )
    return Placed(ends.int(), None if apart else sources, source_ends.int())


class _Asked:
    """The segments of the forward pass that runs now, on each device that its layers are on."""

    def __init__(self, segments: Segments) -> None:
        self.segments = segments
        self._placed: dict[torch.device, Placed] = {}

    def on(self, device: torch.device) -> Placed:
        if device not in self._placed:
            self._placed[device] = placed(self.segments, device)
        return self._placed[device]


_asked: list[_Asked] = []
"""Empty, or what `attend` is asked for; a list, so that the registered function finds it."""


def to_device(parts: list[Any], device: torch.device) -> list[Tensor]:
    """int64 sequences as tensors, in one copy that the host does not wait for."""
    arrays = [np.asarray(part, dtype=np.int64) for part in parts]
    whole = torch.from_numpy(np.concatenate(arrays))
    whole = whole.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else whole.to(device)
    return list(torch.split(whole, [len(array) for array in arrays]))


def configs_of(network: nn.Module) -> list[Any]:
    """Every config that one of the network's modules asks for its attention, outer ones first."""
    found = (getattr(module, "config", None) for module in network.modules())
    return list({id(config): config for config in found if hasattr(config, "_attn_implementation")}.values())


@contextmanager
def attending(configs: Sequence[Any], segments: Segments) -> Iterator[None]:
    """The layers of these configs (`configs_of`) attend by segments while the block runs."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if NAME not in ALL_ATTENTION_FUNCTIONS:
        ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
    before = [config._attn_implementation for config in configs]
    _asked.append(_Asked(segments))
    try:
        for config in configs:
            config._attn_implementation = NAME
        yield
    finally:
        _asked.pop()
        for config, name in zip(configs, before, strict=True):  # outer ones first: each sets those within it as well
            config._attn_implementation = name


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any = None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """query (1, H, T, D), key and value (1, H or fewer, T, D) -> (1, T, H, D), of the forest that is asked for.

    Raises NotImplementedError for what flash attention cannot do: softcaps, sinks, biases of positions.
    """
    unknown = [name for name in ("softcap", "s_aux", "position_bias", "head_mask") if options.get(name) is not None]
    if unknown or attention_mask is not None or query.shape[0] != 1:
        raise NotImplementedError(f"attention with {', '.join(unknown) or 'a mask of its own'}")
    asked = _asked[-1]
    here = asked.on(query.device)
    queries, keys, values = (part[0].transpose(0, 1) for part in (query, key, value))
    if here.sources is not None:
        keys, values = keys.index_select(0, here.sources), values.index_select(0, here.sources)
    if has_flash(query.device, query.dtype):
        found = flash(queries, keys, values, here, asked.segments, scaling, sliding_window)
    else:
        found = one_by_one(queries, keys, values, asked.segments, scaling, sliding_window)
    return found[None], None


def flash(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    here: Placed,
    segments: Segments,
    scaling: float | None,
    window: int | None,
) -> Tensor:
    """`one_by_one` in one kernel: rows of all lengths, each query's last key its own column."""
    attention = torch.ops.aten._flash_attention_forward
    left, right = (None, None) if window is None else (window - 1, 0)
    longest = segments.longest, segments.longest_source
    found: Tensor = attention(
        queries, keys, values, here.ends, here.source_ends, *longest, 0.0, True, False,
        scale=scaling, window_size_left=left, window_size_right=right,
    )[0]  # fmt: skip
    return found


def one_by_one(
    queries: Tensor, keys: Tensor, values: Tensor, segments: Segments, scaling: float | None, window: int | None
) -> Tensor:
    """What flash attention computes, segment after segment: queries (T, H, D), keys and values (sources, H', D)."""
    found = []
    for i in range(len(segments.ends) - 1):
        q = queries[segments.ends[i] : segments.ends[i + 1]]
        k, v = (part[segments.source_ends[i] : segments.source_ends[i + 1]] for part in (keys, values))
        away = len(k) - len(q) + torch.arange(len(q))[:, None] - torch.arange(len(k))  # 0: itself
        seen = (away >= 0) & (away < (window or len(k) + 1))
        k, v = (part.repeat_interleave(q.shape[1] // part.shape[1], dim=1) for part in (k, v))
        q, k, v = (part.transpose(0, 1) for part in (q, k, v))
        found.append(scaled_dot_product_attention(q, k, v, seen.to(q.device), scale=scaling).transpose(0, 1))
    return torch.cat(found)
