"""Documents -> items: templates rendered, examples put before the question, every item checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from calibaudit.errors import TaskError
from calibaudit.tasks.documents import Document, Documents, Split, load_documents
from calibaudit.tasks.fewshot import ExampleSampler, example_split, excludes_itself
from calibaudit.tasks.items import Item, Task, content_of, document_hash, joined, scoring_of_choices
from calibaudit.tasks.questions import QuestionRenderer
from calibaudit.tasks.schema import Definition, FewshotConfig
from calibaudit.tasks.templates import Field

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

    Raises TaskError naming task, file and item at the first fault."""
    n_fewshot, notes = _number_of_examples(definition, num_fewshot)
    if answer_prefix is not None:
        definition = _with_prefix(definition, answer_prefix)
    builder = _Builder(definition, load_documents(definition, mirror=mirror, offline=offline), n_fewshot, seed, system)
    items = []
    for item in builder.build(limit):
        if isinstance(item, TaskError):
            raise item
        items.append(item)
    spec = definition.spec
    version = (spec.metadata or {}).get("version", 0)
    warnings = (*notes, *(f"task {spec.task}: {note}" for note in builder.notes()))
    scoring = spec.default_scoring
    if spec.scoring is None and isinstance(spec.doc_to_choice, str) and not any(item.leads for item in items):
        scoring = scoring_of_choices((item.choices for item in items), is_constant=False)
    return Task(spec.task, str(version), scoring, tuple(items), n_fewshot, warnings, system)


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
    except TaskError as error:
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
        self._multiple_inputs = self._explain(
            0, lambda first: self._renderer.has_multiple_inputs(self._split.rows[first])
        )
        if self._multiple_inputs and spec.default_scoring == "letter":
            raise TaskError(
                f"{definition.where}: scoring letter needs choices after the prompt, here they are part of it"
            )
        self._examples = _Examples(definition, documents, columns, n_fewshot, seed, self._multiple_inputs)

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
        except TaskError as error:
            identity = self._name(index)
            raise TaskError(f"{self._definition.where}: {identity}: {error}") from None

    def _name(self, index: int) -> str:
        """How messages name a document: by its id where it has one."""
        place = self._split.place(index)
        row = self._split.rows[index]
        value = row.get(self._spec.doc_to_id or "id")
        return f"item {value!r} ({place})" if isinstance(value, (str, int)) else f"item {index} ({place})"

    def _build_one(self, index: int) -> Item:
        document = self._split.rows[index]
        question = self._renderer.render(document, multiple_inputs=self._multiple_inputs)
        identity = self._identity(index, document)
        description = self._description.text_of(document) if self._description else ""
        system = joined(self._system, description, self._spec.fewshot_delimiter)
        examples = self._examples.before(document)
        group = self._group.text_of(document) if self._group else None
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
            self._prefix.text_of(document) if self._prefix else "",
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
            raise TaskError(f"id {identity!r} stands twice (first: {self._split.place(first)})")
        self._count("share their id with an earlier one and got a number behind it", identity)
        number = 2
        while self._seen.setdefault(f"{identity}#{number}", index) != index:
            number += 1
        return f"{identity}#{number}"

    def _count(self, what: str, identity: str) -> None:
        count, first = self._counts.get(what, (0, identity))
        self._counts[what] = (count + 1, first)


@dataclass(frozen=True)
class _Example:
    """block: question and answer as running text, ended by the delimiter. asked, answered: the two, as turns."""

    block: str
    asked: str
    answered: str


class _Examples:
    """The examples before each question."""

    def __init__(
        self,
        definition: Definition,
        documents: Documents,
        columns: Sequence[str],
        n: int,
        seed: int,
        multiple_inputs: bool,
    ) -> None:
        self._n = n
        self._made: dict[int, _Example] = {}
        self._chosen: list[int] = []
        if n == 0:
            return
        spec = definition.spec
        config = spec.fewshot_config or FewshotConfig()
        name, key = example_split(spec)
        pool = documents.split(name, key) if name is not None else Split(config.samples or [], tuple(columns), key)
        self._may_hold_itself = name == spec.evaluated_split and not excludes_itself(spec)
        self._split = _picked(pool, config.fewshot_indices, definition) if config.fewshot_indices else pool
        self._renderer = QuestionRenderer(spec, columns, config)
        self._multiple_inputs = multiple_inputs
        self._target_delimiter = spec.target_delimiter if config.target_delimiter is None else config.target_delimiter
        self._delimiter = spec.fewshot_delimiter if config.fewshot_delimiter is None else config.fewshot_delimiter
        prefix = config.gen_prefix or spec.gen_prefix
        self._prefix = Field("gen_prefix", prefix, columns) if prefix else None
        try:
            self._sampler = ExampleSampler(
                self._split.rows, n, first=config.sampler == "first_n", exclude=excludes_itself(spec), seed=seed
            )
        except TaskError as error:
            raise TaskError(f"{definition.where}: {key}: {error}") from None

    def before(self, document: Document) -> list[_Example]:
        """The examples of a document. Call it for every document, in order."""
        self._chosen = self._sampler.choose(document) if self._n else []
        return [self._example(index) for index in self._chosen]

    def last_held(self, document: Document) -> bool:
        """Whether the examples just chosen hold the document itself."""
        return (
            bool(self._chosen)
            and self._may_hold_itself
            and any(self._split.rows[index] == document for index in self._chosen)
        )

    def _example(self, index: int) -> _Example:
        if index not in self._made:
            row = self._split.rows[index]
            try:
                shown = self._renderer.render(row, multiple_inputs=self._multiple_inputs)
                prefix = self._prefix.text_of(row) if self._prefix else ""
            except TaskError as error:
                raise TaskError(f"few-shot example {self._split.place(index)}: {error}") from None
            answered = joined(prefix, shown.answer, " ")
            block = (
                joined(shown.text, answered, self._target_delimiter)
                if prefix
                else (shown.text + self._target_delimiter + answered)
            )
            self._made[index] = _Example(block + self._delimiter, shown.text, answered)
        return self._made[index]


def _level_of(value: object) -> int | None:
    """A whole number from 0, or its digits; None for an empty cell. Raises TaskError for anything else."""
    if value is None:
        return None
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise TaskError(f"doc_to_level: {value!r:.80}: a whole number from 0 is wanted, the larger the harder")
    return int(text)


def _picked(pool: Split, indices: Sequence[int], definition: Definition) -> Split:
    """The pool reduced to fewshot_indices, in their order."""
    n = len(pool.rows)
    for index in indices:
        if index >= n:
            raise TaskError(f"{definition.where}: fewshot_config.fewshot_indices: {index} is outside the {n} documents")
    lines = tuple(pool.lines[index] for index in indices) if pool.lines else ()
    return replace(pool, rows=[pool.rows[index] for index in indices], lines=lines)
