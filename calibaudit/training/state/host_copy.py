"""Tensors of a GPU copied to host memory while it goes on, and from there into files in the safetensors format.

The format: the header's length as 8 bytes, the header in JSON, then all tensors' bytes one after another
(https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

BLOCK = 256 * 2**20
"""Bytes of host memory that are taken at a time; a power of 2, to which pinned memory is rounded up."""

SHARE_OF_FREE = 0.8
"""Of the free host memory, at most: a checkpoint that is larger is written piece by piece, while training waits."""

_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


class Layout:
    """One file: its header, and which tensor's bytes stand where behind it."""

    def __init__(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        entries: dict[str, Any] = {"__metadata__": dict(metadata)}
        self.tensors = list(tensors.values())
        at = 0
        for name, tensor in tensors.items():
            entries[name] = {
                "dtype": _NAMES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [at, at + tensor.nbytes],
            }
            at += tensor.nbytes
        self.n_bytes = at
        text = json.dumps(entries).encode()
        text += b" " * (-len(text) % 8)
        self.header = len(text).to_bytes(8, "little") + text

    def pieces(self, size: int) -> Iterator[list[tuple[int, Tensor]]]:
        """Block after block of `size` bytes: the flat bytes (uint8) that it holds, each with its place in the block."""
        block: list[tuple[int, Tensor]] = []
        at = 0
        for tensor in self.tensors:
            flat = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else tensor.new_empty(0, dtype=torch.uint8)
            while len(flat):
                part, flat = flat[: size - at], flat[size - at :]
                block.append((at, part))
                at += len(part)
                if at == size:
                    yield block
                    block, at = [], 0
        if block:
            yield block


class HostCopy:
    """Host memory for one checkpoint, filled from the device and used again for the next one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._blocks: list[Tensor] = []
        self._stream: Any = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._copied: Any = None

    def reserve(self, n_blocks: int) -> None:
        """Take the memory already: pinning it takes seconds."""
        while len(self._blocks) < n_blocks:
            self._blocks.append(self._block())

    def fits(self, n_blocks: int, n_processes: int = 1) -> bool:
        """Whether there is host memory for so many blocks, with as many for each other process of this host."""
        import psutil  # type: ignore[import-untyped]

        missing = max(0, n_blocks - len(self._blocks)) * BLOCK * n_processes
        return bool(missing <= SHARE_OF_FREE * psutil.virtual_memory().available)

    def take(self, layouts: Sequence[Layout]) -> list[list[Tensor]]:
        """The blocks of each file. On a GPU the copy only begins: the GPU goes on, see `before_change`."""
        self.reserve(sum(n_blocks(layout) for layout in layouts))
        free, taken = iter(self._blocks), []
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream) if self._stream is not None else contextlib.nullcontext():
            for layout in layouts:
                taken.append([self._filled(next(free), pieces) for pieces in layout.pieces(BLOCK)])
            if self._stream is not None:
                self._copied = self._stream.record_event()
        return taken

    def before_change(self) -> None:
        """Before the tensors change: from here on the GPU waits for the copy, this process does not."""
        if self._copied is not None:
            torch.cuda.current_stream(self._device).wait_event(self._copied)

    def wait(self) -> None:
        """Until the copy is whole."""
        if self._copied is not None:
            with torch.cuda.device(self._device):
                self._copied.synchronize()

    def release(self) -> None:
        """Give the memory back; PyTorch would keep what is pinned."""
        self._blocks.clear()
        empty = getattr(torch._C, "_host_emptyCache", None)
        if self._stream is not None and empty is not None:
            empty()

    def write_through(self, layout: Layout, path: Path) -> None:
        """Copy and write block by block, in one block's memory."""
        self.reserve(1)

        def filled() -> Iterator[Tensor]:
            for pieces in layout.pieces(BLOCK):
                self._filled(self._blocks[0], pieces)
                if self._stream is not None:
                    torch.cuda.current_stream(self._device).synchronize()
                yield self._blocks[0]

        _write(path, layout, filled())

    def _filled(self, block: Tensor, pieces: list[tuple[int, Tensor]]) -> Tensor:
        for at, piece in pieces:
            block[at : at + len(piece)].copy_(piece, non_blocking=True)
        return block

    def _block(self) -> Tensor:
        if self._stream is not None:
            # a thread begins on the first GPU, whichever this process's own is
            with torch.cuda.device(self._device), contextlib.suppress(RuntimeError):  # pinned memory has a limit
                return torch.empty(BLOCK, dtype=torch.uint8, pin_memory=True)
        return torch.empty(BLOCK, dtype=torch.uint8)


def n_blocks(layout: Layout) -> int:
    return -(-layout.n_bytes // BLOCK)


def write_blocks(path: Path, layout: Layout, blocks: Sequence[Tensor]) -> None:
    """The file, on the disk when this returns. Raises OSError."""
    _write(path, layout, iter(blocks))


def _write(path: Path, layout: Layout, blocks: Iterator[Tensor]) -> None:
    left = layout.n_bytes
    with path.open("wb", buffering=0) as file:
        _all(file, memoryview(layout.header))
        for block in blocks:
            _all(file, memoryview(block.numpy().data)[: min(left, BLOCK)])
            left -= min(left, BLOCK)
        os.fsync(file.fileno())


def _all(file: Any, data: memoryview) -> None:
    """An unbuffered file may take less than it is given."""
    while len(data):
        data = data[file.write(data) :]
