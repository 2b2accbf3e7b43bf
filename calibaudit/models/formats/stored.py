"""Tensors where they lie in safetensors files: found by name, read and written a few rows at a time, nothing mapped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from calibaudit.errors import ModelError
from calibaudit.models.formats.shards import read_header

N_NUMBERS = 1 << 19
"""Numbers of a tensor that are in memory at a time, or one row where that has more."""

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """kind: safetensors' name of the dtype. start: where its first byte is in the file."""

    file: Path
    kind: str
    shape: tuple[int, ...]
    start: int

    @property
    def dtype(self) -> torch.dtype | None:
        """None for a type that has no numbers of a byte or more, or that PyTorch has no name for in all versions."""
        return _DTYPES.get(self.kind)

    @property
    def is_floating(self) -> bool:
        """Floating point of two bytes or more: what can be computed with as it stands."""
        return self.dtype is not None and self.dtype.is_floating_point and self.dtype.itemsize > 1

    @property
    def n_rows(self) -> int:
        """Along the first dimension; a single number is one row."""
        return self.shape[0] if self.shape else 1

    @property
    def row_size(self) -> int:
        """Numbers of a row."""
        return math.prod(self.shape[1:])

    def spans(self) -> Iterator[slice]:
        """All rows in order, as many at a time as are to be in memory together."""
        step = max(1, N_NUMBERS // max(1, self.row_size))
        for start in range(0, self.n_rows if self.row_size else 0, step):
            yield slice(start, min(start + step, self.n_rows))


def stored_tensors(files: Iterable[Path]) -> dict[str, StoredTensor]:
    """Name -> tensor, of files whose headers were checked (`check_safetensors`)."""
    found = {}
    for file in files:
        begin, header = read_header(file.parent.name, file)
        for name, entry in header.items():
            found[name] = StoredTensor(file, entry.kind, entry.shape, begin + entry.start)
    return found


def read_rows(stream: BinaryIO, tensor: StoredTensor, rows: slice) -> Tensor:
    """Those rows of a tensor of a known dtype, in memory of their own. stream: its file. Raises ModelError."""
    dtype, n_rows = tensor.dtype, rows.stop - rows.start
    assert dtype is not None
    data = bytearray(n_rows * tensor.row_size * dtype.itemsize)
    stream.seek(tensor.start + rows.start * tensor.row_size * dtype.itemsize)
    if stream.readinto(data) != len(data):  # type: ignore[attr-defined]  # binary files have it
        raise ModelError(f"{tensor.file}: ends before its header says; was it changed meanwhile?")
    return torch.frombuffer(data, dtype=dtype).view((n_rows, *tensor.shape[1:]) if tensor.shape else ())


def write_rows(stream: BinaryIO, tensor: StoredTensor, rows: slice, values: Tensor) -> None:
    """Put values of the tensor's own dtype in those rows' place."""
    assert values.dtype == tensor.dtype
    stream.seek(tensor.start + rows.start * tensor.row_size * values.dtype.itemsize)
    stream.write(values.contiguous().reshape(-1).view(torch.uint8).numpy().data)
