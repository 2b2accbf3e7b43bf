"""What rows say of a chat -> messages: turns as sets write them, what stands beside their text, tools, arguments.

`passed` collects, by name, what held a value and was not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calibaudit.chat.messages import REASONING, ROLES, Message, canonical
from calibaudit.chat.settings import RESERVED
from calibaudit.files.read import NotJson, decode_json
from calibaudit.files.text import json_kind, json_value

_SPEAKERS = {"human": "user", "gpt": "assistant", "function_response": "tool", "observation": "tool"}
_LEARNED = ("weight", "train")
"""Keys of a turn that say with 0 or 1, false or true, whether it is learned."""

_UNREAD = ("tool_calls", "function_call")
"""Keys of a turn without which its text is not what was said."""


class RowError(Exception):
    """What is wrong with one row."""


def holds(value: Any) -> bool:
    """Whether a field says anything: tables leave cells empty, and pandas writes NaN into them."""
    return value is not None and value == value and value not in ("", [], {})


def text_of(value: Any, where: str) -> str:
    """A text that is not empty. Raises RowError."""
    if not isinstance(value, str):
        raise RowError(f"{where}: expected text, found {json_kind(value)}")
    if not value.strip():
        raise RowError(f"{where}: is empty")
    return _whole(value, where)


def messages_of(value: Any, key: str, passed: dict[str, None], *, given: bool = False) -> tuple[Message, ...]:
    """The turns of a list of them. given: none of them is learned, whatever it says. Raises RowError."""
    if not isinstance(value, list):
        raise RowError(f"{key}: expected a list of messages, found {json_kind(value)}")
    if not value:
        raise RowError(f"{key}: there are no messages in it")
    found = []
    for number, turn in enumerate(value, start=1):
        message, unread = _message(turn, f"{key}: turn {number}", given)
        found.append(message)
        passed.update((f"{key}[].{name}", None) for name in unread)
    return tuple(found)


def history_of(value: Any, key: str) -> tuple[Message, ...]:
    """Earlier questions with their answers, as user's and assistant's turns. Raises RowError."""
    value = from_json(value, key)
    if not holds(value):
        return ()
    if not isinstance(value, list):
        raise RowError(f"{key}: expected a list of [question, answer] pairs, found {json_kind(value)}")
    found = []
    for number, pair in enumerate(value, start=1):
        if not isinstance(pair, list) or len(pair) != 2:
            raise RowError(f"{key}: pair {number}: expected [question, answer], found {json_value(pair)}")
        for role, text in zip(("user", "assistant"), pair, strict=True):
            found.append(Message(role, text_of(text, f"{key}: pair {number}")))
    return tuple(found)


def tools_of(value: Any, key: str) -> str:
    """A list of functions, or the JSON of one, as canonical JSON; "" for none. Raises RowError."""
    value = from_json(value, key)
    if not holds(value):
        return ""
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise RowError(f"{key}: expected a list of objects, or that list as JSON text, found {json_value(value)}")
    return _canonical(value, key)


def template_kwargs_of(value: Any, key: str) -> str:
    """The template's arguments, an object or the JSON of one, as canonical JSON; "" for none. Raises RowError."""
    value = from_json(value, key)
    if not holds(value):
        return ""
    if not isinstance(value, dict):
        raise RowError(f"{key}: expected an object, or that object as JSON text, found {json_kind(value)}")
    if other := sorted(RESERVED & value.keys()):
        raise RowError(f"{key}: {other[0]} is not an argument of a chat template")
    return _canonical(value, key)


def from_json(value: Any, key: str) -> Any:
    """The value that a text is the JSON of; what is no text, or a blank one, as it stands. Raises RowError."""
    if not isinstance(value, str) or not value.strip():
        return None if isinstance(value, str) else value
    try:
        return decode_json(value)
    except NotJson as error:
        raise RowError(f"{key}: {error.reason}") from None


def _message(turn: Any, where: str, given: bool) -> tuple[Message, list[str]]:
    """A turn written as role and content, or as from and value; and which of its other keys were not read."""
    if not isinstance(turn, dict):
        raise RowError(f"{where}: expected an object with role and content, found {json_kind(turn)}")
    keys = next((keys for keys in (("role", "content"), ("from", "value")) if turn.get(keys[0]) is not None), None)
    if keys is None:
        names = ", ".join(map(str, turn)) or "no keys"
        raise RowError(f"{where}: it says neither role nor from; it has {names}")
    if unread := [key for key in _UNREAD if turn.get(key)]:
        raise RowError(f"{where}: has {unread[0]}, which is not read; write it into the content, or leave it out")
    role = turn[keys[0]]
    role = _SPEAKERS.get(role, role) if isinstance(role, str) else role
    if role not in ROLES:
        raise RowError(f"{where}: unknown role {role!r}: known are {', '.join(ROLES)}")
    content = _content(turn.get(keys[1]), where, role)
    more = {key: value for key, value in turn.items() if key not in keys and holds(value)}
    reasoning = ""
    if role == "assistant" and (key := next((key for key in REASONING if key in more), None)):
        reasoning = text_of(more.pop(key), f"{where}: {key}")
        more = {name: value for name, value in more.items() if name not in REASONING or value != reasoning}
    learned = True
    for key in _LEARNED:
        said = _yes_or_no(more.get(key))
        # That a user's turn, or a given one, is not to be learned is so anyway; that it is to be cannot be done.
        if said is False or (said and role == "assistant" and not given):
            learned = learned and (said or role != "assistant")
            del more[key]
    return Message(role, content, reasoning, learned), list(map(str, more))


def _yes_or_no(value: Any) -> bool | None:
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None


def _content(content: Any, where: str, role: str) -> str:
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        if not all(isinstance(part, str) for part in parts):
            raise RowError(f"{where}: a part of its content is not text; only text is trained on")
        content = "".join(map(str, parts))
    # Many sets write the lack of a system prompt as an empty turn.
    return "" if role == "system" and content == "" else text_of(content, where)


def _canonical(value: Mapping[str, Any] | list[Any], key: str) -> str:
    try:
        return _whole(canonical(value), key)
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"{key}: cannot be written as JSON: {' '.join(str(error).split())}") from None


def _whole(text: str, where: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise RowError(f"{where}: holds half a surrogate pair, which is not a character") from None
    return text
