"""Documents -> items: templates rendered, examples put before the question, every item checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from calibaudit.errors import TaskError
from calibaudit.files.text import json_value
from calibaudit.tasks.documents import Document, Documents, load_documents
from calibaudit.tasks.fewshot import Broken, Examples
from calibaudit.tasks.items import PERCENT_LEFT_OUT, Item, Task, content_of, document_hash, joined, scoring_of_choices
from calibaudit.tasks.questions import QuestionRenderer
from calibaudit.tasks.schema import Definition
from calibaudit.tasks.templates import EndlessTemplate, Field, nulls_written

_T = TypeVar("_T")


def build_task(
    definition: Definition,
    *,
    num_fewshot: int | None = None,
    seed: int = 1234,
    limit: int | None = None,
    mirror: Path | None = None,
    offline: bool = False,
    system: str = "",
    answer_prefix: str | None = None,
) -> Task:
    """A task with its items. system: stands before its description. answer_prefix: replaces its `gen_prefix`.

    Documents that cannot be asked (a template fails, the answer is none of the choices, ...) are left out and counted
    in one warning. Raises TaskError when they are more than PERCENT_LEFT_OUT of those asked, naming task, file and
    the first of them; and at once where an example cannot be used, or an id occurs twice."""
    n_fewshot, notes = _number_of_examples(definition, num_fewshot)
    if answer_prefix is not None:
        definition = _with_prefix(definition, answer_prefix)
    builder = _Builder(definition, load_documents(definition, mirror=mirror, offline=offline), n_fewshot, seed, system)
    items: list[Item] = []
    faults: list[TaskError] = []
    for built in builder.build(limit):
        if isinstance(built, Broken):
            raise built
        if isinstance(built, TaskError):
            faults.append(built)
        else:
            items.append(built)
    spec = definition.spec
    if faults:
        notes = (*notes, _left_out(definition, faults[0], len(faults), len(items) + len(faults)))
    version = (spec.metadata or {}).get("version", 0)
    warnings = (*notes, *(f"task {spec.task}: {note}" for note in builder.notes()))
    scoring = spec.default_scoring
    if spec.scoring is None and isinstance(spec.doc_to_choice, str) and not any(item.leads for item in items):
        scoring = scoring_of_choices((item.choices for item in items), is_constant=False)
    return Task(spec.task, str(version), scoring, tuple(items), n_fewshot, warnings, system)


def _left_out(definition: Definition, fault: TaskError, n_faults: int, n: int) -> str:
    """The warning about documents left out of n; fault: the first. Raises TaskError when they are too many."""
    count = f"{n_faults} of {n} documents"
    share = f"{100 * n_faults / n:.3g} %"
    first = str(fault).removeprefix(f"{definition.where}: ")
    if 100 * n_faults > PERCENT_LEFT_OUT * n:
        limit = f"up to {PERCENT_LEFT_OUT} % may be left out"
        more = " (`calibaudit tasks check` lists all)" if n_faults > 1 else ""
        raise TaskError(f"{definition.where}: {count} cannot be used ({share}; {limit}); the first: {first}{more}")
    return f"task {definition.spec.task}: {count} ({share}) cannot be used and are left out; the first: {first}"


def _with_prefix(definition: Definition, answer_prefix: str) -> Definition:
    """The same task, every answer of which begins with this text, whatever its file says."""
    literal = "{{ " + json.dumps(answer_prefix) + " }}" if answer_prefix else None
    config = definition.spec.fewshot_config
    update: dict[str, object] = {"gen_prefix": literal}
    if config is not None:
        update["fewshot_config"] = config.model_copy(update={"gen_prefix": None})
    return replace(definition, spec=definition.spec.model_copy(update=update))


def find_faults(definition: Definition, *, mirror: Path | None = None, offline: bool = False) -> tuple[str, ...]:
    """What keeps a task's documents from becoming items, one line each; every document is tried."""
    try:
        documents = load_documents(definition, mirror=mirror, offline=offline)
        builder = _Builder(definition, documents, definition.spec.num_fewshot or 0, seed=1234)
        return tuple(str(item) for item in builder.build(None) if isinstance(item, TaskError))
    except (EndlessTemplate, TaskError) as error:
        return (str(error),)


def _number_of_examples(definition: Definition, asked: int | None) -> tuple[int, tuple[str, ...]]:
    """How many examples, with a note when the task file overrules the caller."""
    own = definition.spec.num_fewshot
    if asked is None or own == asked:
        return own or 0, ()
    if own == 0:
        note = f"task {definition.spec.task}: num_fewshot {asked} is not applied, since its file fixes `num_fewshot: 0`"
        return 0, (note,)
    return asked, ()


