"""Which documents stand as examples before a question: the choice lm-evaluation-harness 0.4 makes, draw for draw."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from calibaudit.errors import TaskError
from calibaudit.tasks.documents import Document, Documents, Split
from calibaudit.tasks.items import joined
from calibaudit.tasks.questions import QuestionRenderer
from calibaudit.tasks.schema import Definition, FewshotConfig, TaskSpec
from calibaudit.tasks.templates import Field, nulls_written


class Broken(TaskError):
    """What is wrong with the task rather than with one of its documents: it ends the task."""


class ExampleSampler:
    """Chooses the examples of one document after another; the documents must come in order.

    pool: documents to choose from. n: examples a question. first: the first n, else n at random.
    exclude: leave out documents equal to the one asked about. One generator serves all documents of a task, so the
    examples of document i depend on seed and i, never on how many documents follow.
    """

    def __init__(self, pool: Sequence[Document], n: int, *, first: bool, exclude: bool, seed: int) -> None:
        self._pool = pool
        self._n = n
        self._first = first
        self._exclude = exclude
        self._random = random.Random(seed)
        if n > len(pool):
            raise TaskError(f"{n} few-shot examples are asked for, but only {len(pool)} documents are available")

    def choose(self, document: Document) -> list[int]:
        """Positions in the pool of this document's examples, in prompt order. Raises TaskError when too few differ."""
        if self._n == 0:
            return []
        chosen = self._choose_first(document) if self._first else self._choose_at_random(document)
        if len(chosen) < self._n:
            raise TaskError(
                f"{self._n} few-shot examples are asked for, but only {len(chosen)} other documents are available"
            )
        return chosen

    def _choose_first(self, document: Document) -> list[int]:
        chosen: list[int] = []
        for index in range(len(self._pool)):
            if len(chosen) == self._n:
                break
            if not self._exclude or self._pool[index] != document:
                chosen.append(index)
        return chosen

    def _choose_at_random(self, document: Document) -> list[int]:
        # Sampling positions consumes the generator exactly as sampling the documents would, and reads none of them.
        everything = range(len(self._pool))
        if not self._exclude:
            return self._random.sample(everything, self._n)
        drawn = self._random.sample(everything, min(self._n + 1, len(everything)))
        kept = [index for index in drawn if self._pool[index] != document][: self._n]
        if len(kept) == self._n:
            return kept
        others = [index for index in everything if self._pool[index] != document]
        return self._random.sample(others, self._n) if len(others) >= self._n else others


def _named_split(spec: TaskSpec) -> str | None:
    config = spec.fewshot_config
    return config.split if config is not None and "split" in config.model_fields_set else spec.fewshot_split


def example_split(spec: TaskSpec) -> tuple[str | None, str]:
    """The split that examples come from, and the key that says so; None: `fewshot_config.samples`.

    In order: the few-shot split, the samples, the training, the validation, the test split.
    """
    if named := _named_split(spec):
        return named, "fewshot_config.split" if named != spec.fewshot_split else "fewshot_split"
    if spec.fewshot_config is not None and spec.fewshot_config.samples is not None:
        return None, "fewshot_config.samples"
    for key in ("training_split", "validation_split", "test_split"):
        if split := getattr(spec, key):
            return split, key
    raise AssertionError("checked when the file was read")


def excludes_itself(spec: TaskSpec) -> bool:
    """Whether a document is kept out of its own examples: when the few-shot split is named like the test split.

    Both absent counts as alike. This is lm-evaluation-harness's rule, kept for equal prompts; where it lets a
    document stand before its own question, the loader warns.
    """
    return _named_split(spec) == spec.test_split


@dataclass(frozen=True)
class Example:
    """block: question and answer as running text, ended by the delimiter. asked, answered: the two, as turns.

    has_null: an empty cell was written into it.
    """

    block: str
    asked: str
    answered: str
    has_null: bool


class Examples:
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
        self._made: dict[int, Example] = {}
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

    def before(self, document: Document) -> list[Example]:
        """The examples of a document. Call it for every document, in order."""
        try:
            self._chosen = self._sampler.choose(document) if self._n else []
        except TaskError as error:
            raise Broken(str(error)) from None
        return [self._example(index) for index in self._chosen]

    def last_held(self, document: Document) -> bool:
        """Whether the examples just chosen hold the document itself."""
        return (
            bool(self._chosen)
            and self._may_hold_itself
            and any(self._split.rows[index] == document for index in self._chosen)
        )

    def _example(self, index: int) -> Example:
        if index not in self._made:
            row = self._split.rows[index]
            before = nulls_written()
            try:
                shown = self._renderer.render(row, multiple_inputs=self._multiple_inputs)
                prefix = self._prefix.optional_text_of(row) if self._prefix else ""
            except TaskError as error:
                raise Broken(f"few-shot example {self._split.place(index)}: {error}") from None
            answered = joined(prefix, shown.answer, " ")
            block = (
                joined(shown.text, answered, self._target_delimiter)
                if prefix
                else (shown.text + self._target_delimiter + answered)
            )
            self._made[index] = Example(block + self._delimiter, shown.text, answered, nulls_written() > before)
        return self._made[index]


def _picked(pool: Split, indices: Sequence[int], definition: Definition) -> Split:
    """The pool reduced to fewshot_indices, in their order."""
    n = len(pool.rows)
    for index in indices:
        if index >= n:
            raise TaskError(f"{definition.where}: fewshot_config.fewshot_indices: {index} is outside the {n} documents")
    lines = tuple(pool.lines[index] for index in indices) if pool.lines else ()
    return replace(pool, rows=[pool.rows[index] for index in indices], lines=lines)
