"""The texts of a trainer's training set, as far as they can be looked at: what is trained on is not audited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calibaudit.tasks.items import Task
from calibaudit.training.data.rows import PlainText
from calibaudit.training.held_out import without_seen

_ROWS_AT_ONCE = 1_000
_NO_TEXT = ("token_type_ids", "position_ids")


def untrained(tasks: Sequence[Task], dataset: Any, tokenizer: Any) -> tuple[tuple[Task, ...], int | None]:
    """The tasks without the items whose question stands in the training set, and how many those are.

    dataset: a trainer's; its texts are those of its columns, and what its columns of token ids say. None for the
    number: the set cannot be looked through (it streams, or its rows are no mappings), and the tasks are all there.
    Raises SftError when no item is left (see `without_seen`).
    """
    if dataset is None or not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        return tuple(tasks), None
    rows = []
    for number, row in enumerate(_rows(dataset)):
        if not isinstance(row, Mapping):
            return tuple(tasks), None
        rows.append(PlainText("\n".join(_texts(row, tokenizer)), f"row {number + 1}"))
    return without_seen(tasks, rows)


def _rows(dataset: Any) -> Iterator[Any]:
    if not hasattr(dataset, "iter"):
        yield from (dataset[index] for index in range(len(dataset)))
        return
    for batch in dataset.iter(batch_size=_ROWS_AT_ONCE):  # of `datasets`: a row at a time is much slower
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(names, values, strict=True))


def _texts(row: Mapping[str, Any], tokenizer: Any) -> Iterator[str]:
    for name, value in row.items():
        if name.endswith("_ids") and name not in _NO_TEXT and len(value) and not isinstance(value[0], str):
            yield str(tokenizer.decode(value, skip_special_tokens=True))
        else:
            yield from _strings(value)


def _strings(value: Any) -> Iterator[str]:
    """Of a text, a list of turns, a turn ..."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list | tuple) and value and not isinstance(value[0], int | float):
        for part in value:
            yield from _strings(part)