class _Builder:
    """The items of one task, and what was odd about them."""

    def __init__(
        self, definition: Definition, documents: Documents, n_fewshot: int, seed: int, system: str = ""
    ) -> None:
        spec = definition.spec
        self._system = system
        self._definition = definition
        self._spec = spec
        key = "test_split" if spec.test_split else "validation_split"
        self._split = documents.split(spec.evaluated_split, key)
        if not len(self._split.rows):
            raise TaskError(f"{definition.where}: split {spec.evaluated_split!r} is empty")
        columns = self._split.columns
        self._renderer = QuestionRenderer(spec, columns)
        self._description = Field("description", spec.description, columns) if spec.description else None
        self._prefix = Field("gen_prefix", spec.gen_prefix, columns) if spec.gen_prefix else None
        self._id = Field("doc_to_id", spec.doc_to_id, columns) if spec.doc_to_id else None
        self._group = Field("doc_to_group", spec.doc_to_group, columns) if spec.doc_to_group else None
        self._level = Field("doc_to_level", spec.doc_to_level, columns) if spec.doc_to_level else None
        self._used = self._renderer.names | (self._group.names if self._group else frozenset())
        self._seen: dict[str, int] = {}
        self._counts: dict[str, tuple[int, str]] = {}
        self._multiple_inputs = self._has_multiple_inputs()
        if self._multiple_inputs and spec.default_scoring == "letter":
            raise TaskError(
                f"{definition.where}: scoring letter needs choices after the prompt, here they are part of it"
            )
        self._examples = Examples(definition, documents, columns, n_fewshot, seed, self._multiple_inputs)

    def _has_multiple_inputs(self) -> bool:
        """Whether doc_to_text gives an index, by the first document in which it gives anything.

        Raises TaskError, once for all documents, where it gives nothing in any.
        """
        faults: list[TaskError] = []
        for index in range(len(self._split.rows)):
            try:
                return self._explain(index, lambda i: self._renderer.has_multiple_inputs(self._split.rows[i]))
            except TaskError as error:
                faults.append(error)
        _left_out(self._definition, faults[0], len(faults), len(faults))
        raise AssertionError("all of them are too many")

    def build(self, limit: int | None) -> Iterator[Item | TaskError]:
        """The first `limit` documents in order, each as an item or as what is wrong with it."""
        n = len(self._split.rows) if limit is None else min(limit, len(self._split.rows))
        for index in range(n):
            try:
                yield self._explain(index, self._build_one)
            except TaskError as error:
                yield error

    def notes(self) -> list[str]:
        """What was odd, one line each with a count."""
        return [f"{count} item(s) {what} (first: {first!r})" for what, (count, first) in self._counts.items()]

    def _explain(self, index: int, work: Callable[[int], _T]) -> _T:
        try:
            return work(index)
        except (EndlessTemplate, TaskError) as error:
            raise type(error)(f"{self._definition.where}: {self._name(index)}: {error}") from None

    def _name(self, index: int) -> str:
        """How messages name a document: by its id where it has one."""
        place = self._split.place(index)
        row = self._split.rows[index]
        value = row.get(self._spec.doc_to_id or "id")
        return f"item {value!r} ({place})" if isinstance(value, (str, int)) else f"item {index} ({place})"

    def _build_one(self, index: int) -> Item:
        document = self._split.rows[index]
        # Of a document that cannot be used the examples are drawn too: so the next one's stay what they are.
        examples = self._examples.before(document)
        identity = self._identity(index, document)
        before = nulls_written()
        question = self._renderer.render(document, multiple_inputs=self._multiple_inputs)
        description = self._description.optional_text_of(document) if self._description else ""
        prefix = self._prefix.optional_text_of(document) if self._prefix else ""
        if nulls_written() > before or any(example.has_null for example in examples):
            self._count(
                "have an empty cell (null) in their prompt, written as no text; lm-evaluation-harness writes `None`",
                identity,
            )
        system = joined(self._system, description, self._spec.fewshot_delimiter)
        group = self._group.optional_text_of(document) or None if self._group else None
        delimiter = self._spec.target_delimiter
        if self._examples.last_held(document):
            self._count("have their own document among their examples: set fewshot_split to another split", identity)
        if len(set(question.choices)) < len(question.choices):
            self._count("have choices that are the same text", identity)
        block = "".join(example.block for example in examples)
        context, choices = block + question.text, question.choices
        leads: tuple[str, ...] = ()
        if question.shared is not None:
            context, choices, leads = block, (question.shared,) * len(question.choices), question.choices
        return Item(
            identity,
            context,
            choices,
            question.gold,
            group,
            system,
            delimiter,
            leads,
            document_hash(content_of(document, self._used)),
            prefix,
            tuple((example.asked, example.answered) for example in examples),
            len(block),
            _level_of(self._level(document)) if self._level else None,
        )

    def _identity(self, index: int, document: Document) -> str:
        """doc_to_id, else the column `id`, else the row's number. Ids of public data that repeat get `#2`, `#3`."""
        if self._id is not None:
            identity = self._id.text_of(document)
        else:
            value = document.get("id")
            identity = str(value) if isinstance(value, (str, int)) and str(value) else str(index)
        if not identity.strip():
            raise TaskError("doc_to_id: the id is empty")
        first = self._seen.setdefault(identity, index)
        if first == index:
            return identity
        if self._id is not None or self._split.own:
            raise Broken(f"id {identity!r} occurs twice (first: {self._split.place(first)})")
        self._count("share their id with an earlier one and got a number behind it", identity)
        number = 2
        while self._seen.setdefault(f"{identity}#{number}", index) != index:
            number += 1
        return f"{identity}#{number}"

    def _count(self, what: str, identity: str) -> None:
        count, first = self._counts.get(what, (0, identity))
        self._counts[what] = (count + 1, first)


def _level_of(value: object) -> int | None:
    """A whole number from 0, or its digits; None for an empty cell. Raises TaskError for anything else."""
    if value is None:
        return None
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise TaskError(f"doc_to_level: expected a whole number from 0, larger for harder, found {json_value(value)}")
    return int(text)
