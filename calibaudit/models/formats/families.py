"""Which of transformers' classes may hold a checkpoint's language model; that it does is proven on its weights."""

from __future__ import annotations

import re
from typing import Any

from transformers import AutoModelForCausalLM
from transformers.models.auto import modeling_auto

_KINDS = ("CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM")
_AUTO_CLASSES = ("AutoModelForCausalLM", "AutoModelForImageTextToText", "AutoModelForMultimodalLM")
_PLACEHOLDER = re.compile(r"(image|video|audio|vision|speech|boi|eoi|boa|eoa).*_token_(id|index)")


def loaders_of(config: Any) -> list[Any]:
    """The auto classes that know this config: the text's alone first, then the wrappers around a text model.

    Where two of them give one class, the first; the classes themselves are not looked at, nor is a weight loaded.
    """
    found: dict[str, Any] = {}
    for kind, auto in zip(_KINDS, _AUTO_CLASSES, strict=True):
        mapping = getattr(modeling_auto, f"MODEL_FOR_{kind}_MAPPING", None)  # which there are depends on the version
        if mapping is not None and type(config) in mapping:
            loader = AutoModelForCausalLM if kind == "CAUSAL_LM" else getattr(modeling_auto, auto)
            found.setdefault(mapping[type(config)].__name__, loader)
    return list(found.values())


def class_names(config: Any) -> set[str]:
    """Names that a checkpoint with a language-model head may give in `architectures`, this config's own among them."""
    names: set[str] = set()
    for kind in _KINDS:
        for entry in getattr(modeling_auto, f"MODEL_FOR_{kind}_MAPPING_NAMES", {}).values():
            names.update([entry] if isinstance(entry, str) else entry)
        mapping = getattr(modeling_auto, f"MODEL_FOR_{kind}_MAPPING", None)
        if mapping is not None and type(config) in mapping:
            names.add(mapping[type(config)].__name__)
    return names


def text_config(config: Any) -> Any:
    """The part of a config that describes the text model: the config itself for most, a nested one for wrappers."""
    try:
        return config.get_text_config() if hasattr(config, "get_text_config") else config
    except ValueError:  # several of them, in families that also speak
        return config


def placeholder_ids(config: Any) -> frozenset[int]:
    """Tokens that stand for an image, a video or a sound, as the config names them: no text, so no probe has them."""
    entries = config.to_dict().items()
    return frozenset(
        value for key, value in entries if isinstance(value, int) and value >= 0 and _PLACEHOLDER.fullmatch(str(key))
    )
