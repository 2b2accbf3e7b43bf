"""Which scores belong together: one model's tasks, and two models' rows of the same task."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.scores.scores import Scores


def check_one_model(scores: Sequence[Scores]) -> None:
    """Raise ScoresError unless these are one model's scores on one or more distinct tasks."""
    if not scores:
        raise ScoresError("no scores: score at least one task")
    others = [part for part in scores if part.model != scores[0].model]
    if others:
        raise ScoresError(
            f"scores of two models in one list: {scores[0].model.name!r} ({scores[0].model.revision}) and "
            f"{others[0].model.name!r} ({others[0].model.revision}); pass one model's scores at a time"
        )


def overall_order(keys: Sequence[tuple[Any, ...]]) -> list[int]:
    """Indices in an order of the tasks' own, so that the overall numbers do not depend on how they were listed.

    Raises ScoresError when two keys are the same: a task counted twice is no new evidence.
    """
    order = sorted(range(len(keys)), key=lambda i: keys[i])
    for first, second in itertools.pairwise(order):
        if keys[first] == keys[second]:
            raise ScoresError(f"the tasks at positions {first + 1} and {second + 1} are the same; name each task once")
    return order


def paired(before: Sequence[Scores], after: Sequence[Scores]) -> list[tuple[Scores, Scores]]:
    """The rows to compare, in the order of `before`.

    Rows are paired by task name; rows of one name (with and without a chat template) by their order, those without
    a template first. A name that one side has once is compared with each row the other has of it.
    Raises ScoresError when the two sides do not hold the same items of the same tasks under the same scoring.
    """
    sides: tuple[dict[str, list[Scores]], dict[str, list[Scores]]] = ({}, {})
    for side, scores in zip(sides, (before, after), strict=True):
        for part in sorted(scores, key=lambda part: part.chat_template):
            side.setdefault(part.task, []).append(part)
    for here, there, name in ((0, 1, "after"), (1, 0, "before")):
        missing = [task for task in sides[here] if task not in sides[there]]
        if missing:
            raise ScoresError(f"task {missing[0]!r} was not scored {name}; both sides must have the same tasks")
    pairs = []
    for task in dict.fromkeys(part.task for part in before):
        old, new = sides[0][task], sides[1][task]
        n = max(len(old), len(new))
        if min(len(old), len(new)) not in (1, n):
            raise ScoresError(
                f"task {task!r} was scored {len(old)} times before and {len(new)} times after; score both the same way"
            )
        pairs += list(zip(old * (n // len(old)), new * (n // len(new)), strict=True))
    for pair in pairs:
        _check_pair(*pair)
    return pairs


def _check_pair(before: Scores, after: Scores) -> None:
    where = f"task {before.task!r}"
    for name in ("scoring", "n_items"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            word = {"n_items": "the number of items"}.get(name, name)
            raise ScoresError(f"{where}: {word} differs: {old} before, {new} after; score both the same way")
    if before.item_ids != after.item_ids:
        old, new = next(pair for pair in zip(before.item_ids, after.item_ids, strict=True) if pair[0] != pair[1])
        raise ScoresError(f"{where}: the items differ: {old!r} before stands where {new!r} stands after")
    if before.fingerprint != after.fingerprint or not np.array_equal(before.answer, after.answer):
        raise ScoresError(
            f"{where}: the items have the same ids but another content (fingerprint {before.fingerprint[:12]} before, "
            f"{after.fingerprint[:12]} after); score both with the same task file"
        )
    if before.groups != after.groups:
        raise ScoresError(f"{where}: the items' groups differ between before and after; score both with one task file")


def without_doubles(before: Sequence[Scores], after: Sequence[Scores]) -> tuple[list[Scores], list[Scores]]:
    """Without the rows that `both` doubled for nothing: where neither side had a chat template."""
    if len(before) != len(after):
        return list(before), list(after)  # compare says what is missing
    kept = [
        i
        for i, (b, a) in enumerate(zip(before, after, strict=True))
        if not any(before[j] is b and after[j] is a for j in range(i))
    ]
    return [before[i] for i in kept], [after[i] for i in kept]
