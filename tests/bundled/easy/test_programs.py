"""Every item of the bundled task `programs`: its program is run in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

PARTS = ("programs.jsonl", "programs.train.jsonl")
LEAD = "What does this Python 3 program print?\n\n"


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / part).read_text(encoding="utf-8").splitlines()]


def program(row: dict[str, Any]) -> str:
    assert row["question"].startswith(LEAD)
    return str(row["question"].removeprefix(LEAD))


def printed(code: str) -> str:
    """What it prints, in an isolated interpreter in which a warning is an error."""
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_and_no_other_choice_is_what_the_program_prints(root: Path, part: str) -> None:
    data = rows(root, part)
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(printed, map(program, data)))
    for row, output in zip(data, outputs, strict=True):
        fits = [index for index, choice in enumerate(row["choices"]) if choice + "\n" == output]
        assert fits == [row["answer"]], (output, row)


@pytest.mark.parametrize("part", PARTS)
def test_programs_are_short_and_print_one_short_line(root: Path, part: str) -> None:
    for row in rows(root, part):
        lines = program(row).splitlines()
        assert 1 <= len(lines) <= 8, row
        assert max(map(len, lines)) <= 80, row
        assert all(choice.isascii() and len(choice) <= 40 for choice in row["choices"]), row


@pytest.mark.parametrize("part", PARTS)
def test_statements_hold_the_program_and_have_one_place_to_fill(root: Path, part: str) -> None:
    for row in rows(root, part):
        assert row["statement"].format("42") == f"The Python 3 program\n\n{program(row)}\n\nprints 42.", row


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_used_whose_result_depends_on_the_version_or_the_machine(root: Path, part: str) -> None:
    """No imports, no order of sets, no identity, no hash, no representation of an object."""
    words = ("import ", "set(", " is ", "id(", "hash(", "repr(", "type(", "input(", "open(", "{", "}")
    for row in rows(root, part):
        assert not [word for word in words if word in program(row)], row
        assert not [choice for choice in row["choices"] if "<" in choice], row


def values(line: str) -> list[str]:
    """The values of a line that print wrote, brackets kept together."""
    return re.findall(r"\[(?:[^\[\]]|\[[^\]]*\])*\]|\S+", line)


def same(columns: list[tuple[str, ...]]) -> int:
    """How many columns, from the first on, have one value."""
    return next((n for n, column in enumerate(columns) if len(set(column)) > 1), len(columns))


@pytest.mark.parametrize("part", PARTS)
def test_no_printed_value_stands_in_all_four_choices_nor_half_of_the_only_one(root: Path, part: str) -> None:
    for row in rows(root, part):
        split = [values(choice) for choice in row["choices"]]
        if min(map(len, split)) > 1:
            assert all(len(set(column)) > 1 for column in zip(*split, strict=False)), row
        elif all(choice.startswith("[") for choice in row["choices"]):
            items = [choice.strip("[]").split(", ") for choice in row["choices"]]
            ahead = same(list(zip(*items, strict=False)))
            behind = same(list(zip(*(one[::-1] for one in items), strict=False)))
            assert ahead + behind < max(map(len, items)) / 2 or ahead >= min(map(len, items)), row


def test_no_two_programs_are_the_same_but_for_a_constant(root: Path) -> None:
    constant = re.compile(r'"[^"]*"|\b\d+\b')
    alike: dict[str, list[list[str]]] = {}
    for part in PARTS:
        for row in rows(root, part):
            alike.setdefault(constant.sub("_", program(row)), []).append(constant.findall(program(row)))
    for bare, filled in alike.items():
        for one, other in combinations(filled, 2):
            n_apart = sum(a != b for a, b in zip(one, other, strict=True))
            assert n_apart >= max(2, len(one) / 3), (bare, one, other)
