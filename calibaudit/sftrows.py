"""Tuning data -> rows: JSON, JSONL and Parquet files, data sets of the hub; chats, prompts with completions, text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """One turn. role: `system`, `user`, `assistant`, or another that the chat template knows."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """Turns in order, at least one by the assistant. place: `file:line` or `data set, row N`, for messages."""

    messages: tuple[Message, ...]
    place: str


@dataclass(frozen=True)
class Completion:
    """What is given and what is to be learned after it, as they stand: nothing is put between the two."""

    prompt: str
    completion: str
    place: str


@dataclass(frozen=True)
class PlainText:
    """Running text, all of which is to be learned."""

    text: str
    place: str


Row = Conversation | Completion | PlainText


@dataclass(frozen=True)
class Rows:
    """The usable rows of n_read, in order. faults: one line each, place first, for every row that is not usable."""

    rows: tuple[Row, ...]
    n_read: int
    faults: tuple[str, ...]


def read_rows(source: str, *, split: str = "train", limit: int | None = None, offline: bool = False) -> Rows:
    """The rows of a .jsonl, .json or .parquet file, a folder of them, a hub id, or `demo:sft`."""
    raise NotImplementedError
