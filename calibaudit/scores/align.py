"""Which scores belong together: tasks of one model, rows of two, and items that are one piece of evidence."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.scores.same_items import have_two_readers, in_order_of
from calibaudit.scores.schema import IntArray
from calibaudit.scores.scores import Scores


def score_list(scores: Scores | Iterable[Scores], what: str = "scores") -> tuple[Scores, ...]:
    """One task's scores or several tasks' as a tuple. what: the argument's name.

    Raises ScoresError, with what to write, for what holds something else.
    """
    alone = isinstance(scores, str | os.PathLike) or not isinstance(scores, Iterable)
    given: tuple[Any, ...] = (scores,) if alone else tuple(cast("Iterable[Any]", scores))
    for part in given:
        if isinstance(part, str | os.PathLike):
            raise ScoresError(f"{what}: expected scores, found a path: use read_scores({os.fspath(part)!r:.120})")
        if not isinstance(part, Scores):
            raise ScoresError(f"{what}: expected Scores (from score or read_scores), found {type(part).__name__}")
    return given


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
    a template first. A name that one side has once is compared with each row the other has of it. Where both rows
    have documents, those pair the items, whatever the prompts: `after` is put into the order of `before`. Without them
    the prompts must be the same too. Groups, which another tool's log does not have, are those of the other side.
    Raises ScoresError when the two sides do not hold the same items of the same tasks under the same scoring.
    """
    sides: tuple[dict[str, list[Scores]], dict[str, list[Scores]]] = ({}, {})
    for side, scores in zip(sides, (before, after), strict=True):
        for part in sorted(scores, key=lambda part: part.chat_template):
            side.setdefault(part.task, []).append(part)
    for here, there, others, word in ((0, 1, after, "after"), (1, 0, before, "before")):
        missing = [task for task in sides[here] if task not in sides[there]]
        if missing:
            who = f" by {others[0].model.name}" if others else ""
            raise ScoresError(f"task {missing[0]!r} was not scored {word}{who}; both sides must have the same tasks")
    pairs = []
    for task in dict.fromkeys(part.task for part in before):
        old, new = sides[0][task], sides[1][task]
        n = max(len(old), len(new))
        if min(len(old), len(new)) not in (1, n):
            raise ScoresError(
                f"task {task!r} was scored {len(old)} times before and {len(new)} times after; score both the same way"
            )
        pairs += list(zip(old * (n // len(old)), new * (n // len(new)), strict=True))
    return [_matched(*pair) for pair in pairs]


def _matched(before: Scores, after: Scores) -> tuple[Scores, Scores]:
    where = f"task {before.task!r}"
    for name in ("scoring", "n_items"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            word, how = {"n_items": ("the number of items", " (--limit, --per-level)")}.get(name, (name, ""))
            raise ScoresError(f"{where}: {word} differs: {old} before, {new} after; score both the same way{how}")
    after = in_order_of(before, after, where)
    if before.item_ids != after.item_ids and not (_have_documents(before, after) and have_two_readers(before, after)):
        old, new = next(pair for pair in zip(before.item_ids, after.item_ids, strict=True) if pair[0] != pair[1])
        raise ScoresError(f"{where}: the items differ: {old!r} before stands where {new!r} stands after")
    if before.fingerprint != after.fingerprint and not _have_documents(before, after):
        if before.version != after.version:
            raise ScoresError(
                f"{where}: its items changed: version {before.version} before, {after.version} after; score both again"
            )
        raise ScoresError(
            f"{where}: the items have the same ids but another content (fingerprint {before.fingerprint[:12]} before, "
            f"{after.fingerprint[:12]} after), and no documents that would tell a question from its prompt; score both "
            "with the same task file"
        )
    if not np.array_equal(before.answer, after.answer):
        i = int((before.answer != after.answer).argmax())
        raise ScoresError(
            f"{where}: item {before.item_ids[i]!r}: the right answer is choice {before.answer[i] + 1} before and "
            f"{after.answer[i] + 1} after; score both with the same data"
        )
    n_choices = [(part.n_tokens > 0).sum(axis=1) for part in (before, after)]
    if not np.array_equal(*n_choices):
        i = int((n_choices[0] != n_choices[1]).argmax())
        raise ScoresError(
            f"{where}: item {before.item_ids[i]!r} has {n_choices[0][i]} choices before and {n_choices[1][i]} after; "
            "score both with the same task file"
        )
    if before.groups != after.groups:
        if before.groups is None and before.model.logged_by:
            return replace(before, groups=after.groups), after
        if after.groups is None and after.model.logged_by:
            return before, replace(after, groups=before.groups)
        raise ScoresError(f"{where}: the items' groups differ between before and after; score both with one task file")
    return before, after


def _have_documents(before: Scores, after: Scores) -> bool:
    return before.documents is not None and after.documents is not None


def units(scores: Sequence[Scores]) -> list[IntArray]:
    """Which items of one model's tasks are one piece of evidence: for each row (items,) numbers from 0.

    Two items are one unit when they have the same document (a question under letter and cloze, with and without a
    chat template), or the same group of the same fingerprint, or are joined by a chain of such items. Without documents
    fingerprint and id stand in. Numbers follow the first appearance: no number is left out.
    """
    documents = document_numbers(scores)
    grouped = [(row, part) for row, part in zip(documents, scores, strict=True) if part.groups is not None]
    if not grouped:
        return documents
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups = _numbered([(part.fingerprint, part.groups or ()) for _, part in grouped])
    ends = np.concatenate([row for row, _ in grouped]), np.concatenate(groups)
    n = 1 + max(int(row.max()) for row in documents)
    size = n + 1 + int(ends[1].max())
    joined = coo_array((np.ones(len(ends[0])), (ends[0], n + ends[1])), shape=(size, size))
    _, label = connected_components(joined, directed=False)
    label = label[:n]  # of the documents, which are numbered by first appearance; now the units
    _, first, number = np.unique(label, return_index=True, return_inverse=True)
    number = first.argsort().argsort()[number]
    return [number[row] for row in documents]


def unseen_doublings(scores: Sequence[Scores]) -> str | None:
    """A note where an item may stand in two of one model's tasks without its being seen, else None."""
    known = {part.fingerprint for part in scores if part.documents is not None}
    prints = {part.fingerprint for part in scores}
    return UNSEEN_DOUBLINGS if len(prints) > 1 and prints - known else None


UNSEEN_DOUBLINGS = (
    "Some of these scores are of older files, which name no documents: an item that is in two tasks could not be "
    "recognized, and counts twice."
)


def document_numbers(scores: Sequence[Scores]) -> list[IntArray]:
    """For each row (items,) the numbers of its items' documents, from 0, which all rows share.

    One fingerprint, the same items: a row without documents has those of another.
    """
    known = {part.fingerprint: part for part in scores if part.documents is not None}
    rows: list[tuple[str, Sequence[str]]] = []
    for part in scores:
        twin = part if part.documents is not None else known.get(part.fingerprint, part)
        if twin.documents is not None and twin.item_ids == part.item_ids:
            rows.append(("", twin.documents))
        else:
            rows.append((f"fingerprint {part.fingerprint}", part.item_ids))
    return _numbered(rows)


def _numbered(rows: Sequence[tuple[str, Sequence[str]]]) -> list[IntArray]:
    """Numbers from 0, by first appearance, of each row's names; a name counts within its space, which stands first."""
    count = itertools.count()
    spaces: dict[str, defaultdict[str, int]] = {}
    found = []
    for name, names in rows:
        space = spaces.setdefault(name, defaultdict(count.__next__))
        found.append(np.fromiter(map(space.__getitem__, names), dtype=np.int64, count=len(names)))
    return found


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
