"""Tuning data -> rows: chats, prompts with completions, Alpaca instructions, plain text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibaudit.chat.messages import ROLES, Conversation, Message
from calibaudit.errors import SftError
from calibaudit.training.data.sources import read_documents

KINDS = (("messages",), ("conversations",), ("prompt", "completion"), ("instruction", "output"), ("text",))
"""The keys that make a row one of a kind; the first kind whose keys are all there is taken."""

_LOOKED_FOR = ", ".join(" + ".join(keys) for keys in KINDS)
_SPEAKERS = {"human": "user", "gpt": "assistant", "function_response": "tool", "observation": "tool"}
_UNREAD = ("tool_calls", "function_call", "reasoning_content", "thinking")
"""Keys of a message whose content a chat template may render, and which are not read."""


@dataclass(frozen=True)
class Completion:
    """What is given, and what is learned after it. delimiter: stands between the two where no chat template does."""

    prompt: str
    completion: str
    place: str
    delimiter: str = ""


@dataclass(frozen=True)
class PlainText:
    """Running text, all of which is learned."""

    text: str
    place: str


Row = Conversation | Completion | PlainText


@dataclass(frozen=True)
class Rows:
    """The usable rows of n_read, in order. faults: one line each, place first, for every row that is not usable."""

    rows: tuple[Row, ...]
    n_read: int
    faults: tuple[str, ...]


class _RowError(Exception):
    """What is wrong with one row."""


def read_rows(source: str, *, split: str = "train", limit: int | None = None, offline: bool = False) -> Rows:
    """The rows of a .jsonl, .json or .parquet file, a folder of such files, `demo:sft`, or a data set of the hub.

    A folder's files belong to the split that their name or subfolder names, else to `train`; a single file has no
    splits. A hub id may name a configuration: `org/name:config`. Columns beside a kind's own are passed over.
    limit: read the first so many rows. offline: never ask the network.
    Raises SftError: nothing there, unreadable, no kind of row among the columns, or no row that can be used.
    """
    if limit is not None and limit < 1:
        raise SftError(f"limit {limit} is below 1: it is the number of rows to read")
    rows: list[Row] = []
    faults: list[str] = []
    columns: dict[str, None] = {}
    n_read = n_of_a_kind = 0
    for place, document in itertools.islice(read_documents(source, split, offline=offline), limit):
        n_read += 1
        try:
            if isinstance(document, str):
                raise _RowError(document)
            columns.update(dict.fromkeys(document))
            if (kind := _kind(document)) is None:
                raise _RowError(f"no kind of row: it has {_names(document)}; looked for {_LOOKED_FOR}")
            n_of_a_kind += 1
            rows.append(_READERS[kind](document, place))
        except _RowError as error:
            faults.append(f"{place}: {error}")
    if not n_read:
        raise SftError(f"{source}: there are no rows in it; name a file or data set that has some")
    if columns and not n_of_a_kind:
        raise SftError(f"{source}: no kind of row is known by the keys {_names(columns)}; looked for {_LOOKED_FOR}")
    if not rows:
        raise SftError(f"{source}: none of its {n_read:,} rows can be used; the first: {faults[0]}")
    return Rows(tuple(rows), n_read, tuple(faults))


def _names(keys: Mapping[str, Any]) -> str:
    return ", ".join(map(str, keys)) or "no keys"


def _kind(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The first kind whose keys all have a value, else the first whose keys are there: tables leave cells empty."""
    for has in (lambda key: document.get(key) is not None, lambda key: key in document):
        for keys in KINDS:
            if all(map(has, keys)):
                return keys
    return None


def _chat(document: Mapping[str, Any], place: str) -> Row:
    messages = _messages(document["messages"], "messages")
    return _conversation(messages, place)


def _shared_chat(document: Mapping[str, Any], place: str) -> Row:
    messages = _messages(document["conversations"], "conversations")
    return _conversation(messages, place)


def _prompt_completion(document: Mapping[str, Any], place: str) -> Row:
    prompt, completion = document["prompt"], document["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        given = _messages(prompt, "prompt")
        return _conversation(given + _messages(completion, "completion"), place, len(given))
    if isinstance(prompt, list) or isinstance(completion, list):
        raise _RowError("prompt and completion must both be text, or both lists of messages")
    return Completion(_text(prompt, "prompt"), _text(completion, "completion"), place)


def _instruction(document: Mapping[str, Any], place: str) -> Row:
    instruction = _text(document["instruction"], "instruction")
    more = document.get("input")
    if more is not None and not isinstance(more, str):
        raise _RowError(f"input: text is wanted, not {type(more).__name__}")
    if more and more.strip():
        instruction += "\n\n" + _text(more, "input")
    return Completion(instruction, _text(document["output"], "output"), place, "\n\n")


def _plain(document: Mapping[str, Any], place: str) -> Row:
    return PlainText(_text(document["text"], "text"), place)


def _conversation(messages: tuple[Message, ...], place: str, n_given: int = 0) -> Conversation:
    if not any(message.role == "assistant" for message in messages[n_given:]):
        raise _RowError("no assistant turn" + (" in the completion" if n_given else ""))
    return Conversation(messages, place, n_given)


def _messages(value: Any, key: str) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise _RowError(f"{key}: a list of messages is wanted, not {type(value).__name__}")
    if not value:
        raise _RowError(f"{key}: there are no messages in it")
    return tuple(_message(turn, f"{key}: turn {number}") for number, turn in enumerate(value, start=1))


def _message(turn: Any, where: str) -> Message:
    """A turn written as role and content, or as from and value."""
    if not isinstance(turn, dict):
        raise _RowError(f"{where}: an object with role and content is wanted, not {type(turn).__name__}")
    keys = next((keys for keys in (("role", "content"), ("from", "value")) if turn.get(keys[0]) is not None), None)
    if keys is None:
        raise _RowError(f"{where}: it says neither role nor from; it has {_names(turn)}")
    unread = [key for key in _UNREAD if turn.get(key)]
    if unread:
        raise _RowError(f"{where}: has {unread[0]}, which is not read; write it into the content, or leave it out")
    role, content = turn[keys[0]], turn.get(keys[1])
    role = _SPEAKERS.get(role, role) if isinstance(role, str) else role
    if role not in ROLES:
        raise _RowError(f"{where}: unknown role {role!r}: known are {', '.join(ROLES)}")
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        if not all(isinstance(part, str) for part in parts):
            raise _RowError(f"{where}: a part of its content is not text; only text is trained on")
        content = "".join(map(str, parts))
    if role == "system" and content == "":
        return Message(role, content)  # many sets write the lack of a system prompt so
    return Message(str(role), _text(content, where))


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _RowError(f"{where}: text is wanted, not {'nothing' if value is None else type(value).__name__}")
    if not value.strip():
        raise _RowError(f"{where}: is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _RowError(f"{where}: holds half a surrogate pair, which is no character") from None
    return value


_READERS = dict(zip(KINDS, (_chat, _shared_chat, _prompt_completion, _instruction, _plain), strict=True))
