"""Conversations as data: turns, who speaks in them, and what of them is to be learned."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ROLES = ("system", "developer", "user", "assistant", "tool")

REASONING = ("reasoning_content", "reasoning", "thinking")
"""What templates call a turn's thought."""


@dataclass(frozen=True)
class Message:
    """One turn. role: one of ROLES.

    reasoning: the thought before the content, where it has a key of its own; a template writes it as it does thoughts.
    learned: whether an assistant's turn is learned from in tuning; other turns never are.
    """

    role: str
    content: str
    reasoning: str = ""
    learned: bool = True


@dataclass(frozen=True)
class Conversation:
    """Turns in order, at least one by the assistant. place: `file:line` or `data set, row N` (from 0), for messages.

    n_given: so many turns at the start are given and not learned, whoever speaks in them.
    tools: JSON list of the functions that the template is told of, or "". template_kwargs: JSON object of this row's
    own arguments to the template, or "".
    """

    messages: tuple[Message, ...]
    place: str
    n_given: int = 0
    tools: str = ""
    template_kwargs: str = ""


def plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The turns as chat templates want them."""
    return [
        {"role": message.role, "content": message.content}
        | (dict.fromkeys(REASONING, message.reasoning) if message.reasoning else {})
        for message in messages
    ]


def canonical(value: Mapping[str, Any] | Sequence[Any] | None) -> str:
    """JSON, "" for nothing. Keys keep their order: a template writes tools in the order they have."""
    return json.dumps(value, ensure_ascii=False) if value else ""


def merged(turns: Sequence[Message]) -> tuple[Message, ...]:
    """The system turn at the head of the user turn after it, a blank line between them unless one of the two has it.

    For templates without a system turn: their models know instructions as the head of what the user says.
    """
    system, *rest = turns
    if not system.content:
        return tuple(rest)
    joint = "" if system.content[-1:].isspace() else "\n\n"
    if not rest or rest[0].role != "user":
        return (Message("user", system.content), *rest)
    return (dataclasses.replace(rest[0], content=system.content + joint + rest[0].content), *rest[1:])
