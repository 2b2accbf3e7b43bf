"""What a chat template writes around the turns of a conversation, and the proof that it writes the turns themselves.

A conversation of markers is rendered in the turns' place: what stands around the markers is the frame. A row's own text
must be that frame with the row's own turns in it, whitespace at a turn's ends aside; a template that drops, repeats,
cuts or rewrites a turn does not pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from calibaudit.chat.ends import added_texts, end_mark
from calibaudit.chat.generated import generated, marks_generated
from calibaudit.chat.messages import Conversation, Message, merged
from calibaudit.chat.places import PlaceFinder, Thought
from calibaudit.chat.template import ChatTemplate, TemplateFault


class FrameError(Exception):
    """Why the template cannot be used for a row."""


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of a rendered conversation: an assistant's turn, up to the mark that ends it."""

    start: int
    end: int


@dataclass(frozen=True)
class Rendered:
    """A conversation's text and what of it is learned. is_merged: its system turn opens the user's turn.

    is_stopped: whether a token that stops generation is learned in the last turn.
    """

    text: str
    spans: tuple[Span, ...]
    is_merged: bool
    is_stopped: bool


@dataclass(frozen=True)
class _Frame:
    """pieces: the text before, between and after the contents. order: the turn that each content belongs to.

    learned: for each learned turn, how many characters before and after its content are learned with it. unwritten:
    what ends the last turn and the template does not write. written: the text before the last content; insert: what
    the answer's place has behind that; thought: where the last turn could think first.
    """

    pieces: tuple[str, ...]
    order: tuple[int, ...]
    learned: dict[int, tuple[int, int]]
    unwritten: str
    written: str
    insert: str
    thought: Thought | None


_Key = tuple[tuple[tuple[str, bool], ...], tuple[int, ...], str, str]


