"""Tuning data -> rows: chats, prompts with completions, instructions and questions with answers, plain text."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibaudit.chat.messages import Conversation, Message
from calibaudit.errors import SftError
from calibaudit.files.text import json_kind
from calibaudit.training.data.kinds import Fields, Kind, check_columns, kind_of, kinds_with, names_of
from calibaudit.training.data.sources import read_documents
from calibaudit.training.data.turns import (
    RowError,
    from_json,
    history_of,
    holds,
    messages_of,
    template_kwargs_of,
    text_of,
    tools_of,
)


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
    """The usable rows of n_read, in order. faults: one line each, place first, for every row that is not usable.

    unread: (name, number of usable rows) of what held a value and was not read, most rows first: columns, and keys of
    turns as `messages[].name`.
    """

    rows: tuple[Row, ...]
    n_read: int
    faults: tuple[str, ...]
    unread: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class OneRow:
    """A row as it was read. kind: the keys that it was known by. unread: names of what held a value and was not."""

    row: Row
    kind: str
    unread: tuple[str, ...]


def read_rows(
    source: str,
    *,
    split: str = "train",
    limit: int | None = None,
    offline: bool = False,
    columns: Mapping[str, str] | None = None,
) -> Rows:
    """The rows of a file (formats.SUFFIXES), a folder of such, a `save_to_disk` folder, `demo:sft` or a hub data set.

    A folder's files belong to the split that their name or subfolder names, else to `train`; a single file has no
    splits, nor has a single data set of `save_to_disk`. A hub id may name a configuration: `org/name:config`.
    limit: read the first so many rows. offline: never ask the network. columns: a column's name -> the key that it is
    read as.
    Raises SftError: nothing there, unreadable, no kind of row among the columns, a given column that is not there, or
    no row that can be used.
    """
    if limit is not None and limit < 1:
        raise SftError(f"limit {limit} is below 1: it is the number of rows to read")
    columns = columns or {}
    kinds = kinds_with(columns)
    rows: list[Row] = []
    faults: list[str] = []
    unread: Counter[str] = Counter()
    there: dict[str, None] = {}
    n_read = n_of_a_kind = 0
    for place, document in itertools.islice(read_documents(source, split, offline=offline), limit):
        n_read += 1
        try:
            if isinstance(document, str):
                raise RowError(document)
            there.update(dict.fromkeys(document))
            fields = Fields(document, columns)
            kind = _known(fields, kinds)
            n_of_a_kind += 1
            rows.append(_FORMS[kind.form](fields, kind, place))
            unread.update(fields.passed.keys())
        except RowError as error:
            faults.append(f"{place}: {error}")
    if not n_read:
        raise SftError(f"{source}: there are no rows in it; name a file or data set that has some")
    if there:
        check_columns(columns, there, source)
        if not n_of_a_kind:
            raise SftError(
                f"{source}: no known kind of row has the keys {_names(there)}; looked for {names_of(kinds)}; "
                "--columns COLUMN=KEY,... says what to read its columns as"
            )
    if not rows:
        raise SftError(f"{source}: none of its {n_read:,} rows can be used; the first: {faults[0]}")
    found = sorted(unread.items(), key=lambda entry: (-entry[1], entry[0]))
    return Rows(tuple(rows), n_read, tuple(faults), tuple(found))


def read_row(
    source: str,
    index: int,
    *,
    split: str = "train",
    offline: bool = False,
    columns: Mapping[str, str] | None = None,
) -> OneRow:
    """Row number `index` (from 0) of what `read_rows` reads. Raises SftError, for a fault of the row itself too."""
    columns = columns or {}
    kinds = kinds_with(columns)
    documents = read_documents(source, split, offline=offline)
    n_before = sum(1 for _ in itertools.islice(documents, index))
    found = next(documents, None)
    if found is None:
        raise SftError(f"{source}: row {index} does not exist; it has {n_before:,} rows, counted from 0")
    place, document = found
    try:
        if isinstance(document, str):
            raise RowError(document)
        fields = Fields(document, columns)
        if kind_of(fields.values, kinds) is None or (columns and not columns.keys() & document.keys()):
            check_columns(columns, document, place)
        kind = _known(fields, kinds)
        row = _FORMS[kind.form](fields, kind, place)
    except RowError as error:
        raise SftError(f"{place}: {error}") from None
    return OneRow(row, kind.name, tuple(fields.passed))


def _names(keys: Mapping[str, Any]) -> str:
    return ", ".join(map(str, keys)) or "no keys"


def _known(fields: Fields, kinds: tuple[Kind, ...]) -> Kind:
    kind = kind_of(fields.values, kinds)
    if kind is None:
        raise RowError(f"not a known kind of row: it has {_names(fields.values)}; looked for {names_of(kinds)}")
    return kind


def _chat(fields: Fields, kind: Kind, place: str) -> Row:
    value, key = fields.take(kind.keys[0])
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = from_json(value, key)
    return _conversation(messages_of(value, key, fields.passed), fields, kind, place)


def _pair(fields: Fields, kind: Kind, place: str) -> Row:
    (asked, asked_key), (answer, answer_key) = map(fields.take, kind.keys)
    if kind.keys == ("prompt", "completion") and (isinstance(asked, list) or isinstance(answer, list)):
        if not (isinstance(asked, list) and isinstance(answer, list)):
            raise RowError(f"{asked_key} and {answer_key} must both be text, or both lists of messages")
        given = messages_of(asked, asked_key, fields.passed, given=True)
        learned = messages_of(answer, answer_key, fields.passed)
        return _conversation(given + learned, fields, kind, place, len(given))
    parts = [text_of(asked, asked_key)]
    for more, key in map(fields.take, kind.joined):
        if more is not None and not isinstance(more, str):
            raise RowError(f"{key}: expected text, found {json_kind(more)}")
        if more and more.strip():
            parts.append(text_of(more, key))
    completion = Completion("\n\n".join(parts), text_of(answer, answer_key), place, kind.delimiter)
    system = _system(fields, kind)
    earlier = history_of(*fields.take("history"))
    tools, kwargs = _for_the_template(fields)
    if not (system or earlier or tools or kwargs):
        return completion
    turns = (Message("user", completion.prompt), Message("assistant", completion.completion))
    return Conversation((*system, *earlier, *turns), place, 0, tools, kwargs)


def _plain(fields: Fields, kind: Kind, place: str) -> Row:
    return PlainText(text_of(*fields.take(kind.keys[0])), place)


def _conversation(
    messages: tuple[Message, ...], fields: Fields, kind: Kind, place: str, n_given: int = 0
) -> Conversation:
    answers = [message for message in messages[n_given:] if message.role == "assistant"]
    if not answers:
        raise RowError("no assistant turn" + (" in the completion" if n_given else ""))
    if not any(message.learned for message in answers):
        raise RowError("there is nothing to learn: each assistant turn says weight 0 or train false")
    own = messages[0] if messages[0].role in ("system", "developer") else None
    if own is not None and own.content:  # the chat's own goes before its row's
        value, _ = fields.take("system")
        if holds(value) and value != own.content:
            fields.leave("system")
    elif system := _system(fields, kind):
        messages = (*system, *messages[0 if own is None else 1 :])
        n_given += n_given > 0 and own is None
    tools, kwargs = _for_the_template(fields)
    return Conversation(messages, place, n_given, tools, kwargs)


def _system(fields: Fields, kind: Kind) -> tuple[Message, ...]:
    """The system turn that a column gives; the first of two such columns that holds a text."""
    for name in ("system", "system_prompt"):
        if name in kind.also and holds(fields.values.get(name)):
            value, column = fields.take(name)
            if not isinstance(value, str) or value.strip():
                return (Message("system", text_of(value, column)),)
    return ()


def _for_the_template(fields: Fields) -> tuple[str, str]:
    return tools_of(*fields.take("tools")), template_kwargs_of(*fields.take("chat_template_kwargs"))


_FORMS = {"chat": _chat, "pair": _pair, "text": _plain}
