"""`doc_to_level`: read, refused where it is none, and what may be asked of a task by it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from task_files import write_task

from calibaudit.errors import TaskError
from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import check_task_file, load_task

OPTIONS = {"options": ["a", "b"], "gold": 0}


def rows(levels: list[Any]) -> list[dict[str, Any]]:
    return [{"id": f"i{i}", "q": f"Question {i}?", "hard": level, **OPTIONS} for i, level in enumerate(levels)]


@pytest.mark.parametrize(("column", "level"), [(3, 3), ("3", 3), (" 12 ", 12), (0, 0), (None, None), (2.0, 2)])
def test_a_level_is_a_whole_number_or_its_digits(tmp_path: Path, column: Any, level: int | None) -> None:
    task = load_task(str(write_task(tmp_path, "t", rows([1, column]), doc_to_level="hard")))
    assert [item.level for item in task.items] == [1, level]


def test_a_template_may_make_the_level(tmp_path: Path) -> None:
    names = '{{ ["easy", "middling", "hard"].index(hard) }}'
    task = load_task(str(write_task(tmp_path, "t", rows(["hard", "easy"]), doc_to_level=names)))
    assert [item.level for item in task.items] == [2, 0]


@pytest.mark.parametrize("value", ["hard", "", "-1", -1, 1.5, "1.0", True, [1]])
def test_anything_else_is_refused_with_the_item_and_the_value(tmp_path: Path, value: Any) -> None:
    path = write_task(tmp_path, "t", rows([2, value]), doc_to_level="hard")
    (fault,) = check_task_file(path)
    assert "item 'i1'" in fault
    assert "doc_to_level" in fault
    assert f"expected a whole number from 0, larger for harder, found {json.dumps(value)}" in fault
    with pytest.raises(TaskError, match="whole number"):
        load_task(str(path))


def test_without_the_key_nothing_has_a_level_and_nothing_else_changes(tmp_path: Path) -> None:
    plain = load_task(str(write_task(tmp_path, "t", rows([1, 2]))))
    levelled = load_task(str(write_task(tmp_path, "u", rows([1, 2]), doc_to_level="hard")))
    assert [item.level for item in plain.items] == [None, None]
    assert plain.fingerprint == levelled.fingerprint
    assert [item.key for item in plain.items] == [item.key for item in levelled.items]


def test_a_column_called_level_does_not_tell_documents_apart(tmp_path: Path) -> None:
    def documents(level: int, **keys: str) -> list[str]:
        row = {"id": "i", "q": "Question?", "level": level, **OPTIONS}
        return [item.document for item in load_task(str(write_task(tmp_path, "t", [row], **keys))).items]

    assert documents(1) == documents(2) == documents(2, doc_to_level="level")


def made(levels: list[int | None]) -> Task:
    return Task("t", "1", "cloze", tuple(Item(f"i{n}", f"q{n}", ("a", "b"), 0, level=x) for n, x in enumerate(levels)))


def ids(task: Task) -> list[str]:
    return [item.id for item in task.items]


def test_per_level_keeps_the_first_items_of_each_in_the_task_s_order() -> None:
    task = made([2, 1, 2, 2, None, 1, None, 1])
    assert ids(task.per_level(1)) == ["i0", "i1", "i4"]
    assert ids(task.per_level(2)) == ["i0", "i1", "i2", "i4", "i5", "i6"]
    assert ids(task.per_level(9)) == ids(task)
    with pytest.raises(TaskError, match="limit 0 is below 1"):
        task.per_level(0)


def test_a_limit_cuts_what_is_left_of_each_level(tmp_path: Path) -> None:
    path = str(write_task(tmp_path, "t", rows([1, 1, 1, 2, 2, 2]), doc_to_level="hard"))
    assert ids(load_task(path, per_level=2)) == ["i0", "i1", "i3", "i4"]
    assert ids(load_task(path, per_level=2, limit=3)) == ["i0", "i1", "i3"]


def test_only_keeps_what_is_named_and_everything_where_a_name_is_unknown() -> None:
    task = made([1, 1, 2])
    assert ids(task.only(["i2", "i0"])) == ["i0", "i2"]
    assert task.only(["i0", "elsewhere"]) is task


def test_a_level_is_no_part_of_what_the_model_sees() -> None:
    item = made([1]).items[0]
    assert dataclasses.replace(item, level=5) == item
    assert dataclasses.replace(item, level=5).key == item.key


@pytest.mark.parametrize("number", [0, -2])
def test_load_refuses_a_number_below_one(tmp_path: Path, number: int) -> None:
    with pytest.raises(TaskError, match=f"limit {number} is below 1"):
        load_task(str(write_task(tmp_path, "t", rows([1]))), per_level=number)
