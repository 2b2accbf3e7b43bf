"""What a strong reader did on the hard tasks: the sheets are those that were read, and the levels are what they say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from bundled.strong_reader import ANSWERS, N_READ, drawn, hits, sheet, table, wilson
from scipy import stats

from calibaudit.tasks.load import member_names

READ = json.loads(ANSWERS.read_text(encoding="utf-8"))
TASKS = sorted(READ["answers"])


def test_every_hard_task_was_read_whole() -> None:
    assert sorted(member_names("bundled_hard")) == TASKS
    for name in TASKS:
        assert len(READ["answers"][name]) == N_READ
        assert set(READ["answers"][name]) <= set("ABCD")


@pytest.mark.parametrize("name", TASKS)
def test_the_sheet_is_the_one_that_was_read(name: str) -> None:
    """Items that change later have to be read again."""
    assert hashlib.sha256(sheet(name).encode()).hexdigest() == READ["sheets"][name]


@pytest.mark.parametrize("name", TASKS)
def test_a_sheet_is_even_over_the_levels_and_says_no_answer(name: str) -> None:
    items = drawn(name)
    levels = [item["level"] for item in items]
    assert sorted(levels.count(level) for level in range(6, 11)) == [9, 9, 10, 10, 10]
    assert len({item["id"] for item in items}) == N_READ
    text = sheet(name)
    assert "level" not in {line.split(":")[0] for line in text.splitlines()}
    assert not any(item["id"] in text for item in items)


@pytest.mark.parametrize("name", TASKS)
def test_each_task_is_neither_at_ceiling_nor_at_chance(name: str) -> None:
    right = sum(hit for _, hit in hits(name, READ["answers"][name]))
    assert 0.45 <= right / N_READ <= 0.90


def test_the_easiest_level_is_surely_easier_than_the_hardest() -> None:
    marks = [mark for name in TASKS for mark in hits(name, READ["answers"][name])]
    counts = []
    for level in (6, 10):
        own = [hit for at, hit in marks if at == level]
        counts.append([sum(own), len(own) - sum(own)])
    assert stats.fisher_exact(counts, alternative="greater").pvalue < 0.001


def test_the_page_has_the_table(root: Path) -> None:
    page = (root / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert "\n".join(table()) in page


def test_the_interval_is_wilson_s() -> None:
    low, high = wilson(33, 48)
    found = stats.binomtest(33, 48).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((found.low, found.high))
