"""Scores -> Items: what a number is estimated over, one task, all tasks pooled, or the mean of the tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calibaudit.analysis.settings import Settings
from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.sample import Sample, joined
from calibaudit.metrics.validation import IntArray
from calibaudit.scores.align import document_numbers, units
from calibaudit.scores.scores import Scores


@dataclass(frozen=True, eq=False)
class Row:
    """One task's sample of one model. unit, document: (items,) numbers that all rows of the model share.

    unit: items of one unit (a passage, one question asked twice) are not independent.
    seed: of the task's floor.
    """

    sample: Sample
    unit: IntArray
    document: IntArray
    seed: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Items:
    """The items of one or more tasks of one model, as the tasks' samples; a task's number of items is taken as fixed.

    macro: the mean of the tasks' values, and not all items as one sample.
    """

    rows: tuple[Row, ...]
    design: Design
    macro: bool = False

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(row.sample for row in self.rows)

    @property
    def n_answers(self) -> int:
        """One for each item of each row."""
        return self.design.n_items

    @property
    def n_items(self) -> int:
        """Different items: a question asked in two rows counts once."""
        return self.n_answers if self.document is None else int(self.document.max()) + 1

    @property
    def n_units(self) -> int:
        return self.design.n_units

    @cached_property
    def whole(self) -> Sample:
        """All items as one sample."""
        return joined(self.samples)

    @cached_property
    def document(self) -> IntArray | None:
        """(items,) 0-based, one number a document; None where every item is a document of its own."""
        found = np.concatenate([row.document for row in self.rows])
        names, index = np.unique(found, return_inverse=True)
        return None if len(names) == len(found) else index.reshape(-1).astype(np.int64)

    @property
    def seed(self) -> tuple[int, ...]:
        return sum((row.seed for row in self.rows), ())

    def as_macro(self) -> Items:
        """The same items, for the mean of the tasks."""
        return Items(self.rows, self.design, macro=True)


def rows_of(scores: Sequence[Scores], settings: Settings, also: Sequence[Scores] = ()) -> list[Row]:
    """One model's rows, in the order of its scores. also: the other model's, which may know what items are the same.

    Raises ScoresError when a sample is unusable.
    """
    every = [*scores, *also]
    return [
        Row(
            Sample(part.choice_scores(), part.answer, part.option_mass, settings.n_bins),
            unit,
            document,
            (settings.seed, *_words(part.fingerprint)),
        )
        for part, unit, document in zip(scores, units(every), document_numbers(every), strict=False)
    ]


def items_of(rows: Sequence[Row]) -> Items:
    """These rows' items as one sample, each row a stratum of it."""
    sizes = [row.sample.n_items for row in rows]
    unit = np.concatenate([row.unit for row in rows])
    return Items(tuple(rows), Design.of(sum(sizes), unit, np.repeat(np.arange(len(sizes)), sizes)))


def _words(fingerprint: str) -> tuple[int, ...]:
    digest = hashlib.sha256(fingerprint.encode()).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
