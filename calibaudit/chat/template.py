"""A tokenizer's chat template, rendered the same on every day and in every process, its faults told in one line."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from calibaudit.chat.messages import Message, merged, plain
from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.files.limits import MEGABYTES, SECONDS, TooMuch, limited
from calibaudit.files.paths import user_path
from calibaudit.files.read import NotJson, decode_json, read_text
from calibaudit.files.text import json_kind

CHOICES = ("auto", "off", "both")

MAX_GROWTH = 10_000_000
"""Characters that a template may write beside the turns' own."""

MOST_BYTES = 1 << 22
"""Of a template's file; the longest in use have 0.03 MB."""

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
        return read_text(user_path(choice, ModelError), ModelError, mark=False, most=MOST_BYTES)
    except ModelError as error:
        known = ", ".join((*CHOICES, *(own if isinstance(own, dict) else ())))
        reason = str(error).partition("cannot be read: ")[2] or str(error)
        raise ModelError(
            f"--chat-template {choice:.200}: neither a file that can be read ({reason}) nor one of {known}"
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
        """What the tokenizer's own `apply_chat_template` gives. how: its further arguments. Raises TemplateFault, and
        ModelError for a template that computes on and on.
        """
        messages = plain(turns)
        arguments = {
            **({"pinned_date": self._date} if self.is_dated else {}),
            **self.settings.arguments,
            **(_object(template_kwargs) if template_kwargs else {}),
            **how,
        }
        try:
            # What tokenizes beside is not Python and ends the process where it gets no memory; the text is known then.
            with limited(SECONDS, None if how.get("tokenize") else MEGABYTES):
                result = self.tokenizer.apply_chat_template(
                    messages,
                    chat_template=_PINNED * self.is_dated + self.source,
                    tools=decode_json(tools) if tools else None,
                    add_generation_prompt=prompt,
                    **arguments,
                )
        except TooMuch as error:  # no fault of these turns, so that nothing goes on
            raise ModelError(f"the chat template is refused: {error}") from None
        except Exception as error:
            # A template calls methods of the values it gets, so any exception can come out of it.
            raise TemplateFault(one_line(error)) from None
        if how.get("tokenize"):
            return result
        if not isinstance(result, str):
            raise TemplateFault(f"expected it to write text, found {json_kind(result)}")
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


def _object(text: str) -> dict[str, Any]:
    found = decode_json(text)
    if not isinstance(found, dict):
        raise NotJson("the template's arguments must be a JSON object")
    return found


def one_line(error: BaseException) -> str:
    """The exception's message, without line breaks; its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
