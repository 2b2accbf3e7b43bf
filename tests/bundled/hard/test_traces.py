"""Every item of the hard task `traces`: its program is run in an isolated interpreter, and its steps are counted."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

PARTS = ("traces.jsonl", "traces.train.jsonl")
LEADS = (
    "What does this Python 3 program print?",
    "What is the output of this Python 3 program?",
    "Which line does this Python 3 program print?",
)

RUNNER = """
import ast, contextlib, io, json, sys
class Stop(Exception):
    pass
answers = []
for code in json.load(sys.stdin):
    lines, most = 0, None
    def count(frame, event, argument):
        global lines
        if frame.f_code.co_filename != "traced":
            return None
        lines += event == "line"
        if lines == most:
            raise Stop
        return count
    out, own, traced = io.StringIO(), dict(__name__="__main__"), io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "plain", "exec", dont_inherit=True), own)
    with contextlib.redirect_stdout(traced):
        sys.settrace(count)
        exec(compile(code, "traced", "exec", dont_inherit=True), dict(__name__="__main__"))
        sys.settrace(None)
    assert traced.getvalue() == out.getvalue()
    total, most, lines, own, cut = lines, lines * 9 // 10, 0, dict(__name__="__main__"), io.StringIO()
    with contextlib.redirect_stdout(cut), contextlib.suppress(NameError, KeyError, Stop, UnboundLocalError):
        try:
            sys.settrace(count)
            exec(compile(code, "traced", "exec", dont_inherit=True), own)
        except Stop:
            sys.settrace(None)
            rest = ast.Module(ast.parse(code).body[-1:], [])
            exec(compile(rest, "plain", "exec", dont_inherit=True), own)
    sys.settrace(None)
    answers.append((out.getvalue(), total, cut.getvalue()))
json.dump(answers, sys.stdout)
"""
"""Runs each program three times, each time with names of its own: as it is; counting the lines it executes; and stopped
after nine tenths of them, when only its last statement is still done."""

LINES = {6: (7, 55), 7: (25, 125), 8: (140, 700), 9: (700, 3000), 10: (2400, 8000)}
"""Executed lines by level. A line is not a step: a comprehension is one line, a loop's head one each time."""


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / "hard" / part).read_text(encoding="utf-8").splitlines()]


def program(row: dict[str, Any]) -> str:
    lead, code = str(row["question"]).split("\n\n", 1)
    assert lead in LEADS, row
    return code


@pytest.fixture(scope="module")
def printed(root: Path) -> dict[str, tuple[str, int, str]]:
    """What each program prints and how many lines it executes, in an interpreter in which a warning is an error."""
    codes = [program(row) for part in PARTS for row in rows(root, part)]
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", RUNNER]
    done = subprocess.run(command, input=json.dumps(codes), check=True, capture_output=True, text=True, timeout=120)
    return {code: tuple(found) for code, found in zip(codes, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_and_no_other_choice_is_what_the_program_prints(
    root: Path, part: str, printed: dict[str, tuple[str, int, str]]
) -> None:
    for row in rows(root, part):
        output = printed[program(row)][0]
        fits = [index for index, choice in enumerate(row["choices"]) if choice + "\n" == output]
        assert fits == [row["answer"]], (output, row)


@pytest.mark.parametrize("part", PARTS)
def test_a_higher_level_is_more_work(root: Path, part: str, printed: dict[str, tuple[str, int, str]]) -> None:
    found: dict[int, list[int]] = {level: [] for level in LINES}
    for row in rows(root, part):
        lines = printed[program(row)][1]
        low, high = LINES[row["level"]]
        assert low <= lines <= high, (lines, row)
        found[row["level"]].append(lines)
    middles = [median(found[level]) for level in sorted(found)]
    assert all(1.4 * less < more for less, more in pairwise(middles)), middles


@pytest.mark.parametrize("part", PARTS)
def test_from_level_8_on_the_last_tenth_of_a_run_changes_what_is_printed(
    root: Path, part: str, printed: dict[str, tuple[str, int, str]]
) -> None:
    for row in rows(root, part):
        output, _, cut = printed[program(row)]
        assert row["level"] < 8 or cut != output, row


@pytest.mark.parametrize("part", PARTS)
def test_programs_are_compact_and_print_one_short_line(root: Path, part: str) -> None:
    for row in rows(root, part):
        lines = program(row).splitlines()
        assert 4 <= len(lines) <= 16, row
        assert max(map(len, lines)) <= 76, row
        assert all(choice.isascii() and len(choice) <= 40 for choice in row["choices"]), row


@pytest.mark.parametrize("part", PARTS)
def test_statements_hold_the_program_and_have_one_place_to_fill(root: Path, part: str) -> None:
    for row in rows(root, part):
        assert row["statement"].format("42") == f"The Python 3 program\n\n{program(row)}\n\nprints 42.", row


CALLED = {
    *("abs", "dict", "enumerate", "f", "g", "int", "kept", "len", "list", "make", "map", "max", "min", "next", "ord"),
    *("p", "print", "put", "q", "r", "range", "s", "source", "str", "sum", "wrap", "gen"),
}


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_used_whose_result_depends_on_the_version_or_the_machine(root: Path, part: str) -> None:
    """No import but re, no sets, no identity, no floating point; of the built-in functions only those listed."""
    banned = (ast.Set, ast.SetComp, ast.Is, ast.IsNot, ast.Div, ast.Pow, ast.ImportFrom, ast.Try, ast.ClassDef)
    for row in rows(root, part):
        for node in ast.walk(ast.parse(program(row))):
            assert not isinstance(node, banned), row
            assert not isinstance(node, ast.Import) or [name.name for name in node.names] == ["re"], row
            assert not isinstance(node, ast.Constant) or isinstance(node.value, (int, str)), row
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id in CALLED, (node.func.id, row)


def form(choice: str) -> list[str]:
    """The printed values, numbers as 0 and letters as a."""
    values = re.findall(r"\[[^\]]*\]|\S+", choice)
    return [re.sub("[a-z]", "a", re.sub(r"-?\d+", "0", value)) for value in values]


@pytest.mark.parametrize("part", PARTS)
def test_choices_have_one_form_and_no_printed_value_stands_in_all(root: Path, part: str) -> None:
    for row in rows(root, part):
        assert len({tuple(form(choice)) for choice in row["choices"]}) == 1, row
        columns = list(zip(*(re.findall(r"\[[^\]]*\]|\S+", choice) for choice in row["choices"]), strict=True))
        assert all(len(set(column)) > 1 for column in columns), row


def test_programs_that_are_the_same_but_for_constants_differ_in_three_or_more(root: Path) -> None:
    constant = re.compile(r'"[^"]*"|\b(?:0x)?\d[\dA-F]*\b')
    alike: dict[str, list[list[str]]] = {}
    for part in PARTS:
        for row in rows(root, part):
            alike.setdefault(constant.sub("_", program(row)), []).append(constant.findall(program(row)))
    for bare, filled in alike.items():
        for one, other in combinations(filled, 2):
            assert sum(a != b for a, b in zip(one, other, strict=True)) >= 3, (bare, one, other)