class Framer:
    """Renders conversations with a chat template. stops: the tokens that generation stops at, as text."""

    def __init__(self, template: ChatTemplate, stops: Collection[str]) -> None:
        self._template = template
        self._stops = stops
        self._finder = PlaceFinder(template)
        self._frames: dict[_Key, _Frame | FrameError] = {}
        # Without offsets the marks could not be placed.
        self._has_marks = template.tokenizer.is_fast and marks_generated(template)
        self._added = added_texts(template.tokenizer)

    def render(self, row: Conversation) -> Rendered:
        """The row up to its last learned turn. Raises FrameError.

        A learned turn is its content, what ends the turn, and before the content its reasoning, spaces, and what
        whitespace the template's generation prompt leaves to the model. Where the template itself marks what is
        generated (`{% generation %}`) that is learned, and what ends the turn.
        """
        try:
            return self._rendered(row, self._template.fitting(row.messages))
        except FrameError:
            if row.messages[0].role != "system" or len(row.messages) == 1:
                raise
            # Some templates write a system turn before a question and drop it once there is an answer.
            try:
                return self._rendered(row, merged(row.messages))
            except FrameError:
                pass
            raise

    def _rendered(self, row: Conversation, turns: tuple[Message, ...]) -> Rendered:
        n_given = row.n_given - (len(row.messages) - len(turns))
        learned = [i for i, m in enumerate(turns) if m.role == "assistant" and m.learned and i >= n_given]
        if not learned:
            raise FrameError("it has no assistant turn to learn from")
        turns = turns[: learned[-1] + 1]
        more = {"tools": row.tools, "template_kwargs": row.template_kwargs}
        frame = self._known_frame(turns, tuple(learned), more)
        text, spans = self._place(frame, turns, more)
        is_stopped = any(stop in text[spans[-1].start : spans[-1].end] for stop in self._stops)
        first = row.messages[0]
        is_merged = first.role == "system" and bool(first.content) and turns[0].role != "system"
        return Rendered(text, tuple(spans), is_merged, is_stopped)

    def _place(self, frame: _Frame, turns: tuple[Message, ...], more: dict[str, str]) -> tuple[str, list[Span]]:
        whole = self._text(turns, more)
        last = turns[-1]
        bare = turns
        insert, n_learned = frame.insert, 0
        if last.reasoning and last.reasoning.strip() not in whole and frame.thought is not None:
            # The template has no words for a thought: it stands where generation would have begun it.
            bare = (*turns[:-1], dataclasses.replace(last, reasoning=""))
            said = last.reasoning.strip() + frame.thought.close
            insert, n_learned = frame.thought.before[len(frame.written) :] + said, len(said)
        text = whole if bare is turns else self._text(bare, more)
        text += frame.unwritten
        if any(bare[turn].reasoning for turn in frame.learned):
            return text, self._spans_by_prompts(frame, text, bare, more)
        found = _place(frame, text, bare)
        if found is None:
            return text, self._spans_by_prompts(frame, text, bare, more)
        spans = [
            Span(found[turn][0] - before, found[turn][1] + after) for turn, (before, after) in frame.learned.items()
        ]
        if insert:
            start = found[len(turns) - 1][0]
            text = text[:start] + insert + text[start:]
            spans[-1] = Span(start + len(insert) - n_learned, spans[-1].end + len(insert))
        return text, spans

    def _spans_by_prompts(self, frame: _Frame, text: str, turns: Sequence[Message], more: dict[str, str]) -> list[Span]:
        """For text around a turn that depends on it: each learned turn follows, whole, its own generation prompt.

        Templates write a turn that has reasoning of its own otherwise than one that has none.
        """
        lost = next((i for i, message in enumerate(turns) if message.content.strip() not in text), None)
        if lost is not None:
            raise FrameError(f"turn {lost + 1} ({turns[lost].role}): the chat template cuts or rewrites its content")
        spans = []
        for turn, (_, n_after) in frame.learned.items():
            prompt = self._text(turns[:turn], more, prompt=True) if turn else ""
            mark = frame.pieces[frame.order.index(turn) + 1][:n_after]
            end = _end_of(text, len(prompt), turns[turn], mark) if prompt and text.startswith(prompt) else None
            if end is None:
                raise FrameError(
                    f"turn {turn + 1} (assistant): the chat template "
                    + ("leaves out its reasoning, or " if turns[turn].reasoning else "")
                    + "writes other text around a turn with this content"
                )
            spans.append(Span(len(prompt), end))
        return spans

    def _text(self, turns: Sequence[Message], more: dict[str, str], *, prompt: bool = False) -> str:
        try:
            return self._template.render(turns, prompt=prompt, **more)
        except TemplateFault as fault:
            raise FrameError(f"the chat template refuses it: {fault}") from None

    def _known_frame(self, turns: Sequence[Message], learned: tuple[int, ...], more: dict[str, str]) -> _Frame:
        shape = tuple((turn.role, bool(turn.content)) for turn in turns)
        key = (shape, learned, more["tools"], more["template_kwargs"])
        if key not in self._frames:
            try:
                self._frames[key] = self._frame(turns, learned, more)
            except FrameError as error:
                self._frames[key] = error
        frame = self._frames[key]
        if isinstance(frame, FrameError):
            raise frame
        return frame

    def _frame(self, turns: Sequence[Message], wanted: Sequence[int], more: dict[str, str]) -> _Frame:
        markers = [Message(m.role, f"turn{i}marker" if m.content else "") for i, m in enumerate(turns)]
        text = self._text(markers, more)
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
        last = len(markers) - 1
        unwritten = self._unwritten_end(markers, text[found[-1][0] + len(markers[last].content) :], more)
        text += unwritten
        starts = {turn: start for start, turn in found}
        ends = [0, *(start + len(markers[turn].content) for start, turn in found)]
        pieces = tuple(
            text[end:start] for end, start in zip(ends, [*(start for start, _ in found), len(text)], strict=True)
        )
        after = {turn: pieces[i + 1] for i, turn in enumerate(order)}
        n_end = {turn: self._n_end(turn, after, last) for turn in wanted}
        marked = self._marked(markers, text, starts, more) if self._has_marks else {}
        learned = {}
        for turn in wanted:
            if not marked:
                learned[turn] = (self._left_to_model(markers[:turn], text, starts[turn], more), n_end[turn])
            elif turn in marked:
                before, behind = marked[turn]
                # Whitespace behind the end is marked by some templates, and never written by a model that has stopped.
                ended = after[turn][n_end[turn] : behind].strip() == ""
                learned[turn] = (before, n_end[turn] if ended else behind)
        if not learned:
            raise FrameError("the chat template marks none of its assistant turns as generated")
        insert, thought, written = "", None, text[: starts[last]]
        if last:
            try:
                place = self._finder.find(markers[:last], **more)
            except TemplateFault:
                place = None
            if place is not None and place.written == written:
                thought = place.thought if place.thought and place.thought.before.startswith(written) else None
                insert = place.before[len(written) :] if place.before.startswith(written) else ""
        return _Frame(pieces, order, learned, unwritten, written, insert, thought)

    def _marked(
        self, markers: Sequence[Message], text: str, starts: dict[int, int], more: dict[str, str]
    ) -> dict[int, tuple[int, int]]:
        try:
            return generated(self._template, markers, text, starts, more)
        except TemplateFault as fault:
            raise FrameError(str(fault)) from None

    def _unwritten_end(self, markers: Sequence[Message], tail: str, more: dict[str, str]) -> str:
        """What ends the last turn where the template writes nothing behind it: the next turn's mark, if that stops
        generation. "" where the last turn has its end.
        """
        if tail.strip():
            return ""
        asked = Message("user", "usermarker")
        try:
            text = self._text([*markers, asked], more)
        except FrameError:
            return ""
        last = markers[-1].content
        start = text.rfind(last) + len(last)
        mark = end_mark(text[start:], self._added, self._stops)
        return mark[len(tail) :] if mark and mark.endswith(tuple(self._stops)) and mark.startswith(tail) else ""

    def _n_end(self, turn: int, after: dict[int, str], last: int) -> int:
        """How many characters behind a turn's content end it. Raises FrameError where nothing does."""
        mark = end_mark(after[turn], self._added, self._stops)
        if mark is None:
            text = after[last].rstrip()  # a mark that is no token of its own
            mark = text if text and after[turn].startswith(text) else None
        if mark is None:
            raise FrameError(
                f"turn {turn + 1} (assistant): the chat template writes nothing that ends it (generation stops at "
                f"{', '.join(map(repr, sorted(self._stops))) or 'no token'}), so nothing would teach a model to stop"
            )
        return len(mark)

    def _left_to_model(self, before: Sequence[Message], text: str, start: int, more: dict[str, str]) -> int:
        """How much whitespace before a content is learned with it.

        Spaces are, since tokens begin with them; line breaks only if they stand behind the generation prompt.
        """
        n_spaces = start - len(text[:start].rstrip(" \t"))
        if not before:
            return n_spaces
        try:
            prompt = self._text(before, more, prompt=True)
        except FrameError:
            return n_spaces
        between = text[len(prompt) : start]
        return max(n_spaces, len(between)) if text.startswith(prompt) and not between.strip() else n_spaces


