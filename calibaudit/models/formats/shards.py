"""The files that hold a checkpoint's weights: one, or those that its index names, and nothing outside of its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from safetensors import SafetensorError, safe_open

from calibaudit.errors import ModelError
from calibaudit.files.read import MOST_OF_SETTINGS, NotJson, decode_json, open_file, read_json
from calibaudit.files.text import shortened
from calibaudit.models.formats.opened import check_weight_names

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def has_weights(folder: Path) -> bool:
    """Whether there is something here that transformers would load whole weights from, pickles among it."""
    names = (WEIGHTS, INDEX, "pytorch_model.bin", "pytorch_model.bin.index.json")
    return any((folder / name).is_file() for name in names)


def weights_in(name: str, folder: Path) -> tuple[Path, ...]:
    """The files that loading reads, as transformers chooses them; none where the folder has neither.

    name: of the checkpoint, for messages. Raises ModelError for an index that is unusable or leaves the folder, for a
    file that it names and that is not there, and where transformers would read other weights (`check_weight_names`).
    """
    check_weight_names(name, folder, WEIGHTS if (folder / WEIGHTS).is_file() else INDEX)
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    return _shards(name, folder) if (folder / INDEX).is_file() else ()


def shard_names(name: str, folder: Path) -> tuple[str, ...]:
    """The files that the index of a folder names, sorted, whatever they are called and whether they are there or not.

    Raises ModelError where a name is no safetensors file below the folder. A shard may be a link, as all files in the
    hub's cache are; a folder on the way to it may not lead outside.
    """
    index = read_json(folder / INDEX, ModelError, name=f"{name}: {INDEX}", mark=False, most=MOST_OF_SETTINGS)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{name}: {INDEX} has no weight_map; download the checkpoint again")
    for file in weight_map.values():
        if not isinstance(file, str) or not _is_inside(file, folder):
            raise ModelError(
                f"{name}: {INDEX} names {shortened(repr(file), 80)}, which is not a file in the checkpoint's folder; "
                "it is not followed"
            )
        if not file.endswith(".safetensors"):
            raise ModelError(
                f"{name}: {INDEX} names {shortened(repr(file), 80)}, which is not a safetensors file; "
                "convert once: load it and save_pretrained(NEW)"
            )
    return tuple(sorted(set(weight_map.values())))


def check_safetensors(name: str, file: Path) -> None:
    """Raises ModelError where a file is a Git LFS pointer, or its header does not fit its size."""
    with open_file(file, ModelError, name=f"{name}: {file.name}") as stream:
        if stream.read(24).startswith(b"version https://git-lfs"):
            raise ModelError(f"{name}: {file.name} is a Git LFS pointer, not the weights; run git lfs pull")
    _, header = read_header(name, file)
    try:
        with safe_open(file, framework="np") as opened:  # reads the header and compares it with the file's size
            n_tensors = len(list(opened.keys()))
    except (SafetensorError, OSError) as error:
        raise _corrupt(name, file, error) from error
    assert n_tensors == len(header), file


@dataclass(frozen=True)
class TensorEntry:
    """start, end: its bytes, counted behind the header."""

    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(name: str, file: Path) -> tuple[int, dict[str, TensorEntry]]:
    """Where the first byte behind a safetensors file's header is, and the tensors it names; its metadata left out.

    Raises ModelError where the header is longer than the file, too long, or not as the format has it
    (https://github.com/huggingface/safetensors).
    """
    with open_file(file, ModelError, name=f"{name}: {file.name}") as stream:
        size = os.fstat(stream.fileno()).st_size
        n_bytes = int.from_bytes(stream.read(8), "little")
        if size < 8 or n_bytes > min(size - 8, MOST_OF_HEADER):
            raise _corrupt(name, file, f"a header of {n_bytes:,} bytes" if size >= 8 else "no header")
        content = stream.read(n_bytes)
    try:
        header = decode_json(content, unique_keys=True)
        if not isinstance(header, dict):
            raise NotJson("it is not a JSON object")
        entries = {key: _entry(key, value) for key, value in header.items() if key != "__metadata__"}
    except NotJson as error:
        raise _corrupt(name, file, f"its header: {error.reason}") from None
    return 8 + n_bytes, entries


MOST_OF_HEADER = 100_000_000
"""Bytes, as the format's own reader has it."""


def _entry(key: str, value: Any) -> TensorEntry:
    entry: dict[str, Any] = value if isinstance(value, dict) else {}
    kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    is_one = isinstance(kind, str) and isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2
    if not is_one or not all(type(n) is int and n >= 0 for n in (*(shape or ()), *(offsets or ()))):
        raise NotJson(f"entry {shortened(repr(key), 80)} has no dtype, shape and data_offsets of a tensor")
    return TensorEntry(str(kind), tuple(shape or ()), *(offsets or ()))


def _corrupt(name: str, file: Path, error: object) -> ModelError:
    return ModelError(
        f"{name}: {file.name} is truncated or corrupt ({file.stat().st_size:,} bytes; {error}); download it again"
    )


def why_no_weights(folder: Path) -> str | None:
    """What a folder without weights that can be read holds in their place; None where it is nothing of the kind."""
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES or p.name.endswith(".bin.index.json"))
    if pickles:
        return (
            f"only pickle weights ({pickles[0]}), which can run code when read, so they are refused; if you trust "
            "them, convert once: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW)"
        )
    other = sorted(p.name for p in folder.glob("*.safetensors"))
    if "adapter_model.safetensors" in other:
        return "holds an adapter's weights without adapter_config.json, which says how to apply them"
    return f"no {WEIGHTS} or {INDEX}; {other[0]} is not a name that transformers loads" if other else None


def _shards(name: str, folder: Path) -> tuple[Path, ...]:
    files = tuple(folder / file for file in shard_names(name, folder))
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ModelError(
            f"{name}: {len(missing)} of {len(files)} weight files are missing, first {missing[0]}, "
            f"which {INDEX} names; download them"
        )
    return files


def _is_inside(file: str, folder: Path) -> bool:
    """Of this system's paths and of Windows's: what is harmless here may not be so there."""
    if not file.isprintable() or len(file) > 4000 or any(len(os.fsencode(part)) > 255 for part in file.split("/")):
        return False
    if any(path.is_absolute() or ".." in path.parts for path in _readings(file)):
        return False
    if PureWindowsPath(file).drive or not PurePosixPath(file).name:
        return False
    return (folder / file).parent.resolve().is_relative_to(folder.resolve())


def _readings(file: str) -> tuple[PurePosixPath | PureWindowsPath, ...]:
    return PurePosixPath(file), PureWindowsPath(file)
