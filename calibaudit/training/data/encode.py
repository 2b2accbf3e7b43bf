"""Tuning rows -> token ids and labels: what is learned, found in the text and checked in the tokens.

A chat is rendered by the tokenizer's template, and the assistant's turns are learned with the mark that ends them
(`chat.frames`). A prompt with its completion is a chat of two turns where there is a template; else the completion is
learned, whitespace before it and EOS included. Plain text is learned whole, with EOS.
A token across the start of what is learned belongs to it, as it does when a choice is scored (`scoring.encode`).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.chat.ends import stop_texts
from calibaudit.chat.frames import FrameError, Framer, Span
from calibaudit.chat.messages import Conversation, Message
from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import ChatTemplate, template_source
from calibaudit.errors import SftError
from calibaudit.training.data.rows import Completion, PlainText, Row

IGNORED = -100
"""The label of a token that is read and not learned, as transformers has it."""

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Example:
    """One row's tokens. labels: at each position its own id where it is learned (not shifted), else IGNORED.

    The first label is always IGNORED: nothing stands before it to predict it from.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Encoded:
    """The examples that can be trained on, in the rows' order.

    n_truncated: examples cut on the right to max_length. n_without_target: rows with nothing left to learn, mostly
    because of the cut; not among the examples. faults: one line for each row that is not among them, place first.
    template: whether the tokenizer's chat template was used. n_merged: rows whose system turn opens the user's turn,
    the template having none. n_unstopped: rows in whose last turn no token that stops generation is learned.
    """

    examples: tuple[Example, ...]
    n_truncated: int
    n_without_target: int
    faults: tuple[str, ...]
    template: bool
    n_merged: int = 0
    n_unstopped: int = 0


@dataclass(frozen=True)
class _Text:
    """A row's text, what of it is learned, and whether it is wrapped in the tokenizer's own BOS and EOS."""

    text: str
    spans: tuple[Span, ...]
    place: str
    wrapped: bool


class _RowError(Exception):
    """What is wrong with one row."""


def encode_rows(
    rows: Sequence[Row],
    tokenizer: Any,
    max_length: int,
    *,
    chat: ChatSettings | None = None,
    stop_ids: Sequence[int] = (),
) -> Encoded:
    """Tokens and labels of each row, at most max_length of them.

    chat: how rows stand in the chat template. stop_ids: tokens that generation stops at, besides the tokenizer's EOS.
    Rows that cannot be trained on as they stand are named in `faults`: the template refuses them, loses or rewrites
    one of their turns; a turn holds the text of a special token; the tokens do not say what the row says.
    Raises SftError when no row is left, or for a chat when the tokenizer has no chat template.
    """
    if max_length < 2:
        raise SftError(f"max_length {max_length}: give 2 tokens or more")
    encoder = _Encoder(tokenizer, chat or ChatSettings(), stop_ids)
    examples: list[Example] = []
    faults: list[str] = []
    n_truncated = n_without_target = 0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        for place, whole in encoder.encode(rows[start : start + _ROWS_AT_ONCE]):
            if isinstance(whole, str):
                faults.append(f"{place}: {whole}")
                continue
            example = Example(whole.input_ids[:max_length], whole.labels[:max_length])
            if all(label == IGNORED for label in example.labels):
                n_without_target += 1
                faults.append(f"{place}: {_no_target(whole, max_length)}")
                continue
            n_truncated += len(whole.input_ids) > max_length
            examples.append(example)
    if not examples:
        raise SftError(
            f"none of {len(rows):,} rows can be trained on; the first: {faults[0]}" if faults else "there are no rows"
        )
    return Encoded(
        tuple(examples),
        n_truncated,
        n_without_target,
        tuple(faults),
        encoder.used_template,
        encoder.n_merged,
        encoder.n_unstopped,
    )


def _no_target(whole: Example, max_length: int) -> str:
    first = next((i for i, label in enumerate(whole.labels) if label != IGNORED), None)
    if first is None:
        return "nothing in it can be learned: there is one token, and nothing before it"
    return f"nothing is left to learn: its first learned token is number {first + 1:,}, and {max_length:,} are kept"


