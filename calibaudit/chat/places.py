"""Where in a rendered conversation the model answers: found with a known answer, not taken from the generation prompt.

A template's generation prompt often ends before the place where its answers begin: a space or a header is left to the
model (Mistral v0.3, gpt-oss), or an empty thought that tuning wrote (Qwen3). Or it ends behind it, inside a thought
(DeepSeek-R1): there the thought is closed empty, as the template itself writes an empty one, or by its mark; or the
answer stands where the template writes answers, if nothing else of the checkpoint knows that mark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.chat.ends import added_texts
from calibaudit.chat.messages import Message
from calibaudit.chat.template import ChatTemplate, TemplateFault

_THOUGHT = r"[\w:]*(?:think|thought|reason)\w*"
_OPENED = re.compile(
    rf"(?:<(?P<tag>{_THOUGHT})>|\[(?P<square>{_THOUGHT})\]|◁(?P<triangle>{_THOUGHT})▷"
    rf"|<\|START_(?P<start>{_THOUGHT})\|>|<\|begin_of_(?P<begin>{_THOUGHT})\|>|<\|channel>(?P<channel>thought)"
    rf"|(?P<unknown><\|{_THOUGHT}\|>))\s*\Z",
    re.IGNORECASE,
)
_CLOSING = {
    "tag": "</{}>",
    "square": "[/{}]",
    "triangle": "◁/{}▷",
    "start": "<|END_{}|>",
    "begin": "<|end_of_{}|>",
    "channel": "<channel|>",
}


@dataclass(frozen=True)
class Thought:
    """before: the text up to the thought's first character. close: what stands between thought and answer."""

    before: str
    close: str


@dataclass(frozen=True)
class AnswerPlace:
    """Where the answer to some turns begins.

    prompt: what the generation prompt gives. written: what the template itself writes before a known answer, None where
    it writes none. before: the text after which the answer is scored and learned. thought: where the model could think
    first, None where no form of thought is known. is_closed: a thought stands in `before` that was closed empty, or a
    header that thoughts would have preceded.
    """

    prompt: str
    written: str | None
    before: str
    thought: Thought | None
    is_closed: bool

    @property
    def difference(self) -> str:
        """What stands before the answer and not in the generation prompt; "" where they are one place."""
        return self.before[self._n_common :]

    @property
    def beyond(self) -> str:
        """What stands in the generation prompt and not before the answer."""
        return self.prompt[self._n_common :]

    @property
    def _n_common(self) -> int:
        pairs = enumerate(zip(self.before, self.prompt, strict=False))
        return next((i for i, (a, b) in pairs if a != b), min(len(self.before), len(self.prompt)))


