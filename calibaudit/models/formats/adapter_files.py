"""A folder of PEFT's: what its adapter is, what it was trained on, and which of its files count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.files.paths import user_path
from calibaudit.files.read import MOST_OF_SETTINGS, read_json
from calibaudit.files.text import one_line
from calibaudit.models.formats.opened import has_tokenizer, opened_beside_weights
from calibaudit.models.formats.setting_types import check_settings
from calibaudit.models.formats.shards import INDEX, WEIGHTS, has_weights, weights_in

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_PROMPTS = ("PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "MULTITASK_PROMPT_TUNING", "CPT")
_ELSEWHERE = ("XLORA", "SHADOW")
"""Kinds whose config names other adapters or networks, which are read too."""
_NAMES = {"LORA": "LoRA", "ADALORA": "AdaLoRA", "LOHA": "LoHa", "LOKR": "LoKr", "IA3": "IA³", "VERA": "VeRA"}


@dataclass(frozen=True)
class Adapter:
    """kind: PEFT's name, such as LORA. base, base_revision: what adapter_config.json says it was trained on."""

    kind: str
    base: str | None
    base_revision: str | None
    settings: Mapping[str, Any]

    @property
    def described(self) -> str:
        """`LoRA of rank 8`, `DoRA of rank 8`; other kinds by their name."""
        rank = self.settings.get("r")
        named = _NAMES.get(self.kind, self.kind.replace("_", " "))
        named = "DoRA" if self.kind == "LORA" and self.settings.get("use_dora") else named
        return f"{named} of rank {rank}" if isinstance(rank, int) and self.kind == "LORA" else f"{named} adapter"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no whole weights; a config.json of its base does not matter."""
    return (folder / ADAPTER_CONFIG).is_file() and not has_weights(folder)


def check_not_both(name: str, folder: Path) -> None:
    """Raises ModelError for an adapter beside whole weights: those may have it merged in already, or not."""
    found = [file for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, "adapter_model.bin") if (folder / file).is_file()]
    if found and has_weights(folder):
        raise ModelError(
            f"{name}: holds whole weights and an adapter ({found[0]}), and nothing says whether the adapter is merged "
            "into them: remove the adapter's files if it is; else move them to a folder of their own and name both, "
            "WEIGHTS+ADAPTER"
        )


def read_adapter(name: str, folder: Path) -> Adapter:
    """What adapter_config.json says. Raises ModelError for what it is not, and for adapters that add no weights."""
    raw = read_json(
        folder / ADAPTER_CONFIG, ModelError, name=f"{name}: {ADAPTER_CONFIG}", mark=False, most=MOST_OF_SETTINGS
    )
    kind = raw.get("peft_type") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or not kind:
        raise ModelError(f"{name}: {ADAPTER_CONFIG} has no peft_type, so it is not one of PEFT's")
    check_settings(name, ADAPTER_CONFIG, raw)
    kind = one_line(kind.upper(), 40)
    if kind in _PROMPTS:
        raise ModelError(
            f"{name}: a {kind.replace('_', ' ').lower()} adapter puts vectors before the text and changes no weights; "
            "adapters that change weights are scored, such as LoRA"
        )
    if kind in _ELSEWHERE:
        raise ModelError(
            f"{name}: {'an X-LoRA' if kind == 'XLORA' else 'a shadow'} adapter reads weights from other folders, whose "
            "changes would not be seen; adapters that hold their own weights are scored, such as LoRA"
        )
    if raw.get("alora_invocation_tokens"):
        raise ModelError(
            f"{name}: an activated LoRA (alora_invocation_tokens) changes the model from some tokens on only, which is "
            "not supported"
        )
    base, revision = raw.get("base_model_name_or_path"), raw.get("revision")
    return Adapter(kind, base if isinstance(base, str) and base else None, revision or None, raw)


def adapter_weights(name: str, folder: Path) -> Path:
    """The file of an adapter's weights. Raises ModelError where there is none, or only a pickle."""
    if (folder / ADAPTER_WEIGHTS).is_file():
        return folder / ADAPTER_WEIGHTS
    if (folder / "adapter_model.bin").is_file():
        raise ModelError(
            f"{name}: only pickle weights (adapter_model.bin), which can run code when read, so they are refused; if "
            "you trust them, convert once with PEFT: load the adapter and save_pretrained(NEW)"
        )
    raise ModelError(f"{name}: no adapter weights in the folder ({ADAPTER_WEIGHTS}); save the adapter with PEFT again")


def opened_files(name: str, folder: Path) -> dict[str, Path]:
    """Every file that loading a folder opens, of an adapter or of whole weights, by its path there, in order.

    Raises ModelError.
    """
    files = opened_beside_weights(name, folder)
    if is_adapter(folder):
        files |= {file: folder / file for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if (folder / file).is_file()}
        if not has_tokenizer(folder):
            files.pop("config.json", None)  # its base's, which some trainers leave there
    else:
        weights = weights_in(name, folder)
        named = [*weights, folder / INDEX] if weights and weights[0] != folder / WEIGHTS else weights
        files |= {file.relative_to(folder).as_posix(): file for file in named}
    return {file: files[file] for file in sorted(files)}


def recorded_folder(adapter: Adapter, folder: Path) -> Path | None:
    """The base as a folder: as it stands, else seen from the adapter's own folder; None where it is neither."""
    if adapter.base is None:
        return None
    named = user_path(adapter.base, ModelError)
    return next((place for place in (named, folder / named) if place.is_dir()), None)