class _Encoder:
    """used_template: whether a row so far went through the chat template; the counts are those of Encoded."""

    def __init__(self, tokenizer: Any, chat: ChatSettings, stop_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        has_template = template_source(tokenizer, chat.template) is not None
        self._framer = Framer(ChatTemplate(tokenizer, chat), stop_texts(tokenizer, stop_ids)) if has_template else None
        self._special = _special_tokens(tokenizer)
        self._prefix = _prefix(tokenizer)
        self._marks = frozenset(tokenizer.added_tokens_decoder)
        self._numbers: dict[int, int] = {}  # one object a token of the vocabulary, not one a position
        self.used_template = False
        self.n_merged = self.n_unstopped = 0

    def encode(self, rows: Sequence[Row]) -> Iterator[tuple[str, Example | str]]:
        """(place, the whole row's example, or why there is none) of each row."""
        texts: list[_Text | str] = []
        for row in rows:
            try:
                texts.append(self._text(row))
            except (_RowError, FrameError) as error:
                texts.append(str(error))
        usable = [text for text in texts if not isinstance(text, str)]
        tokens = iter(self._tokens([text.text for text in usable]))
        for row, text in zip(rows, texts, strict=True):
            if isinstance(text, str):
                yield row.place, text
                continue
            try:
                yield row.place, self._example(text, *next(tokens))
            except _RowError as error:
                yield row.place, str(error)

    def _text(self, row: Row) -> _Text:
        if isinstance(row, PlainText):
            return _Text(row.text, (Span(0, len(row.text)),), row.place, True)
        if isinstance(row, Completion):
            if self._framer is None:
                context = row.prompt + row.delimiter
                text = context + row.completion
                return _Text(text, (Span(len(context.rstrip()), len(text)),), row.place, True)
            turns = (Message("user", row.prompt), Message("assistant", row.completion))
            row = Conversation(turns, row.place)
        if self._framer is None:
            raise SftError(
                f"{row.place}: it is a chat, and the tokenizer has no chat template: take the tokenizer of an instruct "
                "model of this family, or rows of prompt and completion"
            )
        for number, message in enumerate(row.messages, start=1):
            if self._special is not None and (found := self._special.search(message.content)):
                raise _RowError(
                    f"turn {number} ({message.role}) holds {found[0]!r}, a special token of this tokenizer: give the "
                    "turns themselves, without a template's marks"
                )
        rendered = self._framer.render(row)
        self.used_template = True
        self.n_merged += rendered.is_merged
        self.n_unstopped += not rendered.is_stopped
        return _Text(rendered.text, rendered.spans, row.place, False)

    def _tokens(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]] | None]]:
        """(ids, offsets) of each text, without added tokens; offsets are None where the tokenizer has none."""
        if not texts:
            return []
        has_offsets = self._tokenizer.is_fast
        encoded = self._tokenizer(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=has_offsets,
            verbose=False,
        )
        offsets = encoded["offset_mapping"] if has_offsets else [None] * len(texts)
        return list(zip(encoded["input_ids"], offsets, strict=True))

    def _example(self, text: _Text, ids: list[int], offsets: list[tuple[int, int]] | None) -> Example:
        ids = list(map(self._numbers.setdefault, ids, ids))
        labels = [IGNORED] * len(ids)
        for span in text.spans:
            first, last = self._by_prefix(text.text, ids, span) if offsets is None else _overlap(offsets, span)
            if offsets is not None and first < last and offsets[first][0] < span.start and ids[first] in self._marks:
                first += 1  # a mark that takes in the whitespace behind it is still no part of the answer
            said = self._tokenizer.decode(
                ids[first:last], skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            start, end = (span.start, span.end) if offsets is None else _reach(offsets[first:last], span)
            if _bare(said) != _bare(text.text[start:end]):
                raise _RowError(
                    f"the tokenizer does not keep its text: {_short(text.text[start:end])} became {_short(said)}"
                )
            labels[first:last] = ids[first:last]
        if text.wrapped:
            ids, labels = self._wrap(ids, labels)
        return Example(tuple(ids), (IGNORED, *labels[1:]))

    def _by_prefix(self, text: str, ids: list[int], span: Span) -> tuple[int, int]:
        """Tokens of a span, from the tokens of the text up to its start and up to its end."""
        first, last = (_common(self._tokens([text[:position]])[0][0], ids) for position in (span.start, span.end))
        return first, last

    def _wrap(self, ids: list[int], labels: list[int]) -> tuple[list[int], list[int]]:
        """With what the tokenizer puts before a text, and EOS after it, where the text does not have them itself."""
        n_before = len(self._prefix)
        if n_before and ids[:n_before] != self._prefix:
            ids, labels = [*self._prefix, *ids], [IGNORED] * n_before + labels
        eos = self._tokenizer.eos_token_id
        if eos is not None and ids[-1:] != [eos]:
            ids, labels = [*ids, eos], [*labels, eos]
        return ids, labels


def _overlap(offsets: Sequence[tuple[int, int]], span: Span) -> tuple[int, int]:
    """First and last (exclusive) of the tokens that share a character with the span; offsets never go back."""
    first = bisect_right(offsets, span.start, key=lambda offset: offset[1])
    return first, max(first, bisect_left(offsets, span.end, key=lambda offset: offset[0]))


def _reach(offsets: Sequence[tuple[int, int]], span: Span) -> tuple[int, int]:
    """The characters that must be in the tokens: the span, and what tokens across its edges hold beyond it."""
    return (min(span.start, offsets[0][0]), max(span.end, offsets[-1][1])) if offsets else (span.start, span.end)


def _special_tokens(tokenizer: Any) -> re.Pattern[str] | None:
    """Finds the text of a special token: in a turn, it would be read as one.

    Not of a plain word or sign, such as the `!` that some tokenizers pad with: there it is read as itself.
    """
    tokens = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    tokens |= set(tokenizer.all_special_tokens)
    longest_first = sorted((t for t in tokens if len(t) > 2 and not t.isalnum()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _prefix(tokenizer: Any) -> list[int]:
    """The tokens (BOS, say) that the tokenizer puts before a text."""
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("a", add_special_tokens=True)["input_ids"])
    for n in range(len(whole) - len(plain) + 1):
        if whole[n : n + len(plain)] == plain:
            return whole[:n]
    return []


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _bare(text: str) -> str:
    """Without whitespace, which tokenizers move, and in the form that some of them normalise to."""
    return "".join(unicodedata.normalize("NFC", text).split())


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
