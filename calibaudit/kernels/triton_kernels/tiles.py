"""What all Triton kernels share: block shapes, tensor descriptors, one tile of logits, in base-2 units ("bits").

Logits are kept as z * log2(e), so that exp2 serves where exp is meant; what leaves a kernel is in nats.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from calibaudit.kernels.heads import Head

try:
    from triton.tools.tensor_descriptor import TensorDescriptor
except ImportError:  # triton before 3.4: plain pointers only
    TensorDescriptor = None

LOG2E = math.log2(math.e)
LN2 = math.log(2.0)
TRITON_TYPES = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16, torch.float32: tl.float32}
INTERPRETED = bool(triton.knobs.runtime.interpret) if hasattr(triton, "knobs") else False


class Tiles(NamedTuple):
    """Block shape of one program: rows of hidden, columns (rows of weight), depth of a step; warps and stages."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int


@lru_cache
def multiprocessors(device: torch.device) -> int:
    """How many programs run side by side; 4 under the interpreter."""
    return 4 if device.type == "cpu" else int(torch.cuda.get_device_properties(device).multi_processor_count)


@lru_cache
def block_shape(device: torch.device, dtype: torch.dtype, n_rows: int = 1 << 20, heads: int = 1) -> Tiles:
    """Tiles for products of `dtype`; a kernel that holds two heads' logits at once takes half the columns."""
    if device.type == "cpu":  # the interpreter: several blocks even at small sizes
        return Tiles(16, 32, 16, 4, 1)
    if dtype == torch.float32:
        return Tiles(64, 64, 32, 4, 2)
    properties = torch.cuda.get_device_properties(device)
    shared = getattr(properties, "shared_memory_per_block_optin", 64 << 10)
    if shared >= 160 << 10:  # Hopper and later, A100
        if n_rows <= 64:
            return Tiles(64, 256 // heads, 64, 4, 3)
        return Tiles(128, 256 // heads, 64, 8, 2 + heads)
    if shared >= 98 << 10:  # Ada, consumer Ampere
        return Tiles(128, 128 // heads, 64, 8, 2)
    return Tiles(128, 128 // heads, 32, 8, 2)  # 64 KiB: AMD, Turing


@lru_cache
def _has_descriptors(device: torch.device) -> bool:
    if TensorDescriptor is None:
        return False
    if device.type == "cpu":
        return INTERPRETED
    return torch.version.hip is None and torch.cuda.get_device_capability(device) >= (9, 0)


def describable(*tensors: Tensor) -> bool:
    """Whether the copy engine can fetch tiles of all of these 2-D tensors: dense rows on 16-byte boundaries."""
    return all(
        _has_descriptors(tensor.device)
        and tensor.dtype in (torch.bfloat16, torch.float16)
        and tensor.numel() > 0
        and tensor.stride(1) == 1
        and tensor.data_ptr() % 16 == 0
        and tensor.stride(0) * tensor.element_size() % 16 == 0
        for tensor in tensors
    )


def source(tensor: Tensor, rows: int, columns: int, descriptor: bool) -> Any:
    """The tensor as load_tile takes it."""
    return (
        TensorDescriptor(tensor, list(tensor.shape), list(tensor.stride()), [rows, columns]) if descriptor else tensor
    )


def product_dtype(*tensors: Tensor) -> torch.dtype:
    """The dtype that tiles are multiplied in; sums are always in float32."""
    dtypes = {tensor.dtype for tensor in tensors}
    return dtypes.pop() if len(dtypes) == 1 and dtypes <= {torch.bfloat16, torch.float16} else torch.float32


def compute_type(dtype: torch.dtype) -> Any:
    """The same for a kernel; the interpreter would multiply bfloat16's bit patterns."""
    return (
        tl.float32 if INTERPRETED else {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}.get(dtype, tl.float32)
    )


class HeadLogits(NamedTuple):
    """The logits of hidden (N, D) under a head: what a kernel must know to make a tile of them."""

    hidden: Tensor
    head: Head

    @property
    def dtype(self) -> torch.dtype:
        return product_dtype(self.hidden, self.head.weight)

    def arguments(self, tiles: Tiles, prefix: str = "") -> dict[str, Any]:
        """What tile_bits and its kernel need, by name."""
        _, bias, softcap, logit_scale, n_vocab = self.head
        weight = self.head.weight[:n_vocab]
        descriptor = describable(self.hidden, weight)
        cap = softcap or 1.0
        named = {
            "h": source(self.hidden, tiles.rows, tiles.depth, descriptor),
            "w": source(weight, tiles.columns, tiles.depth, descriptor),
            "bias": weight if bias is None else bias,
            "depth": self.hidden.shape[1],
            "h_row": self.hidden.stride(0),
            "h_column": self.hidden.stride(1),
            "w_row": weight.stride(0),
            "w_column": weight.stride(1),
            "bias_step": 0 if bias is None else bias.stride(0),
            "inner_scale": logit_scale * (LOG2E if softcap is None else 2.0 / cap),
            "cap_bits": cap * LOG2E,
            "BIAS": bias is not None,
            "SOFTCAP": softcap is not None,
            "DESCRIPTOR": descriptor,
        }
        return {prefix + name: value for name, value in named.items()}


_BITS_BY_HAND = tl.constexpr(INTERPRETED)


@triton.jit
def narrow(x, RESULT: tl.constexpr):
    """float32 x in dtype RESULT, to nearest even; the interpreter's own conversion to bfloat16 cuts off."""
    if _BITS_BY_HAND and tl.bfloat16 == RESULT:
        bits = x.to(tl.int32, bitcast=True)
        rounded = tl.where(x == x, bits + 32767 + ((bits >> 16) & 1), bits)
        y = (rounded >> 16).to(tl.int16).to(tl.bfloat16, bitcast=True)
    else:
        y = x.to(RESULT)
    return y


@triton.jit
def load_tile(
    origin, row, column, n_rows, n_columns, row_step, column_step,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DESCRIPTOR: tl.constexpr,
):  # fmt: skip
    """(ROWS, COLUMNS) elements from (row, column); zeros outside (n_rows, n_columns)."""
    if DESCRIPTOR:
        tile = origin.load([row, column])
    else:
        rows = row + tl.arange(0, ROWS)
        columns = column + tl.arange(0, COLUMNS)
        offsets = rows.to(tl.int64)[:, None] * row_step + columns.to(tl.int64)[None, :] * column_step
        tile = tl.load(origin + offsets, mask=(rows < n_rows)[:, None] & (columns < n_columns)[None, :], other=0.0)
    return tile


@triton.jit
def tile_products(
    h, w, bias, row, column, n_rows, n_columns, depth, h_row, h_column, w_row, w_column, bias_step,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
):  # fmt: skip
    """W h + bias of rows row.. and columns column.., float32; columns from n_columns on hold no meaning."""
    acc = tl.zeros((ROWS, COLUMNS), tl.float32)
    for k in range(0, depth, DEPTH):
        a = load_tile(h, row, k, n_rows, depth, h_row, h_column, ROWS, DEPTH, DESCRIPTOR).to(COMPUTE)
        b = load_tile(w, column, k, n_columns, depth, w_row, w_column, COLUMNS, DEPTH, DESCRIPTOR).to(COMPUTE)
        acc = tl.dot(a, b.T, acc, input_precision="ieee")
    if BIAS:
        columns = column + tl.arange(0, COLUMNS)
        offset = tl.load(bias + columns.to(tl.int64) * bias_step, mask=columns < n_columns, other=0.0)
        acc += offset.to(tl.float32)[None, :]
    return acc


@triton.jit
def in_bits(acc, inner_scale, cap_bits, SOFTCAP: tl.constexpr):
    """Logits in bits out of tile_products' sums."""
    acc *= inner_scale
    if SOFTCAP:  # tanh(x) = 1 - 2 / (exp(2 x) + 1); inner_scale holds the 2 / softcap
        acc = cap_bits * (1.0 - 2.0 / (tl.exp2(acc * 1.4426950408889634) + 1.0))
    return acc


@triton.jit
def tile_bits(
    h, w, bias, row, column, n_rows, n_columns, depth, h_row, h_column, w_row, w_column, bias_step,
    inner_scale, cap_bits,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    BIAS: tl.constexpr, SOFTCAP: tl.constexpr, DESCRIPTOR: tl.constexpr, COMPUTE: tl.constexpr,
):  # fmt: skip
    """Logits of rows row.. and columns column.., in bits, float32; columns from n_columns on hold no meaning."""
    acc = tile_products(
        h, w, bias, row, column, n_rows, n_columns, depth, h_row, h_column, w_row, w_column, bias_step,
        ROWS, COLUMNS, DEPTH, BIAS, DESCRIPTOR, COMPUTE,
    )  # fmt: skip
    return in_bits(acc, inner_scale, cap_bits, SOFTCAP)
