"""A checkpoint written again with some of its numbers changed, a part of one tensor in memory at a time."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibaudit.errors import ModelError, OutputError
from calibaudit.files.read import read_json
from calibaudit.models.checkpoints import Checkpoint, read_settings, weight_files
from calibaudit.models.devices import dtype_name, free_memory
from calibaudit.models.formats.quantization import described, quantization_settings
from calibaudit.models.formats.save import check_new, whole_folder, write_failure, write_network
from calibaudit.models.formats.shards import INDEX, WEIGHTS, weights_in
from calibaudit.models.formats.stored import StoredTensor, read_rows, stored_tensors, write_rows
from calibaudit.models.load import load_network

Change = Callable[[str, slice, Tensor], Tensor | None]
"""A tensor's name in the files, which of its rows (first dimension; a single number is one row of shape ()), those rows
as stored -> what takes their place, in the same shape, which is cast to the stored dtype; None: they stay."""

_TOKENIZER = (
    "*tokenizer*.json", "*tokenizer*.model*", "*.model", "*.model.v*", "*.tiktoken", "*.spm", "*vocab*.json",
    "*vocab*.txt", "vocab.bpe", "merges.txt", "tekken.json", "special_tokens_map.json", "added_tokens.json", "*.jinja",
    "chat_template.json", "additional_chat_templates/*.jinja",
)  # fmt: skip
_BESIDE = ("generation_config.json", "*processor_config.json", "*quant*config.json", "LICENSE*", "NOTICE*")
_TEXT = ("text_config", "llm_config")


def write_changed(
    checkpoint: Checkpoint, folder: Path, change: Change, *, config: Mapping[str, Any] | None = None
) -> None:
    """Write a checkpoint whose files are on disk to `folder`, with what `change` makes of its numbers.

    What loads it is copied, links in the hub's cache as the files they lead to: the safetensors files that loading
    reads, config, generation config, tokenizer, chat templates, processors' configs, licence, and the code that
    config.json names in auto_map (which is not run here). Its card, records and optimizer states of training, pickles
    and other checkpoints below it are not. In the copied weights the changed rows are overwritten where they lie:
    names, shapes, dtypes and shards stay. An adapter is first loaded with its base, on the CPU, and written as whole
    weights in the dtype in which most of the base's are stored, which takes the memory of one model; `change` then
    gets the names that transformers saves them under.

    folder: does not exist yet, or is empty; whole at the end, or not there. change: of a tensor with a dtype that
    PyTorch does not have in all versions (4 and 6 bits) nothing is asked. config: entries of config.json that become
    others; of a wrapper around a text model in its text_config, and beside it where they stand there too.
    Raises ModelError where the checkpoint is unusable or a changed number cannot be stored, OutputError where the
    folder cannot be written.
    """
    check_new(folder)
    files = weight_files(checkpoint)
    with whole_folder(folder) as partial:
        if checkpoint.base is None:
            _copy_whole(checkpoint, files, partial, folder)
        else:
            _write_merged(checkpoint, partial, folder)
        for file in weights_in(checkpoint.name, partial):
            _patch(file, change, checkpoint.name)
        if config:
            _set(partial / "config.json", config)


@contextmanager
def whole_weights(checkpoint: Checkpoint, beside: Path) -> Iterator[Checkpoint]:
    """The checkpoint itself; of an adapter, its base with the adapter merged in, in a folder that goes at the end.

    beside: the folder that this one lies in. Raises ModelError, OutputError.
    """
    if checkpoint.base is None:
        yield checkpoint
        return
    try:
        holder = tempfile.TemporaryDirectory(prefix=".calibaudit-adapter-", dir=beside)
    except OSError as error:
        raise OutputError(f"{beside}: cannot be written: {write_failure(error, beside)}") from error
    with holder as place:
        folder = Path(place) / "whole"
        write_changed(checkpoint, folder, lambda *_: None)
        yield replace(checkpoint, path=folder, base=None, from_hub=False, seen="")


def _copy_whole(checkpoint: Checkpoint, files: Sequence[Path], partial: Path, folder: Path) -> None:
    """The files of whole weights, and what loads them."""
    source = checkpoint.path
    names = [file.relative_to(source) for file in files]
    if names != [Path(WEIGHTS)]:
        names.append(Path(INDEX))
    names += [Path("config.json"), *_found(source, (*_TOKENIZER, *_BESIDE))]
    if read_settings(checkpoint).get("auto_map"):
        names += _found(source, ("*.py",))
    needed, free = sum((source / name).stat().st_size for name in names), shutil.disk_usage(partial).free
    if needed > free:
        raise OutputError(
            f"{folder}: cannot be written: it needs {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free there"
        )
    for name in names:
        _copy(source / name, partial / name)


def _write_merged(checkpoint: Checkpoint, partial: Path, folder: Path) -> None:
    """An adapter and its base as whole weights, with the tokenizer that counts."""
    whole = checkpoint.whole
    settings = quantization_settings(read_settings(checkpoint))
    if settings is not None:
        raise ModelError(
            f"{checkpoint.name}: an adapter on quantized weights ({described(settings)}) cannot be written as whole "
            "weights; name as its base the checkpoint that was quantized, BASE+ADAPTER"
        )
    dtype = _main_dtype(stored_tensors(weight_files(whole)).values())
    network = load_network(checkpoint, "auto", "cpu").network
    if any(type(module).__module__.startswith("peft.") for module in network.modules()):
        raise ModelError(f"{checkpoint.name}: this kind of adapter cannot be merged into its base's weights")
    try:
        write_network(network, partial, dtype)
    except Exception as error:  # the writers raise what they like when the disk is full
        raise OutputError(f"{folder}: cannot be written: {write_failure(error, folder)}") from error
    del network
    free_memory()
    for place, patterns in ((checkpoint.tokenizer_path, _TOKENIZER), (whole.path, _BESIDE), (checkpoint.path, _BESIDE)):
        for name in _found(place, patterns):
            _copy(place / name, partial / name)


def _main_dtype(tensors: Iterable[StoredTensor]) -> torch.dtype:
    """The floating dtype of most of the numbers."""
    found: Counter[torch.dtype] = Counter()
    for tensor in tensors:
        if tensor.dtype is not None and tensor.is_floating:
            found[tensor.dtype] += prod(tensor.shape)
    return found.most_common(1)[0][0] if found else torch.float32


def _found(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Files of a folder that fit one of the patterns, each once; the index of weights is none of them."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(folder) for path in found if path.name not in (INDEX, "config.json"))


def _copy(source: Path, target: Path) -> None:
    """The content alone: the copy can be written, whatever the original's permissions."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        opened = source.open("rb")
    except OSError as error:
        raise ModelError(f"{source}: cannot be read: {error.strerror}") from error
    opened.close()
    shutil.copyfile(source, target)


