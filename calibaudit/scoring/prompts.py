"""Items -> the texts a model sees: as running text, or inside a chat template, up to where the answer begins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from calibaudit.chat.messages import Message
from calibaudit.chat.places import AnswerPlace, PlaceFinder
from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import CHOICES, ChatTemplate, TemplateFault, template_source
from calibaudit.errors import ModelError
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring.thought_prompt import ThoughtPrompt
from calibaudit.tasks.items import Item, Task


@dataclass(frozen=True)
class Prompt:
    """The (context, continuation) texts of one item, one pair a choice. where: how errors name it.

    adds_special: whether the tokenizer puts before the text what it puts before any (BOS). A chat template writes its
    own, and what uses it adds none.
    """

    where: str
    pairs: tuple[tuple[str, str], ...]
    adds_special: bool = True

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of the texts: equal keys see equal text, whatever task or template they came from."""
        content: Any = self.pairs if self.adds_special else [self.pairs, "as it stands"]
        return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()


class PlainPrompts:
    """Prompts as running text."""

    is_chat = False

    def prompt(self, item: Item, where: str) -> Prompt:
        """System, context, delimiter, choice."""
        return plain_prompt(item, where)

    def can_think(self, item: Item, where: str) -> bool:
        """Never: nothing in running text says where a thought would begin."""
        return False

    def unconditional(self, item: Item, where: str) -> Prompt:
        """Each choice on its own, for the pmi scoring."""
        return Prompt(where, tuple(("", item.delimiter + choice) for choice in item.choices))

    def format(self, task: Task) -> PromptFormat | None:
        prefix, n_fewshot = task.items[0].answer_prefix, len(task.items[0].examples)
        if not (task.system or prefix or n_fewshot):
            return None
        return PromptFormat("", "off", system=task.system, answer_prefix=prefix, n_fewshot=n_fewshot)


def plain_prompt(item: Item, where: str) -> Prompt:
    """The item as running text: system, context, what answers begin with, delimiter, choice."""
    return Prompt(where, item.plain_pairs)


