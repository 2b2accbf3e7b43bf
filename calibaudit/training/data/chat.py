"""What a chat template writes around the turns of a conversation, and the proof that it writes the turns themselves.

A conversation of markers is rendered in the turns' place: what stands around the markers is the frame. A row's own text
must be that frame with the row's own turns in it, whitespace at a turn's ends aside; a template that drops, repeats,
cuts or rewrites a turn does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.chat.messages import Conversation, Message
from calibaudit.errors import SftError

_GENERATION = re.compile(r"\{%[-+]?\s*generation\b")


class FrameError(Exception):
    """Why the template cannot be used for a row."""


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of a rendered conversation: an assistant's turn, up to the mark that ends it."""

    start: int
    end: int


@dataclass(frozen=True)
class _Frame:
    """pieces: the text before, between and after the contents. order: the turn that each content belongs to.

    learned: for each learned turn, how many characters before and after its content are learned with it.
    """

    pieces: tuple[str, ...]
    order: tuple[int, ...]
    learned: dict[int, tuple[int, int]]


class Framer:
    """Renders conversations with a tokenizer's chat template. Raises SftError when it has none."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._frames: dict[tuple[tuple[tuple[str, bool], ...], int], _Frame | FrameError] = {}
        try:
            # Without offsets the marks could not be placed.
            self._has_marks = tokenizer.is_fast and bool(_GENERATION.search(tokenizer.get_chat_template()))
        except ValueError as error:
            raise SftError(f"the tokenizer's chat template cannot be used: {_line(error)}") from error
        added = {str(token) for token in tokenizer.added_tokens_decoder.values()} | set(tokenizer.all_special_tokens)
        self._added = sorted(filter(None, added), key=len, reverse=True)

    def render(self, row: Conversation) -> tuple[str, tuple[Span, ...]]:
        """The row up to its last assistant turn, as text, and what of it is learned. Raises FrameError.

        A learned turn is its content, the mark that ends the turn, and before the content spaces and what whitespace
        the template's generation prompt leaves to the model. Where the template itself marks what is generated
        (`{% generation %}`) that is learned, and the mark that ends the turn.
        """
        last = max(i for i, message in enumerate(row.messages) if message.role == "assistant")
        messages = row.messages[: last + 1]
        key = (tuple((message.role, bool(message.content)) for message in messages), row.n_given)
        if key not in self._frames:
            try:
                self._frames[key] = self._frame(messages, row.n_given)
            except FrameError as error:
                self._frames[key] = error
        frame = self._frames[key]
        if isinstance(frame, FrameError):
            raise frame
        text = self._text(messages)
        found = _place(frame, text, messages)
        if found is None:
            spans = self._place_by_prompts(frame, text, messages)
        else:
            spans = [
                Span(found[turn][0] - before, found[turn][1] + after) for turn, (before, after) in frame.learned.items()
            ]
        return text, tuple(spans)

    def _place_by_prompts(self, frame: _Frame, text: str, messages: Sequence[Message]) -> list[Span]:
        """For text around a turn that depends on it: each learned turn follows, whole, its own generation prompt.

        Templates write a turn that has reasoning of its own otherwise than one that has none.
        """
        lost = next((i for i, message in enumerate(messages) if message.content.strip() not in text), None)
        if lost is not None:
            raise FrameError(f"turn {lost + 1} ({messages[lost].role}): the chat template cuts or rewrites its content")
        spans = []
        for turn, (_, n_after) in frame.learned.items():
            prompt = self._text(messages[:turn], prompt=True) if turn else ""
            end_mark = frame.pieces[frame.order.index(turn) + 1][:n_after]
            wanted = (kept + end_mark for kept in _forms(messages[turn].content))
            said = next((one for one in wanted if prompt and text.startswith(prompt + one)), None)
            if said is None:
                raise FrameError(
                    f"turn {turn + 1} (assistant): the chat template writes other text around a turn with this content"
                )
            spans.append(Span(len(prompt), len(prompt) + len(said)))
        return spans

    def _text(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        try:
            return str(
                self._tokenizer.apply_chat_template(_plain(messages), tokenize=False, add_generation_prompt=prompt)
            )
        except Exception as error:
            # A template calls methods of the values it gets, so any exception can come out of it.
            raise FrameError(f"the chat template refuses it: {_line(error)}") from None

    def _frame(self, messages: Sequence[Message], n_given: int) -> _Frame:
        markers = [Message(m.role, f"turn{i}marker" if m.content else "") for i, m in enumerate(messages)]
        text = self._text(markers)
        found: list[tuple[int, int]] = []
        for turn, marker in enumerate(markers):
            n = text.count(marker.content) if marker.content else 1
            if n != 1:
                what = "leaves it out" if n == 0 else f"writes it {n} times"
                raise FrameError(f"turn {turn + 1} ({marker.role}): the chat template {what}")
            if marker.content:
                found.append((text.index(marker.content), turn))
        found.sort()
        order = tuple(turn for _, turn in found)
        ends = [0, *(start + len(markers[turn].content) for start, turn in found)]
        pieces = tuple(
            text[end:start] for end, start in zip(ends, [*(start for start, _ in found), len(text)], strict=True)
        )
        after = {turn: pieces[i + 1] for i, turn in enumerate(order)}
        end_mark = self._end_mark(after[len(markers) - 1])
        wanted = [i for i, m in enumerate(markers) if m.role == "assistant" and i >= n_given]
        starts = {turn: start for start, turn in found}
        marked = self._marked(markers, text, starts) if self._has_marks else {}
        learned = {}
        for turn in wanted:
            n_end = len(end_mark) if after[turn].startswith(end_mark) else 0
            if not marked:
                learned[turn] = (self._left_to_model(markers[:turn], text, starts[turn]), n_end)
            elif turn in marked:
                learned[turn] = (marked[turn][0], max(marked[turn][1], n_end))
        if not learned:
            raise FrameError("the chat template marks none of its assistant turns as generated")
        return _Frame(pieces, order, learned)

    def _end_mark(self, tail: str) -> str:
        """What ends a turn: the token that follows the last content, or else whatever text follows it."""
        text = tail.lstrip()
        token = next((token for token in self._added if text.startswith(token)), None)
        return tail.rstrip() if token is None else tail[: len(tail) - len(text) + len(token)]

    def _left_to_model(self, before: Sequence[Message], text: str, start: int) -> int:
        """How much whitespace before a content is learned with it.

        Spaces are, since tokens begin with them; line breaks only if they stand behind the generation prompt.
        """
        n_spaces = start - len(text[:start].rstrip(" \t"))
        if not before:
            return n_spaces
        try:
            prompt = self._text(before, prompt=True)
        except FrameError:
            return n_spaces
        between = text[len(prompt) : start]
        return max(n_spaces, len(between)) if text.startswith(prompt) and not between.strip() else n_spaces

    def _marked(self, markers: Sequence[Message], text: str, starts: dict[int, int]) -> dict[int, tuple[int, int]]:
        """Characters before and after each content that the template marks as generated; {} where it marks nothing."""
        encoded = self._tokenizer.apply_chat_template(
            _plain(markers), tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        offsets = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids, mask = list(encoded["input_ids"]), list(encoded["assistant_masks"])
        if ids != list(offsets["input_ids"]):
            raise FrameError("the chat template is tokenized otherwise than its text, so its marks cannot be placed")
        is_marked = [False] * len(text)
        for (start, end), generated in zip(offsets["offset_mapping"], mask, strict=True):
            if generated:
                is_marked[start:end] = [True] * (end - start)
        marked = {}
        ends = [0, *(start + len(markers[turn].content) for turn, start in starts.items())]
        for turn, start in starts.items():
            end = start + len(markers[turn].content)
            # Tokens that cross an edge blur the marks there, so only the inside of a content is looked at.
            inside = set(is_marked[start + 1 : end - 1])
            if markers[turn].role != "assistant":
                if True in inside:
                    raise FrameError(
                        f"turn {turn + 1} ({markers[turn].role}): the chat template marks it as generated by the model"
                    )
            elif inside == {True}:
                first, last = start, end
                while first > max(other for other in ends if other <= start) and is_marked[first - 1]:
                    first -= 1
                while last < min(other for other in (*starts.values(), len(text)) if other >= end) and is_marked[last]:
                    last += 1
                marked[turn] = (start - first, last - end)
            elif True in inside:
                raise FrameError(f"turn {turn + 1} (assistant): the chat template marks only a part as generated")
        return marked


def _place(frame: _Frame, text: str, messages: Sequence[Message]) -> dict[int, tuple[int, int]] | None:
    """Where each content stands in the text; None unless the text is the frame with the contents in it."""
    if not text.startswith(frame.pieces[0]):
        return None
    found = {}
    position = len(frame.pieces[0])
    for turn, piece in zip(frame.order, frame.pieces[1:], strict=True):
        kept = next((c for c in _forms(messages[turn].content) if text.startswith(c + piece, position)), None)
        if kept is None:
            return None
        found[turn] = (position, position + len(kept))
        position += len(kept) + len(piece)
    return found if position == len(text) else None


def _forms(content: str) -> tuple[str, ...]:
    """What a template may make of a content: whitespace at its ends can go."""
    return content, content.rstrip(), content.lstrip(), content.strip()


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
