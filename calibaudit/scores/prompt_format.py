"""How a task's prompts were written, as far as their items do not say: recorded beside the scores."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PromptFormat:
    """template: sha256 (the first 16 hex digits) of the chat template's source; named: how it was chosen.

    answer_at: `auto` or `generation-prompt`. date: what a dated template was told, "" where it asks for none. kwargs:
    the template's arguments, JSON, or "". multiturn: whether examples were turns of their own; None without examples.
    system, answer_prefix: the caller's texts, "" for none. between: what stood between the end of the generation
    prompt and the first item's answer. is_closed: an empty thought stood before the answers, or a header that
    thoughts would have preceded. thinking: what a thought before the answers was allowed, "" for none.
    beyond: what of the generation prompt the first item's answer did not stand behind.
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

    @property
    def settings(self) -> dict[str, Any]:
        """What the caller chose, apart from the template: both sides of a comparison should have it alike."""
        chosen = dataclasses.asdict(self)
        return {name: chosen[name] for name in _CHOSEN}

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of all of it: the same template and settings, hence the same prompts of the same items."""
        seen = {name: value for name, value in dataclasses.asdict(self).items() if name != "named"}
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "fingerprint": self.fingerprint}


_CHOSEN = ("answer_at", "date", "kwargs", "multiturn", "system", "answer_prefix", "thinking")

_FLAGS = {
    "answer_at": "--answer-at",
    "date": "--template-date",
    "kwargs": "--chat-template-kwargs",
    "multiturn": "--fewshot-as-multiturn",
    "system": "--system",
    "answer_prefix": "--answer-prefix",
    "thinking": "--think",
}


def differences(before: PromptFormat, after: PromptFormat) -> list[str]:
    """What was chosen differently, `--flag: before, after` each; a date only where both templates ask for one."""
    found = []
    for name, flag in _FLAGS.items():
        old, new = before.settings[name], after.settings[name]
        if old != new and not (name == "date" and not (old and new)):
            found.append(f"{flag} {_shown(old)} before, {_shown(new)} after")
    return found


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if value else "none"


def prompt_format_from_dict(data: Mapping[str, Any] | None) -> PromptFormat | None:
    """The inverse of `to_dict`; None for scores that recorded none. Raises TypeError for what is none."""
    if data is None:
        return None
    return PromptFormat(**{name: data[name] for name in _NAMES if name in data})


_NAMES = tuple(field.name for field in dataclasses.fields(PromptFormat))