class ChatPrompts:
    """Prompts inside a chat template: a system turn, examples, the question, and the start of the answer.

    No delimiter stands before a choice: the choice begins where the template's answers do, space included. settings:
    see ChatSettings. Raises ModelError where they name no template.
    """

    is_chat = True

    def __init__(self, tokenizer: Any, settings: ChatSettings) -> None:
        self._template = ChatTemplate(tokenizer, settings)
        self._finder = PlaceFinder(self._template)
        self._settings = settings
        self._first: AnswerPlace | None = None

    def prompt(self, item: Item, where: str) -> Prompt:
        """Raises ModelError, naming the item, when the template fails or loses the prompt."""
        leads = item.leads or ("",) * len(item.choices)
        contexts = {lead: self._context(item, lead, where) for lead in dict.fromkeys(leads)}
        delimiter = _delimiter(item)
        pairs = tuple((contexts[lead], delimiter + choice) for lead, choice in zip(leads, item.choices, strict=True))
        return Prompt(where, pairs, self._at_prompt)

    def unconditional(self, item: Item, where: str) -> Prompt:
        """Each choice on its own, with the space that the template's answers begin with."""
        space = "" if self._at_prompt else _space(self.place(item, where, (item.leads or ("",))[0]).before)
        return Prompt(where, tuple(("", space + _delimiter(item) + choice) for choice in item.choices))

    def place(self, item: Item, where: str, lead: str = "") -> AnswerPlace:
        """Where the item's answer begins, `answer_prefix` apart. Raises ModelError."""
        turns = self._template.fitting(self.turns(item, lead))
        try:
            place = self._finder.find(turns)
        except TemplateFault as fault:
            raise self._unusable(where, str(fault)) from None
        # Templates may trim a turn, but a template that drops one would be audited on another question.
        if not all(turn.content.strip() in place.prompt for turn in turns):
            raise self._unusable(where, "the rendered text lacks the prompt")
        self._first = self._first or place
        return place

    def turns(self, item: Item, lead: str = "") -> list[Message]:
        """The conversation before the answer."""
        turns = [Message("system", item.system)] if item.system else []
        if not self._settings.multiturn:
            return [*turns, Message("user", item.context + lead)]
        for asked, answered in item.examples:
            turns += [Message("user", asked), Message("assistant", answered)]
        return [*turns, Message("user", item.context[item.question_start :] + lead)]

    def can_think(self, item: Item, where: str) -> bool:
        """Whether the template shows where a thought before the answer begins and how it ends."""
        return self.place(item, where, (item.leads or ("",))[0]).thought is not None

    def thought_prompts(self, item: Item, where: str) -> list[ThoughtPrompt]:
        """Where the model thinks before it answers: one, or one a lead. Raises ModelError where it cannot."""
        found = []
        for lead in dict.fromkeys(item.leads or ("",)):
            thought = self.place(item, where, lead).thought
            if thought is None:
                raise self._unusable(where, "it has no place for a thought, which --think needs")
            found.append(ThoughtPrompt(where, thought.before, thought.close, self._at_prompt))
        return found

    def reasoned(self, item: Item, where: str, texts: Sequence[str]) -> Prompt:
        """The item behind thoughts. texts: of each of its `thought_prompts`, up to the answer."""
        leads = item.leads or ("",) * len(item.choices)
        by_lead = dict(zip(dict.fromkeys(leads), texts, strict=True))
        pairs = tuple(
            (by_lead[lead] + item.answer_prefix, _delimiter(item) + choice)
            for lead, choice in zip(leads, item.choices, strict=True)
        )
        return Prompt(where, pairs, self._at_prompt)

    def format(self, task: Task, thinking: Thinking | None = None) -> PromptFormat:
        """What to record of the prompts; after the first of them was made."""
        settings, place = self._settings, self._first
        at_answer = place is not None and not self._at_prompt
        return PromptFormat(
            template=hashlib.sha256(self._template.source.encode()).hexdigest()[:16],
            named=settings.template,
            answer_at=settings.answer_at,
            date=settings.date if self._template.is_dated else "",
            kwargs=settings.kwargs,
            multiturn=settings.multiturn if task.items[0].examples else None,
            system=task.system,
            answer_prefix=task.items[0].answer_prefix,
            between=place.difference if place is not None and at_answer and thinking is None else "",
            beyond=place.beyond if place is not None and at_answer and thinking is None else "",
            is_closed=place.is_closed if place is not None and at_answer and thinking is None else False,
            thinking="" if thinking is None else thinking.words,
            n_fewshot=len(task.items[0].examples),
        )

    @property
    def _at_prompt(self) -> bool:
        return self._settings.answer_at == "generation-prompt"

    def _unusable(self, where: str, fault: str) -> ModelError:
        named = self._settings.template
        which = "the tokenizer's chat template" if named in CHOICES else f"the chat template {named}"
        return ModelError(f"{where}: {which} cannot be used ({fault}); try --chat-template off")

    def _context(self, item: Item, lead: str, where: str) -> str:
        place = self.place(item, where, lead)
        if not self._at_prompt:
            return place.before + item.answer_prefix
        if not item.answer_prefix:
            return place.prompt
        if place.written is None:
            raise self._unusable(where, "it writes no answer that could begin with --answer-prefix")
        return place.written + item.answer_prefix


def prompts_for(tokenizer: Any, settings: ChatSettings) -> PlainPrompts | ChatPrompts:
    """Inside the chat template where the settings choose one that is there, else plain. Raises ModelError."""
    if template_source(tokenizer, settings.template) is None:
        return PlainPrompts()
    return ChatPrompts(tokenizer, settings)


def where_of(task: Task, item: Item) -> str:
    """How errors name an item."""
    return f"{task.name}: item {item.id!r}"


def prompts_of(task: Task, prompts: PlainPrompts | ChatPrompts) -> tuple[list[Prompt], list[Prompt]]:
    """The items' prompts, and for the pmi scoring those of the choices alone, else none."""
    asked = [prompts.prompt(item, where_of(task, item)) for item in task.items]
    if task.scoring != "pmi":
        return asked, []
    return asked, [prompts.unconditional(item, where_of(task, item)) for item in task.items]


def _delimiter(item: Item) -> str:
    """What stands between an answer's beginning and a choice, inside a template."""
    return item.delimiter if item.answer_prefix and not item.answer_prefix[-1].isspace() else ""


def _space(text: str) -> str:
    return text[len(text.rstrip(" \t")) :]
