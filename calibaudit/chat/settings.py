"""How a prompt stands in a model's chat template: what `--chat-template` and the flags beside it say."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from typing import Any, Literal

from calibaudit.chat.messages import canonical
from calibaudit.errors import CalibauditError, told
from calibaudit.files.read import NotJson, decode_json

RESERVED = frozenset(
    {
        *("messages", "conversation", "tools", "documents", "chat_template", "add_generation_prompt", "tokenize"),
        *("continue_final_message", "return_dict", "return_tensors", "return_assistant_tokens_mask", "padding"),
        *("truncation", "max_length", "tokenizer_kwargs", "self", "pinned_date"),
    }
)
"""Arguments that transformers keeps for itself, and what a pinned date is handed on by."""

AnswerAt = Literal["auto", "generation-prompt"]

TEMPLATE_DATE = "2024-07-26"
"""The day that a template which asks for today's date is told: what Llama 3.2's says where it cannot ask."""


@dataclass(frozen=True)
class ChatSettings:
    """template: `auto`, `off`, `both`, the name of one of the tokenizer's templates, or a file with one.

    answer_at: `auto` scores and learns an answer where the template writes it; `generation-prompt` scores it where the
    generation prompt ends, as lm-evaluation-harness does. date: YYYY-MM-DD, what a dated template is told. kwargs: a
    JSON object of arguments to the template, or "". multiturn: examples before a question are turns of their own;
    else they stand in the user's turn.
    Raises CalibauditError for a date or arguments that are none.
    """

    template: str = "auto"
    answer_at: AnswerAt = "auto"
    date: str = TEMPLATE_DATE
    kwargs: str = ""
    multiturn: bool = True

    def __post_init__(self) -> None:
        try:
            datetime.date.fromisoformat(self.date)
        except ValueError:
            raise CalibauditError(f"--template-date {self.date}: give a day as YYYY-MM-DD") from None
        if taken := sorted(RESERVED & _object(self.kwargs).keys()):
            raise CalibauditError(
                f"--chat-template-kwargs: {taken[0]!r} is reserved by transformers, so a template cannot take it"
            )
        object.__setattr__(self, "kwargs", canonical(dict(sorted(_object(self.kwargs).items()))))

    @property
    def arguments(self) -> dict[str, Any]:
        """The template's arguments."""
        return _object(self.kwargs)

    def for_rows(self) -> ChatSettings:
        """How tuning rows stand in the template: as the audit's prompts, but that chats never go without one."""
        return dataclasses.replace(self, template="auto") if self.template in ("off", "both") else self


def checked_chat(chat: object) -> ChatSettings:
    """The settings; the defaults for None. Raises CalibauditError for anything else."""
    if chat is None:
        return ChatSettings()
    if not isinstance(chat, ChatSettings):
        template = chat if isinstance(chat, str) else "off"
        raise CalibauditError(f"chat is {told(chat)}; give calibaudit.ChatSettings(template={told(template)})")
    return chat


def _object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = decode_json(text)
    except NotJson:
        value = None
    if not isinstance(value, dict):
        raise CalibauditError(
            f"--chat-template-kwargs {text:.200}: give a JSON object, such as '{{\"enable_thinking\": false}}'"
        )
    return value
