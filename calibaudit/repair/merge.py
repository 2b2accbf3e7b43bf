"""`merge`: the weights half-way back to base, or any other part of the way.

Interpolating a tuned network with the one that it was tuned from keeps much of what tuning taught and of what it spoilt
before (Wortsman et al. 2022, arXiv 2109.01903, for image classifiers). Whether that helps here is for `fix` to show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibaudit.errors import CalibauditError, ModelError
from calibaudit.models.checkpoints import Checkpoint, read_settings, weight_files
from calibaudit.models.formats.families import loaders_of, text_config
from calibaudit.models.formats.quantization import described, quantization_settings
from calibaudit.models.formats.rewrite import whole_weights, write_changed
from calibaudit.models.formats.save import check_new
from calibaudit.models.formats.stored import StoredTensor, read_rows, stored_tensors
from calibaudit.models.library import config_in, first_line, quiet

_SAME = ("model_type", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim")
_PREFIXES = frozenset({"model", "language_model", "text_model", "transformer", "gpt_neox"})
_BUFFERS = (".inv_freq", ".masked_bias", ".attn.bias", ".attention.bias")
"""What old files hold besides weights, and what no network of today reads from them."""


@dataclass(frozen=True)
class Merged:
    """What a merged checkpoint holds.

    weight: of base, in [0, 1]. n_tensors: interpolated ones. n_left: others (integers, buffers), as INSTRUCT has them.
    n_rows_kept: tokens whose embedding is INSTRUCT's, and whose row of the head is, since base has none for them.
    """

    weight: float
    n_tensors: int
    n_left: int
    n_rows_kept: int

    def notices(self) -> list[str]:
        """What the user should read, a sentence each."""
        if not self.n_rows_kept:
            return []
        rows = "1 row" if self.n_rows_kept == 1 else f"{self.n_rows_kept:,} rows"
        return [f"base lacks {rows} of the tuned model's vocabulary; they stay as tuning left them"]


@dataclass(frozen=True)
class _Source:
    """What a tensor is interpolated with. n_rows: how many of its rows base has."""

    tensor: StoredTensor
    n_rows: int


@dataclass(frozen=True)
class _Ends:
    """Names, without prefixes, of the embedding's weight and of the head's. tied: they are one."""

    embedding: str
    head: str
    tied: bool

    def has_row_per_token(self, name: str) -> bool:
        """Whether a tensor is one of the two, or the head's bias."""
        return name in (self.embedding, self.head, f"{self.head.removesuffix('weight')}bias")


def write_merged(base: Checkpoint, instruct: Checkpoint, weight: float, folder: Path) -> Merged:
    """Write (1 - weight) INSTRUCT + weight BASE as a checkpoint to `folder`, which is new or empty.

    Both have their files on disk. weight: in [0, 1]; 0 gives INSTRUCT's weights and 1 BASE's, bit for bit. Each
    floating tensor is computed in float32 (float64 where it is stored so) and stored in INSTRUCT's dtype; numbers that
    are alike in both stay as they are. Tensors are paired by name, whatever the shards, and where a name differs, by
    what is left of it without the prefixes that wrappers and classes put before it. A head that base ties to its
    embedding is the embedding. Rows of embedding and head for tokens beyond base's stay INSTRUCT's. All else of the
    folder is INSTRUCT's. Whether both mean the same tokens by the same rows is for the caller to know
    (`check_vocabularies`).

    Memory: half a million numbers of one tensor (`stored.N_NUMBERS`), however large the models; with an adapter on
    either side that model once, while it is written as whole weights to a folder beside `folder` that goes at the end.
    Raises CalibauditError for a weight outside [0, 1]; ModelError, with nothing written, where the two are no pair:
    quantized or one-byte weights, other architectures, a tensor of another shape or that base lacks; OutputError.
    """
    if not 0 <= weight <= 1:
        raise CalibauditError(f"weight of base {weight:g}: give a number between 0 and 1")
    check_new(folder)
    _check_pair(base, instruct)
    parent = folder.absolute().parent
    with whole_weights(base, parent) as start, whole_weights(instruct, parent) as tuned:
        stored = stored_tensors(weight_files(tuned))
        sources = _sources(start, tuned, stored)

        def change(name: str, rows: slice, values: Tensor) -> Tensor | None:
            source = sources.get(name)
            if source is None or weight == 0 or rows.start >= source.n_rows:
                return None
            return _mixed(values, source, rows, weight)

        write_changed(tuned, folder, change)
    n_kept = max((stored[name].n_rows - source.n_rows for name, source in sources.items()), default=0)
    return Merged(weight, n_tensors=len(sources), n_left=len(stored) - len(sources), n_rows_kept=n_kept)


def _mixed(values: Tensor, source: _Source, rows: slice, weight: float) -> Tensor:
    """values: rows of INSTRUCT's, as stored. Those that base has too are interpolated."""
    with source.tensor.file.open("rb") as stream:
        theirs = read_rows(stream, source.tensor, slice(rows.start, min(rows.stop, source.n_rows)))
    dtype = torch.promote_types(values.dtype, torch.float32)
    ours, theirs = values.to(dtype), theirs.to(dtype)
    shared = ours if ours.ndim == 0 else ours[: len(theirs)]
    mixed = theirs if weight == 1 else torch.where(shared == theirs, shared, (1 - weight) * shared + weight * theirs)
    return mixed if mixed.shape == ours.shape else torch.cat([mixed, ours[len(mixed) :]])


