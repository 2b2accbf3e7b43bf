"""Accuracy, confidence and gap at each level of difficulty, where the task files say one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from calibaudit.analysis.estimates import Change, Interval
from calibaudit.analysis.inference import compared, levels
from calibaudit.analysis.samples import Items, items_of, rows_of
from calibaudit.analysis.settings import Settings
from calibaudit.files.shown.kept import ReadOnly
from calibaudit.scores.schema import built, whole
from calibaudit.scores.scores import Scores

METRICS = ("accuracy", "confidence", "gap")
MOST = 20
"""Levels of a table; of more there is none, since each would have too few items."""


@dataclass(frozen=True, eq=False)
class LevelRow:
    """One level, over all tasks that have it. sides: of each model METRICS with their intervals.

    n_items: different items, as in Audit. change: of two models, after less before; None of one.
    """

    level: int
    n_items: int
    sides: tuple[Mapping[str, Interval], ...]
    change: Mapping[str, Change] | None = None

    def to_dict(self) -> dict[str, Any]:
        metrics = [{name: asdict(side[name]) for name in METRICS} for side in self.sides]
        entries: dict[str, Any] = {"level": self.level, "n_items": self.n_items}
        if self.change is None:
            return {**entries, "metrics": metrics[0]}
        change = {name: asdict(self.change[name]) for name in METRICS}
        return {**entries, "before": metrics[0], "after": metrics[1], "change": change}


def level_rows_from_dicts(rows: Sequence[Mapping[str, Any]], *, pair: bool) -> tuple[LevelRow, ...]:
    """The inverse of `LevelRow.to_dict`, row by row. pair: whether they are of two models.

    Raises KeyError or TypeError on anything else.
    """
    found = []
    for row in rows:
        sides = [row[name] for name in (("before", "after") if pair else ("metrics",))]
        found.append(
            LevelRow(
                level=whole(row["level"]),
                n_items=whole(row["n_items"]),
                sides=tuple({name: built(Interval, side[name]) for name in METRICS} for side in sides),
                change={name: built(Change, row["change"][name]) for name in METRICS} if pair else None,
            )
        )
    return tuple(found)


def audit_by_level(scores: Sequence[Scores], settings: Settings) -> tuple[LevelRow, ...]:
    """One model's rows, the easiest level first; none where fewer than two levels are known."""
    rows = []
    for level in _known(scores):
        items = _at(scores, level, settings)
        found = levels(items, settings, METRICS)
        rows.append(LevelRow(level, items.n_items, (ReadOnly(found.metrics),)))
    return tuple(rows)


def compare_by_level(before: Sequence[Scores], after: Sequence[Scores], settings: Settings) -> tuple[LevelRow, ...]:
    """The same of two models, paired item by item. before, after: as `scores.align.paired` gives them."""
    rows = []
    old, new = zip(*(_same_levels(*pair) for pair in zip(before, after, strict=True)), strict=True)
    for level in _known(old):
        was, now = (_at(side, level, settings) for side in (old, new))
        left, right, change = compared(was, now, settings, METRICS)
        sides = (ReadOnly(left.metrics), ReadOnly(right.metrics))
        rows.append(LevelRow(level, was.n_items, sides, ReadOnly(change)))
    return tuple(rows)


def _same_levels(before: Scores, after: Scores) -> tuple[Scores, Scores]:
    """Both sides with the levels of the one that has them: a file of an older version may have none."""
    known = before.levels if before.levels is not None else after.levels
    return replace(before, levels=known), replace(after, levels=known)


def _known(scores: Sequence[Scores]) -> list[int]:
    found = {level for part in scores for level in part.levels or () if level is not None}
    return sorted(found) if 2 <= len(found) <= MOST else []


def _at(scores: Sequence[Scores], level: int, settings: Settings) -> Items:
    """The items of one level, a row for each task that has it."""
    parts = []
    for part in scores:
        places = np.flatnonzero([own == level for own in part.levels or ()])
        if len(places):
            parts.append(part.in_order(places))
    return items_of(rows_of(parts, settings))
