"""What is asked: items and tasks, as types. How a name or a YAML file becomes one: `tasks`."""

from __future__ import annotations

import base64
import hashlib
import json
import string
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

from calibaudit.errors import TaskError, told
from calibaudit.files.shown.card import Card, Shown, count
from calibaudit.files.text import one_line

Scoring = Literal["letter", "cloze", "cloze_token", "cloze_byte", "cloze_char", "pmi"]
SCORINGS: tuple[Scoring, ...] = get_args(Scoring)
LETTER: tuple[Scoring, ...] = ("letter",)
CLOZE: tuple[Scoring, ...] = tuple(scoring for scoring in SCORINGS if scoring != "letter")

PERCENT_LEFT_OUT = 5
"""The largest share of a task's documents, or of a log's items, that may be unusable; above it the task ends."""


_BESIDE = frozenset(
    {
        *("id", "idx", "ind", "index", "uid", "uuid", "guid", "qid", "unnamed: 0", "__index_level_0__"),
        *(f"{what}_id" for what in ("doc", "item", "row", "question", "query", "example", "sample")),
        *("level", "difficulty", "explanation", "rationale"),
    }
)
"""Columns that number a row or comment on it, in lower case: two rows that differ in them only ask the same."""


def _sha256(content: object) -> str:
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def document_hash(content: object) -> str:
    """16 letters (base 64: A-Z a-z 0-9 - _): the first 96 bits of a sha256. What is no JSON counts by its text."""
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=str)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode("ascii")).digest()[:12]).decode("ascii")


def content_of(row: Mapping[str, Any], used: Collection[str] = ()) -> dict[str, Any]:
    """A data set's row less what numbers it or comments on it: question, options, answer, group as the data has them.

    used: columns that the question is made of; they stay, whatever their names. Empty cells are left out, since a
    table has them where a JSONL file has nothing.
    """
    return {
        name: value
        for name, value in row.items()
        if value is not None and (name in used or name.lower() not in _BESIDE)
    }


def scoring_of_choices(rows: Iterable[Sequence[str]], *, is_constant: bool) -> Scoring:
    """`letter` where the choices are the options' labels, else `cloze`: for task files and for others' logs alike.

    rows: of each item its choices, spaces around them apart. is_constant: whether the task file lists them itself, once
    for all items: then any single letters or digits are labels. Else labels are A, B, C ... or a, b, c ..., as many as
    an item has options, since answers may be of one letter or digit too.
    """
    stripped = {tuple(choice.strip() for choice in row) for row in rows}
    if is_constant:
        return "letter" if all(len(c) == 1 and c.isalnum() for row in stripped for c in row) else "cloze"
    listed = any(all("".join(row) == labels[: len(row)] for row in stripped) for labels in _LABELS)
    return "letter" if stripped and listed else "cloze"


_LABELS = (string.ascii_uppercase, string.ascii_lowercase)


def joined(text: str, more: str, delimiter: str) -> str:
    """The two texts, the delimiter between them unless one is empty or has whitespace where they meet.

    lm-evaluation-harness's rule for its system text and its `gen_prefix`.
    """
    if not text or not more or text[-1].isspace() or more[0].isspace():
        return text + more
    return text + delimiter + more


