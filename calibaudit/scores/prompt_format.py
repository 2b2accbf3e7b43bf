"""How a task's prompts were written, as far as their items do not say: recorded beside the scores."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibaudit.files.text import json_value


@dataclass(frozen=True)
class PromptFormat:
    """template: sha256 (the first 16 hex digits) of the chat template's source; named: how it was chosen.

    answer_at: `auto` or `generation-prompt`. date: what a dated template was told, "" where it asks for none. kwargs:
    the template's arguments, JSON, or "". multiturn: whether examples were turns of their own; None without examples.
    system, answer_prefix: the caller's texts, "" for none. between: what stood between the end of the generation
    prompt and the first item's answer. is_closed: an empty thought stood before the answers, or a header that
    thoughts would have preceded. thinking: what a thought before the answers was allowed, "" for none.
    beyond: what of the generation prompt the first item's answer did not stand behind. n_fewshot: how many examples
    stood before a question; None where that was not recorded.
    """

    template: str
    named: str = "auto"
    answer_at: str = "auto"
    date: str = ""
    kwargs: str = ""
    multiturn: bool | None = None
    system: str = ""
    answer_prefix: str = ""
    between: str = ""
    is_closed: bool = False
    thinking: str = ""
    beyond: str = ""
    n_fewshot: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What the caller chose, apart from the template: both sides of a comparison should have it alike."""
        chosen = dataclasses.asdict(self)
        return {name: chosen[name] for name in _CHOSEN}

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of all of it: the same template and settings, hence the same prompts of the same items."""
        seen = {name: value for name, value in self._recorded.items() if name != "named"}
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {**self._recorded, "fingerprint": self.fingerprint}

    @property
    def _recorded(self) -> dict[str, Any]:
        """Files that were written before examples were counted have no such entry."""
        whole = dataclasses.asdict(self)
        return {name: value for name, value in whole.items() if name != "n_fewshot" or value is not None}


_CHOSEN = ("answer_at", "date", "kwargs", "multiturn", "system", "answer_prefix", "thinking", "n_fewshot")

_FLAGS = {
    "answer_at": "--answer-at",
    "date": "--template-date",
    "kwargs": "--chat-template-kwargs",
    "multiturn": "--fewshot-as-multiturn",
    "system": "--system",
    "answer_prefix": "--answer-prefix",
    "thinking": "--think",
    "n_fewshot": "--num-fewshot",
}


def differences(before: PromptFormat, after: PromptFormat) -> list[str]:
    """What was chosen differently, `--flag: before, after` each.

    A date only where both templates ask for one, the number of examples where both are known, and what a template is
    asked for only where both sides have one.
    """
    found = []
    names = (
        _FLAGS
        if bool(before.template) == bool(after.template)
        else ("system", "answer_prefix", "thinking", "n_fewshot")
    )
    for name in names:
        flag = _FLAGS[name]
        old, new = before.settings[name], after.settings[name]
        if name == "n_fewshot" and None in (old, new):
            continue
        if old != new and not (name == "date" and not (old and new)):
            found.append(f"{flag} {_shown(old)} before, {_shown(new)} after")
    return found


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if value not in ("", None) else "none"


def prompt_format_from_dict(data: Any) -> PromptFormat | None:
    """The inverse of `to_dict`; None for scores that recorded none. Raises TypeError for what is none."""
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise TypeError(f"prompt: expected an object, found {json_value(data)}")
    if "template" not in data:
        raise TypeError("prompt has no entry 'template'")
    found = {name: data[name] for name in _NAMES if name in data}
    for name, value in found.items():
        kinds: tuple[type, ...] = _KINDS.get(name, (str,))
        if type(value) not in kinds:
            words = {str: "text", int: "a whole number", bool: "true or false", type(None): "null"}
            expected = " or ".join(words[kind] for kind in kinds)
            raise TypeError(f"prompt: {name}: expected {expected}, found {json_value(value)}")
    return PromptFormat(**found)


_KINDS: dict[str, tuple[type, ...]] = {
    "multiturn": (bool, type(None)),
    "is_closed": (bool,),
    "n_fewshot": (int, type(None)),
}
_NAMES = tuple(field.name for field in dataclasses.fields(PromptFormat))
