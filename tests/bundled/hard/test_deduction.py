"""Every item of the bundled task `deduction`, read again from the text of its question and settled by other means."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundled.hard.answers.puzzles import deduction, deduction_counts, deduction_runs, deduction_steps

READERS: dict[str, Callable[[list[str], str], str]] = {
    "queue": deduction.placed,
    "table": deduction.placed,
    "houses": deduction.houses,
    "liars": deduction.liars,
    "guests": deduction.guests,
    "codes": deduction.codes,
    "overlaps": deduction_steps.overlaps,
    "circuits": deduction_steps.circuits,
    "routes": deduction_steps.routes,
    "schedules": deduction_steps.schedules,
    "games": deduction_steps.games,
    "purses": deduction_steps.purses,
    "shelf": deduction_steps.shelf,
    "colourings": deduction_counts.colourings,
    "line-ups": deduction_counts.queues,
    "visits": deduction_counts.visits,
    "tilings": deduction_counts.tilings,
    "formulas": deduction_counts.formulas,
    "lamps": deduction_runs.lamps,
    "cells": deduction_runs.cells,
    "life": deduction_runs.life,
    "ant": deduction_runs.ant,
    "dials": deduction_runs.dials,
    "heaps": deduction_runs.heaps,
}


def rows(root: Path) -> list[dict[str, Any]]:
    folder = root / "tasks" / "hard"
    texts = [(folder / f"deduction{part}.jsonl").read_text(encoding="utf-8") for part in ("", ".train")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def sentences(row: dict[str, Any]) -> tuple[list[str], str]:
    *told, ask = re.split(r"(?<=\.) ", row["question"])
    assert all(text.endswith(".") for text in told)
    return [text[:-1] for text in told], ask


@pytest.mark.parametrize("topic", READERS)
def test_exactly_one_choice_is_right(root: Path, topic: str) -> None:
    items = [row for row in rows(root) if row["topic"] == topic]
    assert len(items) >= 8
    for row in items:
        right = READERS[topic](*sentences(row))
        assert [i for i, choice in enumerate(row["choices"]) if choice == right] == [row["answer"]], (row["id"], right)


def test_no_topic_is_without_a_reader_and_levels_are_even(root: Path) -> None:
    items = rows(root)
    assert {row["topic"] for row in items} == set(READERS)
    levels = Counter(row["level"] for row in items)
    assert sorted(levels) == [6, 7, 8, 9, 10]
    assert max(levels.values()) - min(levels.values()) <= 12
    for level in (9, 10):
        topics = Counter(row["topic"] for row in items if row["level"] == level)
        assert len(topics) >= 6
        assert max(topics.values()) <= levels[level] / 5


def test_statements_say_the_premises_and_ask_the_same(root: Path) -> None:
    for row in rows(root):
        told, _ = sentences(row)
        premises, _, conclusion = row["statement"].removeprefix("Suppose this: ").partition(". Then ")
        assert premises.casefold() == "; ".join(told).casefold(), row["id"]
        assert conclusion.count("{}") == 1
        assert conclusion.endswith(" {}."), row["id"]


def test_wording(root: Path) -> None:
    for row in rows(root):
        text = row["question"]
        assert text.endswith("?"), row["id"]
        assert len(text) + sum(map(len, row["choices"])) <= 1600, row["id"]
        assert not re.search(r"  | ,|\.\.|\b(\w+) \1\b|\b1 (members|families|people|pupils|do)\b", text), row["id"]


def test_options_are_of_one_kind(root: Path) -> None:
    for row in rows(root):
        assert len({choice.isdigit() for choice in row["choices"]}) == 1, row["id"]
