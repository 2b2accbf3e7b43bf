"""Which documents stand as examples before a question: the choice lm-evaluation-harness 0.4 makes, draw for draw."""

from __future__ import annotations

import random
from collections.abc import Sequence

from calibaudit.errors import TaskError
from calibaudit.tasks.documents import Document
from calibaudit.tasks.schema import TaskSpec


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
            raise TaskError(
                f"{n} few-shot examples are asked for, but only {len(pool)} documents are there to choose from"
            )

    def choose(self, document: Document) -> list[int]:
        """Positions in the pool of this document's examples, in prompt order. Raises TaskError when too few differ."""
        if self._n == 0:
            return []
        chosen = self._choose_first(document) if self._first else self._choose_at_random(document)
        if len(chosen) < self._n:
            raise TaskError(
                f"{self._n} few-shot examples are asked for, but only {len(chosen)} other documents are there"
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
