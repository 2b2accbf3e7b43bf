"""What a network's config says about lengths: its context window, the windows of its layers, its recurrent states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calibaudit.models.prefix_cache import Local, Locals

DEFAULT_MAX_LENGTH = 2048

NARROW = 3
"""Windows are proven at this width: the common start of the probe's contexts is longer than it."""

_WINDOW_NAMES = ("sliding_window", "attention_chunk_size")

_RECURRENT = ("state_size", "ssm_state_size", "mamba_d_state", "conv_L_cache", "lru_width", "linear_conv_kernel_dim")


def max_length(config: Any, tokenizer: Any) -> int:
    """lm-evaluation-harness's rule, so that truncation agrees: the config's window, else the tokenizer's, else 2048.

    (MPT's name for it is one the harness does not look for.)
    """
    for name in ("n_positions", "max_position_embeddings", "n_ctx", "max_seq_len"):
        value = _value(config, name)
        if value is not None:
            return int(value)
    length = getattr(tokenizer, "model_max_length", None)
    return int(length) if length is not None and length < 10**9 else DEFAULT_MAX_LENGTH


def sliding_window(config: Any) -> int | None:
    """Tokens; None when every layer attends to the whole past. Local chunks (Llama 4) count as windows."""
    kinds = getattr(config, "layer_types", None)
    if kinds and all("full" in kind or "linear" in kind for kind in kinds):
        return None
    if getattr(config, "use_sliding_window", None) is False:
        return None
    names = ["sliding_window", "attention_window_size", "attention_chunk_size"]
    if "local" in (getattr(config, "attention_layers", None) or ()):  # GPT-Neo
        names.append("window_size")
    sizes = [value for name in names if isinstance(value := _value(config, name), int) and value > 0]
    return min(sizes, default=None)


def rope_switch(config: Any) -> int | None:
    rope = getattr(config, "rope_scaling", None) or getattr(config, "rope_parameters", None) or {}
    if not isinstance(rope, dict) or rope.get("rope_type", rope.get("type")) != "longrope":
        return None
    length = getattr(config, "original_max_position_embeddings", None) or rope.get("original_max_position_embeddings")
    return None if length is None else int(length)


def is_recurrent(config: Any) -> bool:
    """Whether some layers keep a state in the place of keys and values, as far as the config tells."""
    kinds = getattr(config, "layer_types", None) or ()
    named = any(part in str(kind) for kind in kinds for part in ("linear", "conv", "mamba", "recurrent", "hybrid"))
    return named or any(_value(config, name) is not None for name in _RECURRENT)


def windows(config: Any) -> Locals:
    """The windows that a mask must hold, as transformers' masks are keyed: by layer type, else one for all layers.

    None where no layer has one, or where the config names layers that nothing is known of.
    """
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        for name in _WINDOW_NAMES:
            if size := _size(config, name):
                return Local(size, chunked=name != "sliding_window")
        return None
    known: dict[str, Local | None] = {"full_attention": None}
    if size := _size(config, "sliding_window"):
        known["sliding_attention"] = Local(size)
    if size := _size(config, "attention_chunk_size"):
        known["chunked_attention"] = Local(size, chunked=True)
    if not set(kinds) <= set(known) or set(kinds) == {"full_attention"}:
        return None
    return {kind: known[kind] for kind in ("full_attention", *sorted({*kinds} - {"full_attention"}))}


def narrowed(local: Locals) -> Locals:
    """The same layers, every window NARROW tokens wide."""
    if local is None:
        return None
    if isinstance(local, Local):
        return local._replace(size=NARROW)
    return {kind: window and window._replace(size=NARROW) for kind, window in local.items()}


@contextmanager
def narrow_windows(config: Any) -> Iterator[None]:
    """Every window that the config names is NARROW tokens wide while the block runs.

    Networks of transformers read a window when they make a mask or a cache, so what holds of a narrow one holds of
    theirs; `follows_its_config` finds those that do not.
    """
    names = [name for name in _WINDOW_NAMES if _size(config, name)]
    before = {name: getattr(config, name) for name in names}  # raises where layers differ in it
    try:
        for name in names:
            setattr(config, name, NARROW)
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


@contextmanager
def narrow_layers(network: Any) -> Iterator[None]:
    """The windows that layers keep for themselves are NARROW tokens wide while the block runs."""
    found = [m for m in network.modules() if isinstance(vars(m).get("sliding_window"), int)]
    before = [module.sliding_window for module in found]
    for module in found:
        module.sliding_window = NARROW
    try:
        yield
    finally:
        for module, value in zip(found, before, strict=True):
            module.sliding_window = value


def _size(config: Any, name: str) -> int:
    value = _value(config, name)
    return value if isinstance(value, int) and value > 0 else 0


def _value(config: Any, name: str) -> Any:
    """The setting; where layers differ in it, which transformers raises for, the smallest of theirs, or None."""
    try:
        return getattr(config, name, None)
    except RuntimeError:
        values = [getattr(layer, name, None) for layer in config.per_layer_config]
        return min((value for value in values if isinstance(value, int)), default=None)