@dataclass(frozen=True, repr=False)
class Item(Shown):
    """One question. Choice k: prompt `system + context + leads[k]`, continuation `delimiter + choices[k]`.

    context: the prompt, few-shot examples included; without `system`. May be empty.
    choices: what is scored as a continuation, without `delimiter`.
    answer: index into choices.
    group: passage or subject shared with other items, or None.
    system: the task's description, behind the caller's own; stands before the context, or is the system turn of a chat.
    delimiter: stands between context and choice, except after a chat template.
    leads: for tasks whose choices differ *before* the scored text (winogrande): lead[k] is appended to the
        context of choice k. Empty, or one a choice.
    examples: (what is asked, what is answered) of each few-shot example in `context`, for the turns of a chat; the
        question itself begins behind them, at context[question_start]. Neither key nor equality sees the two.
    answer_prefix: what every answer begins with: it stands behind the question, or in the chat's own answer, before
        delimiter and choice.
    level: how hard the task file says it is, from 0; None where it says nothing. Neither key nor equality sees it.
    document: a hash of question, options, answer and group before any prompt, so that one row of data has the same
        under letter and cloze, with any examples or wording. Left out, it is made of the fields above but for id,
        system and delimiter. Neither key nor equality sees it.
    """

    id: str
    context: str
    choices: tuple[str, ...]
    answer: int
    group: str | None = None
    system: str = ""
    delimiter: str = " "
    leads: tuple[str, ...] = ()
    document: str = field(default="", compare=False)
    answer_prefix: str = ""
    examples: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    question_start: int = field(default=0, compare=False)
    level: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.document:
            content = [self.context, self.leads, self.choices, self.answer, self.group]
            object.__setattr__(self, "document", document_hash(["item", content]))

    def _card(self) -> Card:
        question = one_line(self.context[self.question_start :] or "".join(self.leads[:1]), 160)
        right = self.choices[self.answer].strip() if 0 <= self.answer < len(self.choices) else "?"
        facts = (
            repr(question),
            f"{count(len(self.choices), 'choice')}, right is {self.answer}: {one_line(right, 60)!r}",
        )
        rows = [("Question", self.context[self.question_start :])]
        rows += [(f"Choice {k}{', right' if k == self.answer else ''}", text) for k, text in enumerate(self.choices)]
        return Card("Item", self.id, facts, rows=tuple(rows))

    @property
    def plain_pairs(self) -> tuple[tuple[str, str], ...]:
        """(context, continuation) of each choice as running text: system, context, lead, what answers begin with."""
        delimiter = "" if self.leads else self.delimiter
        leads = self.leads or ("",) * len(self.choices)
        contexts = [joined(self.system + self.context + lead, self.answer_prefix, delimiter) for lead in leads]
        return tuple((context, self.delimiter + c) for context, c in zip(contexts, self.choices, strict=True))

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of what the model sees of this item: not its id, answer or group."""
        content: dict[str, object] = {
            "system": self.system,
            "context": self.context,
            "leads": self.leads,
            "delimiter": self.delimiter,
            "choices": self.choices,
        }
        if self.answer_prefix:
            content["answer_prefix"] = self.answer_prefix
        return _sha256(content)


class Items(tuple[Item, ...]):
    """A tuple of items whose `repr` names the first of them alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        first = ", ".join(repr(one_line(item.id, 40)) for item in self[:3])
        return f"<{count(len(self), 'item')}: {first}{', ...' if len(self) > 3 else ''}>"