def _check_pair(base: Checkpoint, instruct: Checkpoint) -> None:
    for side in (base, instruct):
        settings = quantization_settings(read_settings(side))
        if settings is not None:
            raise ModelError(
                f"{side.name}: its weights are quantized ({described(settings)}) and cannot be merged; give the "
                "checkpoint that was quantized"
            )
    one, other = (text_config(_config(side.whole)) for side in (base, instruct))
    for key in _SAME:
        values = [getattr(config, key, None) for config in (one, other)]
        if None not in values and values[0] != values[1]:
            raise _no_pair(base, instruct, f"{key} is {values[0]} in one, {values[1]} in the other")


def _no_pair(base: Checkpoint, instruct: Checkpoint, reason: str) -> ModelError:
    return ModelError(
        f"{base.name} and {instruct.name} cannot be merged: {reason}; name the base that {instruct.name} was made from"
    )


def _sources(base: Checkpoint, instruct: Checkpoint, stored: Mapping[str, StoredTensor]) -> dict[str, _Source]:
    """For each of INSTRUCT's tensors that is interpolated, what with. Raises ModelError where something is missing."""
    theirs = stored_tensors(weight_files(base))
    by_name, ambiguous = _by_plain_name(theirs)
    ends = cache(_ends)  # of a large network it takes seconds, and most pairs can do without
    found: dict[str, _Source] = {}
    for name, tensor in stored.items():
        if tensor.dtype is not None and not tensor.dtype.is_floating_point:
            continue
        plain = _plain_name(name)
        other = theirs.get(name) or by_name.get(plain)
        if other is None and plain == ends(instruct).head and ends(base).tied:
            other = by_name.get(ends(base).embedding)
        if other is None:
            if name.endswith(_BUFFERS):
                continue
            why = "there are several such tensors in" if plain in ambiguous else "is not in"
            raise _no_pair(base, instruct, f"{name} {why} {base.name}")
        for side, one in ((base, other), (instruct, tensor)):
            if not one.is_floating:
                raise ModelError(f"{side.name}: {name} is stored as {one.kind}, which cannot be merged")
        n_rows = tensor.n_rows
        if other.shape != tensor.shape:
            if other.shape[1:] != tensor.shape[1:] or not tensor.shape or not ends(instruct).has_row_per_token(plain):
                shapes = [" x ".join(map(str, shape)) or "a number" for shape in (other.shape, tensor.shape)]
                raise _no_pair(base, instruct, f"{name} is {shapes[0]} in one, {shapes[1]} in the other")
            n_rows = min(n_rows, other.n_rows)
        found[name] = _Source(other, n_rows)
    if not found:
        raise ModelError(f"{instruct.name}: has no floating-point weights to merge")
    ours = {_plain_name(name) for name in stored}
    if not by_name.keys() <= ours:  # a head of base's own has no place where INSTRUCT's is the embedding
        head = ends(base).head
        if head in by_name and head not in ours and not ends(base).tied and ends(instruct).tied:
            raise _no_pair(base, instruct, f"{base.name} has a head of its own, {instruct.name} has its embedding's")
    return found


def _config(checkpoint: Checkpoint) -> Any:
    try:
        with quiet():
            return config_in(checkpoint.path)
    except Exception as error:  # configs validate themselves, each in its own way
        raise ModelError(f"{checkpoint.name}: config.json gives no network ({first_line(error)})") from error


def _ends(checkpoint: Checkpoint) -> _Ends:
    """From a network without its weights."""
    config = _config(checkpoint)
    try:
        with quiet(), torch.device("meta"):
            network: Any = loaders_of(config)[0].from_config(config, trust_remote_code=False)
        embedding, head = network.get_input_embeddings(), network.get_output_embeddings()
    except Exception as error:
        raise ModelError(f"{checkpoint.name}: config.json gives no network ({first_line(error)})") from error
    places = {id(module): _plain_name(name) for name, module in network.named_modules()}
    return _Ends(
        f"{places[id(embedding)]}.weight",
        f"{places[id(head)]}.weight" if head is not None else "",
        head is not None and head.weight is embedding.weight,
    )


def _by_plain_name(tensors: Mapping[str, StoredTensor]) -> tuple[dict[str, StoredTensor], frozenset[str]]:
    """Those whose name without prefixes is theirs alone, and the names that are not."""
    groups: dict[str, list[StoredTensor]] = defaultdict(list)
    for name, tensor in tensors.items():
        groups[_plain_name(name)].append(tensor)
    one = {name: group[0] for name, group in groups.items() if len(group) == 1}
    return one, frozenset(groups).difference(one)


def _plain_name(name: str) -> str:
    """Without what classes and wrappers put before it; GPT-NeoX's head by its newer name."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in _PREFIXES:
        parts = parts[1:]
    plain = ".".join(parts)
    return f"lm_head.{plain.removeprefix('embed_out.')}" if plain.startswith("embed_out.") else plain
