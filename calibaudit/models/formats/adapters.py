"""An adapter on its base, as PEFT applies it: merged into plain weights, beside quantized ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from calibaudit.errors import ModelError
from calibaudit.files.limits import TooMuch, limited
from calibaudit.models.formats.adapter_files import ADAPTER_CONFIG, Adapter, adapter_weights
from calibaudit.models.library import first_line

_PREFIX = "base_model.model."


def with_adapter(network: Any, name: str, folder: Path, adapter: Adapter, *, merge: bool) -> Any:
    """The network with the adapter of a folder in it; the network itself is used up.

    merge: into the weights, where PEFT can do that for this kind; else the adapter's layers stay beside them, and
    compute the same. What the adapter's file holds is held against what was loaded: a weight that is missing would be
    a number nobody trained, one that finds no place would do nothing. Raises ModelError.
    """
    try:
        import peft
    except ImportError as error:
        raise ModelError(
            f"{name}: is an adapter ({adapter.described}); to apply it: pip install peft, or 'calibaudit[peft]'"
        ) from error
    file = adapter_weights(name, folder)
    shapes = _shapes(file)
    _resize(network, name, shapes)
    _check_patterns(network, name, adapter.settings)
    try:
        adapted = peft.PeftModel.from_pretrained(network, str(folder), is_trainable=False, local_files_only=True)
        held = peft.get_peft_model_state_dict(adapted, save_embedding_layers=False)
    except ModelError:
        raise
    except Exception as error:  # PEFT passes on what PyTorch says of names and shapes
        raise ModelError(
            f"{name}: the adapter does not fit its base ({first_line(error)}); name the one that it was trained on, "
            "BASE+ADAPTER"
        ) from error
    _check_all_used(name, adapted, held, shapes)
    if not merge:
        return adapted.get_base_model()
    try:
        merged = adapted.merge_and_unload(safe_merge=True)
        merged.__dict__.pop("peft_config", None)  # it has no adapter any more
        return merged
    except (NotImplementedError, AttributeError, TypeError):  # a kind that cannot be merged
        return adapted.get_base_model()
    except ValueError as error:
        raise ModelError(f"{name}: the adapter cannot be merged into its base ({first_line(error)})") from error


def _check_patterns(network: Any, name: str, settings: Mapping[str, Any]) -> None:
    """PEFT finds modules by the patterns that an adapter's file has: one that never ends is not handed to it."""
    whole = [settings[key] for key in ("target_modules", "exclude_modules") if isinstance(settings.get(key), str)]
    keys = [str(key) for part in ("rank_pattern", "alpha_pattern") for key in settings.get(part) or ()]
    for pattern in (*whole, *(rf"(.*\.)?({key})$" for key in keys)):
        try:
            with limited(megabytes=None):
                for path, _ in network.named_modules():
                    re.fullmatch(pattern, path)
        except (TooMuch, re.error) as error:
            raise ModelError(f"{name}: {ADAPTER_CONFIG}: the pattern {pattern!r:.80} is refused: {error}") from None


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    with safe_open(file, framework="np") as opened:
        return {key: tuple(opened.get_slice(key).get_shape()) for key in list(opened.keys())}


def _resize(network: Any, name: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give the base the rows that the adapter was trained with, where it brings its embeddings whole."""
    inner, outer = network.get_input_embeddings(), network.get_output_embeddings()
    places = {id(module): path for path, module in network.named_modules()}
    rows: dict[str, int] = {}
    for kind, module in (("input", inner), ("output", outer)):
        path = places.get(id(module))
        shape = None if path is None else shapes.get(f"{_PREFIX}{path}.weight")
        if shape is not None:
            rows[kind] = shape[0]
    have = inner.weight.shape[0]
    if not rows or set(rows.values()) == {have}:
        return
    tied = outer is None or outer.weight is inner.weight
    if len(set(rows.values())) > 1 or (len(rows) == 1 and not tied):
        raise ModelError(
            f"{name}: the adapter brings {' and '.join(f'{n:,} {kind}' for kind, n in rows.items())} embeddings where "
            f"its base has {have:,}; the other ones would be random numbers"
        )
    network.resize_token_embeddings(next(iter(rows.values())), mean_resizing=False)


def _check_all_used(name: str, adapted: Any, held: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    missing = sorted(key for key in held if key not in shapes)
    if missing:
        raise ModelError(
            f"{name}: {len(missing)} weights of the adapter that {ADAPTER_CONFIG} describes are not in its file, first "
            f"{missing[0]}"
        )
    everything = adapted.state_dict()
    unused = sorted(key for key in shapes if key not in held and key not in everything)
    if unused:
        raise ModelError(
            f"{name}: {len(unused)} weights of the adapter have no place in its base, first {unused[0]}; is it the "
            "base that it was trained on?"
        )