@dataclass(frozen=True, repr=False)
class Task(Shown):
    """Items with one prompt format.

    warnings: one line each about what is odd in the data without making it unusable (identical choices in an
        item, ...); they come from the loader and say nothing about a model.
    system: what the caller put before the task's own description; it is in each item's `system` already.
    """

    name: str
    version: str
    scoring: Scoring
    items: tuple[Item, ...]
    n_fewshot: int = 0
    warnings: tuple[str, ...] = ()
    system: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", Items(self.items))

    def _card(self) -> Card:
        sizes = sorted({len(item.choices) for item in self.items}) or [0]
        choices = f"{sizes[0]} choices" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} choices"
        facts = [count(len(self.items), "item"), choices, self.scoring]
        facts += [f"{self.n_fewshot} examples before each"] if self.n_fewshot else []
        facts += [count(len(self.warnings), "warning")] if self.warnings else []
        rows = [
            (item.id, item.context[item.question_start :], item.choices[item.answer].strip())
            for item in self.items[:3]
            if 0 <= item.answer < len(item.choices)
        ]
        notes = (", ".join(facts), *self.warnings)
        return Card(
            "Task", self.name, tuple(facts), ("first items", "question", "answer"), tuple(rows), 0, notes, texts=True
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of the scoring family (letter, cloze or pmi) and of each item's id, key, answer and group.

        Equal fingerprints: the same questions, seen the same way. The task's name plays no part.
        """
        family = "cloze" if self.scoring.startswith("cloze") else self.scoring
        return _sha256([family, [[item.id, item.key, item.answer, item.group] for item in self.items]])

    def limited(self, n_items: int | None) -> Task:
        """The task with its first `n_items` items (None: all). Raises TaskError below 1."""
        check_limit(n_items)
        if n_items is None or n_items >= len(self.items):
            return self
        return replace(self, items=self.items[:n_items])

    def per_level(self, n_items: int) -> Task:
        """The task with the first `n_items` items of each level; items without a level count as one level more.

        Raises TaskError below 1.
        """
        check_limit(n_items)
        seen: Counter[int | None] = Counter()
        kept = []
        for item in self.items:
            seen[item.level] += 1
            if seen[item.level] <= n_items:
                kept.append(item)
        return replace(self, items=tuple(kept))

    def only(self, ids: Collection[str]) -> Task:
        """The task with the items of these ids alone, in its own order; the whole task where one of them is unknown."""
        wanted = frozenset(ids)
        if not wanted <= {item.id for item in self.items}:
            return self
        return replace(self, items=tuple(item for item in self.items if item.id in wanted))

    def with_scoring(self, scoring: Scoring) -> Task:
        """The same items, scored another way; cloze, its normalisations and pmi may replace one another.

        Raises TaskError between letter and cloze: there the prompt itself would have to change, since letter
        lists the options in the prompt and scores their letters, cloze scores the options' own text.
        """
        if scoring not in SCORINGS:
            raise TaskError(f"scoring {scoring!r} is unknown: choose one of {', '.join(SCORINGS)}")
        possible = LETTER if self.scoring == "letter" else CLOZE
        if scoring not in possible:
            raise TaskError(
                f"task {self.name}: scoring {self.scoring} cannot become {scoring}: its prompts "
                + (
                    "list the options and its choices are letters"
                    if self.scoring == "letter"
                    else "do not list the options"
                )
                + f" (possible: {', '.join(possible)}; for another, write a task file with that prompt)"
            )
        return replace(self, scoring=scoring)


def check_task(task: object) -> None:
    """Raises TaskError, with what to write, for a name or a list in the place of one Task."""
    if isinstance(task, str):
        raise TaskError(f"{one_line(task, 80)!r} is a name; expected a Task: use load_task({one_line(task, 80)!r})")
    if not isinstance(task, Task):
        raise TaskError(f"expected one Task (from load_task), found {type(task).__name__}; pass several one by one")


def task_list(tasks: Task | Iterable[Task]) -> tuple[Task, ...]:
    """One task or several as a tuple. Raises TaskError, with what to write, for what holds something else."""
    given = (tasks,) if isinstance(tasks, Task | str) else tuple(tasks)
    for task in given:
        check_task(task)
    return given


@dataclass(frozen=True)
class TaskSummary:
    """What is known of a task, or of a group of tasks, without loading its data.

    scoring: None when a group's members differ. source: data set or file. n_items: None where only the data set
    knows. members: names of a group's tasks; empty for a task.
    """

    name: str
    scoring: Scoring | None
    source: str
    n_items: int | None
    description: str
    members: tuple[str, ...] = ()

    def has(self, text: str) -> bool:
        """Whether name, description, source or a member's name has the text; capitals do not matter."""
        named = (self.name, self.description, self.source, *self.members)
        return any(text.casefold() in part.casefold() for part in named)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "is_group": bool(self.members),
            "description": self.description,
            "scoring": self.scoring,
            "n_items": self.n_items,
            "source": self.source,
            "members": list(self.members),
        }


def check_limit(limit: int | None) -> None:
    if limit is not None and (isinstance(limit, bool) or not hasattr(limit, "__index__")):
        raise TaskError(f"limit is {told(limit)}; give a whole number of items from 1, or None for all")
    if limit is not None and limit < 1:
        raise TaskError(f"limit {limit} is below 1: it is the number of items to keep")