class PlaceFinder:
    """Finds the place for one template after another list of turns. Its form of thought is looked for once."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self._marks = frozenset(added_texts(template.tokenizer))
        self._forms: dict[tuple[str, str], tuple[str, str] | None] = {}

    def find(self, turns: Sequence[Message], *, tools: str = "", template_kwargs: str = "") -> AnswerPlace:
        """turns: those before the answer, as `ChatTemplate.fitting` gives them. Raises TemplateFault."""
        more: dict[str, Any] = {"tools": tools, "template_kwargs": template_kwargs}
        prompt = self._template.render(turns, prompt=True, **more)
        written = self._written(turns, more)
        form = self._form(more)
        opened = _OPENED.search(prompt)
        if opened is not None and form is None:
            form = (opened[0], ("" if opened[0].endswith("\n") else "\n") + f"\n{_mark(opened)}\n\n")
        # Where thoughts begin right behind the generation prompt, it has opened one, by whatever mark.
        is_opened = form is not None and (opened is not None or not form[0])
        is_foreign = opened is not None and self._form(more) is None and opened[0].strip() not in self._marks
        before = self._before(turns, prompt, written, form, is_opened, is_foreign)
        thought = None
        if form is not None:
            opening, close = form
            thought = Thought(prompt if is_opened else _joined(prompt, opening), close)
        gained = before[len(prompt) :].strip() if before.startswith(prompt) else before != prompt
        is_closed = form is not None and before != prompt and (is_opened or bool(gained))
        return AnswerPlace(prompt, written, before, thought, is_closed)

    def _written(self, turns: Sequence[Message], more: dict[str, Any]) -> str | None:
        """The text before a known answer, None where the template refuses it, drops it or writes it twice."""
        answer = _marker("answer", turns)
        try:
            text = self._template.render([*turns, Message("assistant", answer)], **more)
        except TemplateFault:
            return None
        return text[: text.index(answer)] if text.count(answer) == 1 else None

    def _form(self, more: dict[str, Any]) -> tuple[str, str] | None:
        """(what opens a thought behind the generation prompt, what stands between thought and answer), as written by
        the template around a thought that it is given; None where it writes none.
        """
        key = (more["tools"], more["template_kwargs"])
        if key not in self._forms:
            self._forms[key] = self._seek_form(more)
        return self._forms[key]

    def _seek_form(self, more: dict[str, Any]) -> tuple[str, str] | None:
        asked, answer, thought = Message("user", "usermarker"), "answermarker", "thoughtmarker"
        try:
            prompt = self._template.render([asked], prompt=True, **more)
            text = self._template.render([asked, Message("assistant", answer, reasoning=thought)], **more)
        except TemplateFault:
            return None
        if text.count(thought) != 1 or text.count(answer) != 1 or text.index(thought) > text.index(answer):
            return None
        start = text.index(thought)
        close = text[start + len(thought) : text.index(answer)]
        behind, asked_tail = _tail(text[:start], asked.content), _tail(prompt, asked.content)
        if not close.strip() or behind is None or asked_tail is None:
            return None
        if behind.startswith(asked_tail):
            return behind[len(asked_tail) :], close
        opened = _OPENED.search(behind)
        return None if opened is None else (opened[0], close)

    def _before(
        self,
        turns: Sequence[Message],
        prompt: str,
        written: str | None,
        form: tuple[str, str] | None,
        is_opened: bool,
        is_foreign: bool,
    ) -> str:
        """is_foreign: neither the template's own answers nor the tokenizer know the mark that opens a thought."""
        if written is None:
            return prompt + form[1] if is_opened and form is not None else prompt
        if written.startswith(prompt):
            return written
        asked, known = (_tail(text, turns[-1].content if turns else "") for text in (prompt, written))
        if asked is None or known is None:
            asked, known = prompt, written
        head = prompt[: len(prompt) - len(asked)]
        if known.startswith(asked) or is_foreign:
            return head + known
        if is_opened and form is not None:
            closing = form[1].strip()
            return head + known if known.rstrip().endswith(closing) else prompt + form[1]
        if asked.startswith(known) and not asked[len(known) :].strip():
            return head + known
        # What only the generation prompt has, say a thought that the caller has turned off, the answer stands behind.
        return prompt


def _marker(name: str, turns: Sequence[Message]) -> str:
    """A text that stands in none of the turns."""
    number = 0
    while any(f"{name}{number}marker" in turn.content for turn in turns):
        number += 1
    return f"{name}{number}marker"


def _mark(opened: re.Match[str]) -> str:
    """What closes a thought that this mark opens. Raises TemplateFault where that is not known."""
    name = opened.lastgroup
    assert name is not None
    if name not in _CLOSING:
        raise TemplateFault(
            f"its generation prompt opens a thought with {opened[name]!r}, and nothing shows what closes one: "
            "--answer-at generation-prompt scores inside it"
        )
    return _CLOSING[name].format(opened[name])


def _tail(text: str, content: str) -> str | None:
    """What stands behind the last place of a turn's content, None where it is not there."""
    wanted = content.strip()
    position = text.rfind(wanted) if wanted else -1
    return None if position < 0 else text[position + len(wanted) :]


def _joined(text: str, opening: str) -> str:
    """text + opening, without what text already ends with."""
    for n in range(min(len(text), len(opening)), 0, -1):
        if text.endswith(opening[:n]):
            return text + opening[n:]
    return text + opening
