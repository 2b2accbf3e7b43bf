"""Which rows of a network may share what: its ways are tried one after the other, and what was proven is set in it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from torch import Tensor

from calibaudit.models import lengths, prefix_cache, sharing
from calibaudit.models.attention.segments import has_flash
from calibaudit.models.head import probe_ids

CACHE_NAMES = ("cache", "past_key_values", "cache_params", "state")
"""What a decoder calls its cache, as argument and as output: the name changed in transformers 5.24, and recurrent
networks had names of their own."""

COPIES_BYTES = {"cpu": 2 << 30, "cuda": 8 << 30}
"""Memory for the recurrent states of a batch whose cache is copied; keys and values go by the batch's tokens."""

_WAYS: tuple[tuple[bool, bool, prefix_cache.CacheKind], ...] = (
    (False, False, "own"),
    (False, True, "own"),
    (False, False, "plain"),
    (True, False, "own"),
    (True, True, "own"),
)
"""How to go on from a copied cache, in the order tried: one token a call (layers of Mamba and Jamba start anew on
several), with positions told (Bamba begins at 0 if not; RoBERTa counts from a first one of its own), in which cache."""


def prove_sharing(model: Any, config: Any, ids: Tensor, tolerance: float) -> str | None:
    """Finds out which rows can share what, and says so in the model; a line for the user where some run whole.

    model: a `models.model.Model`, whose module imports this one. config: of its text decoder.
    """
    window = model.sliding_window
    follows = window is not None and sharing.follows_its_config(
        model.forward, config, ids[:, : sharing.N_PROBE], tolerance
    )
    if has_flash(model.device, model.network.dtype):
        prove_forest(model, config, ids, tolerance)
    why_not_packed = _why_not_packed(model, config, ids, tolerance, follows)
    model.shares_prefix = why_not_packed is None
    if model.shares_prefix and model.max_packed_length == model.max_length:
        return None
    recurrent = lengths.is_recurrent(config) or model._cache_name in CACHE_NAMES[2:]
    why_not_copied = _why_not_copied(model, config, tolerance, follows, recurrent)
    model.copies_cache = why_not_copied is None
    if model.copies_cache:
        return None
    if model.shares_prefix:
        return (
            f"choices longer with their context than its window of {window} tokens cannot share it ({why_not_copied}): "
            "each of them runs the whole row, which is slower"
        )
    reason = why_not_copied if recurrent or why_not_packed is None else why_not_packed
    return f"a context cannot be shared by its choices ({reason}): each choice runs the whole row, which is slower"


def prove_forest(model: Any, config: Any, ids: Tensor, tolerance: float) -> None:
    """Sets the model's forest_length: rows up to its window where windows are not those of its config, else all."""
    model.forest_length = 0
    if model.max_length < ids.shape[1] or not model._takes_positions:
        return
    if not sharing.forest_holds(model.forward, model.run_forest, ids, tolerance):
        return
    model.forest_length = model.max_length
    if model.sliding_window is not None:
        try:
            with lengths.narrow_windows(config), lengths.narrow_layers(model.network):
                proven = sharing.forest_holds(model.forward, model.run_forest, ids, tolerance)
        except RuntimeError:  # layers differ in their windows
            proven = False
        if not proven:
            model.forest_length = min(model.max_length, model.sliding_window)


def _why_not_packed(model: Any, config: Any, ids: Tensor, tolerance: float, follows: bool) -> str | None:
    """Also sets the model's windows and kind of cache. follows: the network's windows are those of its config."""
    if model._cache_name is None:
        return "it has no key-value cache"
    if not model._takes_positions:
        return "it takes no positions"

    def why_not(local: prefix_cache.Locals) -> str | None:
        def masks(ends: Tensor, positions: Tensor, n_common: int, length: int) -> Any:
            return prefix_cache.block_masks(ends, positions, n_common, model.network.dtype, local, length)

        def fresh() -> Any:
            return model.empty_cache(packed=True)

        return sharing.why_not_packed(model.forward, masks, fresh, ids, tolerance)

    windows = lengths.windows(config) if follows else None
    if windows is not None:
        with lengths.narrow_windows(config):
            proven = why_not(lengths.narrowed(windows)) is None
        if proven:
            model._windows = windows
            return None
    if model.max_packed_length < sharing.N_PROBE:
        return f"its window of {model.max_packed_length} tokens is too short to tell"
    reason = None
    for model._packed_cache in ("plain", "own"):
        why = why_not(None)
        if why is None:
            return None
        reason = reason or why
    return reason


def _why_not_copied(model: Any, config: Any, tolerance: float, follows: bool, recurrent: bool) -> str | None:
    """Also sets the kind of cache. follows: see `_why_not_packed`."""
    if model._cache_name is None:
        return "it has no key-value cache"
    contexts = sharing.copied_lengths(None if follows else model.sliding_window, model.max_length)
    if contexts is None:
        return f"its window of {model.sliding_window} tokens is too wide to tell"
    ids, reason = probe_ids(model.network, 2 * (max(contexts) + sharing.N_PROBE), seed=1), None

    def fresh() -> Any:
        return model.empty_cache(packed=False)

    for model.one_by_one, model._tells_positions, model._copied_cache in _WAYS:
        with lengths.narrow_windows(config) if follows else nullcontext():
            why = sharing.why_not_copied(model.forward, model.extend, fresh, ids, contexts, tolerance, recurrent)
        if why is None:
            past = model.forward(ids[:, :1], past=fresh(), use_cache=True)[1]
            budget = COPIES_BYTES.get(model.device.type, COPIES_BYTES["cpu"])
            model.max_copies = max(1, budget // max(1, prefix_cache.cache_bytes(past)))
            return None
        reason = reason or why
    return reason