def _end_of(text: str, start: int, turn: Message, mark: str) -> int | None:
    """Where a turn ends whose reasoning, if it has one, and content stand behind `start`; None where they do not."""
    if turn.reasoning:
        at = text.find(turn.reasoning.strip(), start)
        at = -1 if at < 0 else text.find(turn.content.strip(), at + len(turn.reasoning.strip()))
        end = at + len(turn.content.strip())
        return end + len(mark) if at >= 0 and text.startswith(mark, end) else None
    said = next((kept + mark for kept in _forms(turn.content) if text.startswith(kept + mark, start)), None)
    return None if said is None else start + len(said)


def _place(frame: _Frame, text: str, turns: Sequence[Message]) -> dict[int, tuple[int, int]] | None:
    """Where each content stands in the text; None unless the text is the frame with the contents in it."""
    if not text.startswith(frame.pieces[0]):
        return None
    found = {}
    position = len(frame.pieces[0])
    for turn, piece in zip(frame.order, frame.pieces[1:], strict=True):
        kept = next((c for c in _forms(turns[turn].content) if text.startswith(c + piece, position)), None)
        if kept is None:
            return None
        found[turn] = (position, position + len(kept))
        position += len(kept) + len(piece)
    return found if position == len(text) else None


def _forms(content: str) -> tuple[str, ...]:
    """What a template may make of a content: whitespace at its ends can go."""
    return content, content.rstrip(), content.lstrip(), content.strip()
