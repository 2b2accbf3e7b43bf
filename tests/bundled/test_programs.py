"""Every item of the bundled task `programs`: its program is run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
