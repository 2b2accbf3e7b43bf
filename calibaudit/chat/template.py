"""A tokenizer's chat template, rendered the same on every day and in every process, its faults told in one line."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from calibaudit.chat.limits import cpu_seconds
from calibaudit.chat.messages import Message, merged, plain
from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError

CHOICES = ("auto", "off", "both")

MAX_SECONDS = 5
"""Computing time of one rendering."""

MAX_GROWTH = 10_000_000
"""Characters that a template may write beside the turns' own."""


_PINNED = (
    "{%- macro strftime_now(form) -%}{%- set found = namespace(text=form) -%}"
    "{%- for directive, text in pinned_date.items() -%}"
    "{%- set found.text = found.text.replace(directive, text) -%}{%- endfor -%}"
    "{{ found.text }}{%- endmacro -%}{{ '' }}"
)
"""Stands before a dated template, and in the place of the function that would give it today's date."""


class TemplateFault(Exception):
    """Why a template cannot be used for these turns, in one line."""


def template_source(tokenizer: Any, choice: str) -> str | None:
    """The template that `--chat-template` chooses, as Jinja; None where it is off or the tokenizer has none.

    A name that the tokenizer's own templates have comes before a file of that name.
    Raises ModelError for a name that is neither.
    """
    own = getattr(tokenizer, "chat_template", None)
    if choice == "off" or (choice in CHOICES and not own):
        return None
    if choice in CHOICES:
        try:
            return str(tokenizer.get_chat_template())
        except ValueError as error:
            named = f"; name one of them: {', '.join(own)}" if isinstance(own, dict) else ""
            raise ModelError(f"the tokenizer's chat template cannot be used: {one_line(error)}{named}") from error
    if isinstance(own, dict) and choice in own:
        return str(own[choice])
    try:
        return Path(choice).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        known = ", ".join((*CHOICES, *(own if isinstance(own, dict) else ())))
        raise ModelError(
            f"--chat-template {choice}: no file that can be read ({getattr(error, 'strerror', None) or error}), and "
            f"not one of {known}"
        ) from None


class ChatTemplate:
    """source: the template as Jinja. Raises ModelError where settings.template names none; see `template_source`."""

    def __init__(self, tokenizer: Any, settings: ChatSettings | None = None) -> None:
        self.tokenizer = tokenizer
        self.settings = settings or ChatSettings()
        source = template_source(tokenizer, self.settings.template)
        if source is None:
            raise ModelError("the tokenizer has no chat template: give one with --chat-template FILE, or off")
        self.source = source

    @property
    def is_dated(self) -> bool:
        """Whether the template asks for today's date; it is told settings.date."""
        return "strftime_now" in self.source

    def render(
        self, turns: Sequence[Message], *, prompt: bool = False, tools: str = "", template_kwargs: str = ""
    ) -> str:
        """The turns as text; prompt: with what the template writes before an answer that is still to come.

        tools, template_kwargs: JSON, as a Conversation has them; the latter go before the settings' own.
        Raises TemplateFault.
        """
        return str(self.call(turns, prompt=prompt, tools=tools, template_kwargs=template_kwargs, tokenize=False))

    def call(
        self, turns: Sequence[Message], *, prompt: bool = False, tools: str = "", template_kwargs: str = "", **how: Any
    ) -> Any:
        """What the tokenizer's own `apply_chat_template` gives. how: its further arguments. Raises TemplateFault."""
        messages = plain(turns)
        arguments = {
            **({"pinned_date": self._date} if self.is_dated else {}),
            **self.settings.arguments,
            **(json.loads(template_kwargs) if template_kwargs else {}),
            **how,
        }
        try:
            with cpu_seconds(MAX_SECONDS):
                result = self.tokenizer.apply_chat_template(
                    messages,
                    chat_template=_PINNED * self.is_dated + self.source,
                    tools=json.loads(tools) if tools else None,
                    add_generation_prompt=prompt,
                    **arguments,
                )
        except (Exception, RecursionError, MemoryError) as error:
            # A template calls methods of the values it gets, so any exception can come out of it.
            raise TemplateFault(one_line(error)) from None
        if how.get("tokenize"):
            return result
        if not isinstance(result, str):
            raise TemplateFault(f"it gives {type(result).__name__} where text is wanted")
        if len(result) > MAX_GROWTH + sum(len(turn.content) + len(turn.reasoning) for turn in turns) * 4:
            raise TemplateFault(f"it writes {len(result):,} characters")
        return result

    def fitting(self, turns: Sequence[Message]) -> tuple[Message, ...]:
        """The turns as the template takes them: a system turn that it refuses or leaves out opens the user's turn."""
        if turns and turns[0].role == "system" and (not turns[0].content or not self.takes_system):
            return merged(turns)
        return tuple(turns)

    @cached_property
    def _date(self) -> dict[str, str]:
        """What each directive of strftime gives on the day."""
        day = datetime.datetime.fromisoformat(self.settings.date)
        plain = {f"%{letter}": day.strftime(f"%{letter}") for letter in "aAbBcdDeFHIjmMpSTuUwWxXyYzZ"}
        unpadded = {f"%-{letter}": plain[f"%{letter}"].lstrip("0") or "0" for letter in "dmHIMSj"}
        return {**unpadded, **plain, "%%": "%"}

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system turn stands in what the template writes."""
        turns = (Message("system", "systemmarker"), Message("user", "usermarker"))
        try:
            text = self.render(turns, prompt=True)
        except TemplateFault:
            return False
        return "systemmarker" in text


def one_line(error: BaseException) -> str:
    """The exception's message, without line breaks; its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
