"""One document -> its question: text, choices, the right one; keys mean what they mean in lm-evaluation-harness."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from calibaudit.errors import TaskError
from calibaudit.files.text import json_value
from calibaudit.tasks.documents import Document
from calibaudit.tasks.schema import FewshotConfig, TaskSpec
from calibaudit.tasks.templates import Field


@dataclass(frozen=True)
class Question:
    """One document, rendered. `gold`: the right choice's index. `answer`: its text, as an example shows it.

    With `shared` (a multiple-input task) the choices are what the question may be, and `shared` continues each.
    """

    text: str
    choices: tuple[str, ...]
    gold: int
    answer: str
    shared: str | None = None


class QuestionRenderer:
    """The fields of a question, or of an example where fewshot_config overrides them."""

    def __init__(self, spec: TaskSpec, columns: Collection[str], config: FewshotConfig | None = None) -> None:
        over = config or FewshotConfig()
        self.text = Field("doc_to_text", over.doc_to_text or spec.doc_to_text, columns)
        target = spec.doc_to_target if over.doc_to_target is None else over.doc_to_target
        self.target = target if isinstance(target, int) else Field("doc_to_target", target, columns)
        choices = over.doc_to_choice or spec.doc_to_choice
        if isinstance(choices, dict):
            choices = list(choices.values())
        self.choices = Field("doc_to_choice", choices, columns) if isinstance(choices, str) else tuple(choices)

    @property
    def names(self) -> frozenset[str]:
        """The columns that a question is made of."""
        fields = (self.text, self.target, self.choices)
        return frozenset().union(*(field.names for field in fields if isinstance(field, Field)))

    def has_multiple_inputs(self, document: Document) -> bool:
        """Whether doc_to_text gives the right choice's index: then the choices stand before the scored text."""
        return isinstance(_index_or_text(self.text, document), int)

    def render(self, document: Document, *, multiple_inputs: bool) -> Question:
        """Raises TaskError naming the key and the fault."""
        choices = self._render_choices(document)
        if multiple_inputs:
            gold = _index_or_text(self.text, document)
            if not isinstance(gold, int):
                raise TaskError(
                    "doc_to_text: expected the index of the right choice, as in the first document, "
                    f"found {json_value(gold)}"
                )
            _check_index(gold, len(choices))
            shared = str(self.target) if isinstance(self.target, int) else self.target.text_of(document)
            if not shared.strip():
                raise TaskError("doc_to_target: the text that follows every choice is empty")
            return Question(choices[gold], choices, gold, shared, shared)
        for index, choice in enumerate(choices):
            if not choice.strip():
                raise TaskError(f"doc_to_choice: choice {index} is empty")
        text = self.text.text_of(document)
        gold, answer = self._find_gold(document, choices)
        return Question(text, choices, gold, answer)

    def _render_choices(self, document: Document) -> tuple[str, ...]:
        if isinstance(self.choices, tuple):
            return self.choices
        value = self.choices(document)
        if not self.choices.is_column:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                raise TaskError(f"doc_to_choice: expected a list of strings, found {json_value(value, 120)}") from None
        if not isinstance(value, (list, tuple)):
            raise TaskError(f"doc_to_choice: expected a list of strings, found {json_value(value, 120)}")
        for index, choice in enumerate(value):
            if not isinstance(choice, str):
                raise TaskError(f"doc_to_choice: choice {index}: expected text, found {json_value(choice)}")
        if len(value) < 2:
            raise TaskError(f"doc_to_choice: {len(value)} choice(s): at least 2 are needed")
        return tuple(value)

    def _find_gold(self, document: Document, choices: tuple[str, ...]) -> tuple[int, str]:
        """Index and text of the right choice."""
        value = self.target if isinstance(self.target, int) else self.target(document)
        rendered = isinstance(self.target, Field) and not self.target.is_column
        value, found = _only_one(value, read=rendered)
        if isinstance(value, str):
            return _find_text(value, choices, digits_first=rendered and not found)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a table's column of whole numbers with an empty cell in it
        if not isinstance(value, int):
            raise TaskError(f"doc_to_target: expected a choice or its index, found {json_value(value, 80)}")
        _check_index(value, len(choices))
        return int(value), choices[value]


def _only_one(value: Any, *, read: bool) -> tuple[Any, bool]:
    """A list's only element, and that it was a list.

    read: text in brackets may be one, as lm-evaluation-harness has it. Raises TaskError for a list of none or several.
    """
    if read and isinstance(value, str) and len(value) >= 2 and value[0] == "[" and value[-1] == "]":
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return value, False
    if not isinstance(value, list):
        return value, False
    if len(value) != 1:
        raise TaskError(f"doc_to_target: expected one right answer, found {len(value)}: {json_value(value, 80)}")
    return value[0], True


def _find_text(value: str, choices: tuple[str, ...], *, digits_first: bool) -> tuple[int, str]:
    """The choice that a text stands for: the same text, the same text stripped, or an index in digits."""
    digits = value.isascii() and value.isdigit()
    if not (digits and digits_first):
        if value in choices:
            return choices.index(value), value
        stripped = [choice.strip() for choice in choices]
        if value.strip() in stripped:
            return stripped.index(value.strip()), value
    if not digits:
        shown = ", ".join(repr(choice) for choice in choices)
        raise TaskError(f"doc_to_target: answer {value!r:.80} is not one of the choices {shown:.200}")
    index = int(value)
    _check_index(index, len(choices))
    return index, choices[index]


def _index_or_text(field: Field, document: Document) -> Any:
    """A column's own value, or the rendered text, with digits as a number."""
    value = field(document)
    if isinstance(value, str) and not field.is_column and value.isascii() and value.isdigit():
        return int(value)
    return value


def _check_index(answer: int, n_choices: int) -> None:
    if not 0 <= answer < n_choices:
        hint = " (a split whose labels are hidden?)" if answer == -1 else ""
        raise TaskError(f"answer {answer} is outside its {n_choices} choices, which count from 0{hint}")
