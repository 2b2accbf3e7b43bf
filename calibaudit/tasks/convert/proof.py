"""A written task held against the harness: the same prompts, continuations and answers, document by document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibaudit.errors import TaskError
from calibaudit.tasks.build import build_task
from calibaudit.tasks.convert.harness import gold, requests, told
from calibaudit.tasks.items import Task
from calibaudit.tasks.registry import definitions_of_file

SEED = 1234
"""The few-shot seed of both programs when none is named."""


def shots_to_try(task: Any) -> tuple[int, ...]:
    """Its own number of examples, and two where the file does not fix none."""
    own = task.config.num_fewshot
    return (0,) if own == 0 else tuple(dict.fromkeys((own or 0, 2)))


def compare_file(task: Any, docs: Sequence[Any], path: Path, n_fewshot: int, ids: Sequence[str] | None = None) -> int:
    """How many documents were compared, all alike. docs: the harness's, the first of those that the file asks.

    ids: the items' ids, in order; with them, a document for which the harness has no right choice may be left out.
    A number of examples that is not the task's own and that the harness cannot give compares none.
    Raises TaskError naming the first difference.
    """
    task.set_fewshot_seed(SEED)
    theirs = []
    for index, doc in enumerate(docs):
        try:
            theirs.append((requests(task, doc, n_fewshot), gold(task, doc)))
        except Exception as error:
            if n_fewshot == (task.config.num_fewshot or 0):
                raise TaskError(f"document {index}: lm-evaluation-harness cannot ask it: {told(error)}") from error
            return 0
    (definition,) = definitions_of_file(path)
    ours = build_task(definition, num_fewshot=n_fewshot, seed=SEED, limit=len(docs), offline=True)
    if ids is None and len(ours.items) == len(docs):
        ids = [item.id for item in ours.items]
    return _compare(theirs, ours, ids or (), n_fewshot)


def _compare(
    theirs: Sequence[tuple[list[tuple[str, str]], int | None]], ours: Task, ids: Sequence[str], n_fewshot: int
) -> int:
    items = {item.id: item for item in ours.items}
    n = 0
    for index, (wanted, answer) in enumerate(theirs):
        item = items.get(ids[index]) if index < len(ids) else None
        if item is None:
            if answer is None:
                continue
            raise TaskError(f"document {index} cannot be used here: {'; '.join(ours.warnings)}")
        found = list(item.plain_pairs)
        if found != wanted:
            raise TaskError(f"document {index}, {n_fewshot} examples: {_first_difference(wanted, found)}")
        if answer is not None and item.answer != answer:
            raise TaskError(f"document {index}: the harness's answer is choice {answer}, here it is {item.answer}")
        n += 1
    return n


def _first_difference(wanted: list[tuple[str, str]], found: list[tuple[str, str]]) -> str:
    if len(wanted) != len(found):
        return f"the harness has {len(wanted)} choices, here are {len(found)}"
    for k, (theirs, ours) in enumerate(zip(wanted, found, strict=True)):
        for what, one, two in zip(("prompt", "continuation"), theirs, ours, strict=True):
            if one != two:
                at = next(
                    (i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
                )
                return (
                    f"the {what} of choice {k} differs at {at}: {one[at : at + 40]!r} there, {two[at : at + 40]!r} here"
                )
    raise AssertionError("asked for a difference between equals")