def _patch(file: Path, change: Change, checkpoint: str) -> None:
    with file.open("r+b") as stream:
        for name, tensor in stored_tensors([file]).items():
            if tensor.dtype is None:
                continue
            for rows in tensor.spans():
                own = read_rows(stream, tensor, rows)
                shape = own.shape
                values = change(name, rows, own)
                if values is not None:
                    assert values.shape == shape, name
                    write_rows(stream, tensor, rows, _stored(values, tensor, checkpoint, name))


def _stored(values: Tensor, tensor: StoredTensor, checkpoint: str, name: str) -> Tensor:
    """Values in the tensor's dtype. Raises ModelError where a finite one is infinite there."""
    dtype = tensor.dtype
    assert dtype is not None
    stored = values.detach().to("cpu", dtype)
    if dtype.is_floating_point and values.dtype != dtype:
        lost = torch.isfinite(values) & ~torch.isfinite(stored.float())
        if bool(lost.any()):
            largest = float(values[lost].abs().max())
            raise ModelError(
                f"{checkpoint}: {name} would hold {largest:g}, which {dtype_name(dtype)} cannot; convert the "
                "checkpoint to bfloat16 or float32 first"
            )
    return stored


def _set(path: Path, entries: Mapping[str, Any]) -> None:
    settings = read_json(path, ModelError, finite=False)
    inner = next((settings[key] for key in _TEXT if isinstance(settings.get(key), dict)), None)
    for key, value in entries.items():
        if inner is not None:
            inner[key] = value
        if inner is None or key in settings:
            settings[key] = value
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
