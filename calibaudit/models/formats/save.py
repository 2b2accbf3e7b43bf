"""Checkpoint folders that are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibaudit.errors import ModelError, OutputError
from calibaudit.files.read import read_json
from calibaudit.models.library import first_line, quiet

_ADVICE = "make room, or name another folder"


def save_checkpoint(network: Any, tokenizer: Any, folder: Path, dtype: torch.dtype) -> None:
    """Write network and tokenizer, chat template included, as a checkpoint folder that `from_pretrained` reads.

    dtype: of the floating-point weights in the files; the network itself stays as it is. What stood at `folder` before
    is replaced once the new one is on disk whole; where that fails, it stays. Raises OutputError.
    """
    with whole_folder(folder) as partial:
        try:
            write_network(network, partial, dtype)
            with quiet():
                tokenizer.save_pretrained(partial)
        except Exception as error:  # the writers raise what they like when the disk is full
            raise OutputError(f"{folder}: cannot be written: {write_failure(error, folder)}; {_ADVICE}") from error


def write_network(network: Any, folder: Path, dtype: torch.dtype) -> None:
    """The network alone into a folder that is there: its weights in dtype, its config and its generation config."""
    with quiet(), _blank_generation_config(network) as generation:
        network.save_pretrained(folder, state_dict=_converted(network, dtype))
    if generation is not None:
        (folder / "generation_config.json").write_text(generation.to_json_string(), encoding="utf-8")
    _declare_dtype(folder / "config.json", dtype)


def check_new(folder: Path) -> None:
    """Raises OutputError where a folder would overwrite something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: already exists; name another folder, or remove it")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into that gets the name `folder` when the block ends well, and is gone when it does not.

    It lies beside `folder`, so that the last step is a rename; what stood at `folder` stays until then. Folders on the
    way that were made for it go with it. Raises OutputError where the disk is full or cannot be written.
    """
    target = Path(os.path.realpath(folder))
    partial = target.with_name(f".{target.name}.writing")
    made = [place for place in target.parents if not place.exists()]
    try:
        try:
            _restore(target)
            _remove(partial)
            partial.mkdir(parents=True)
            yield partial
            put_in_place(partial, target)
        except BaseException:
            _remove(partial)
            for place in made:  # the innermost first
                with contextlib.suppress(OSError):
                    place.rmdir()
            raise
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {write_failure(error, folder)}; {_ADVICE}") from error


def put_in_place(partial: Path, folder: Path) -> None:
    """Rename a folder to its name, once all of it is on disk; what had that name goes."""
    for path in sorted(partial.rglob("*")):
        if path.is_file():
            _sync(path)
    _sync(partial)
    _restore(folder)
    old = _old(folder)
    _remove(old)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    _sync(folder.parent)
    _remove(old)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _restore(folder: Path) -> None:
    """What stood at `folder` goes back there where a kill came between the two renames of `put_in_place`."""
    if _old(folder).exists() and not folder.exists():
        _old(folder).rename(folder)


_OF_TORCH = ("PytorchStreamWriter", "inline_container", "unexpected pos", "iostream error")
"""What `torch.save` says, among its own source lines, where a file could not be written to its end."""


def write_failure(error: BaseException, folder: Path) -> str:
    """Why writing failed, in words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = first_line(error)
    if "os error 28" in text or "No space left" in text:
        return os.strerror(errno.ENOSPC)
    if any(sign in text for sign in _OF_TORCH):
        text = "a file could not be written to its end"
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        return f"{text} ({free / 1e9:.1f} GB are free there)"
    return text


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _converted(network: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    """The weights on the CPU; tied ones stay one tensor, so that they are stored once."""
    done: dict[tuple[int, tuple[int, ...]], Tensor] = {}
    converted = {}
    for name, tensor in network.state_dict().items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if key not in done or not tensor.numel():
            done[key] = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        converted[name] = done[key]
    return converted


@contextmanager
def _blank_generation_config(network: Any) -> Iterator[Any]:
    """Without it while saving: some published ones fail the check that transformers makes when it writes them."""
    own = getattr(network, "generation_config", None)
    if own is not None:
        network.generation_config = type(own)()
    try:
        yield own
    finally:
        if own is not None:
            network.generation_config = own


def _declare_dtype(path: Path, dtype: torch.dtype) -> None:
    """config.json names the network's dtype; the files hold another."""
    settings = read_json(path, ModelError, finite=False)
    for part in (settings, settings.get("text_config") or {}):
        for name in ("dtype", "torch_dtype"):
            if name in part:
                part[name] = str(dtype).removeprefix("torch.")
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
