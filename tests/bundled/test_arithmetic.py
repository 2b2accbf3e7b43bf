"""Every item of the bundled task `arithmetic`, worked out again by SymPy from the text of its question."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy

PARTS = ("arithmetic.jsonl", "arithmetic.train.jsonl")
FORMS = (
    r"What is the remainder when (.+)\?",
    r"Which remainder is left when (.+)\?",
    r"What is the value of (.+)\?",
    r"What does (.+) equal\?",
    r"What is (.+) in lowest terms\?",
    r"Calculate (.+) and reduce the result\.",
    r"Calculate (.+)\.",
    r"Solve for x: (.+)\.",
    r"For which x is (.+)\?",
    r"How much is (.+)\?",
    r"What number is (.+)\?",
    r"What is (.+)\?",
)


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / part).read_text(encoding="utf-8").splitlines()]


def exercise(question: str) -> str:
    """What is to be worked out: the question without its words."""
    for form in FORMS:
        if match := re.fullmatch(form, question):
            return match[1]
    raise AssertionError(f"no form of question: {question}")


def rational(text: str) -> sympy.Rational:
    return sympy.sympify(text.replace("^", "**"), rational=True)


def right_answer(text: str) -> sympy.Rational:
    if "divided by" in text:
        dividend, divisor = text.split(" is divided by ")
        return sympy.Mod(rational(dividend), rational(divisor))
    if match := re.fullmatch(r"(\d+)% of (\d+)", text):
        return sympy.Rational(match[1]) / 100 * sympy.Rational(match[2])
    if "creased" in text:
        amount = rational(text.split()[0])
        for way, percent in re.findall(r"(increased|decreased) by (\d+)%", text):
            part = amount * sympy.Rational(percent) / 100
            amount = amount + part if way == "increased" else amount - part
        return amount
    if "=" in text:
        left, right = map(rational, text.split(" = "))
        (solution,) = sympy.solve(left - right, sympy.Symbol("x"))
        return solution
    return rational(text)


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_and_no_other_choice_is_right(root: Path, part: str) -> None:
    for row in rows(root, part):
        right = right_answer(exercise(row["question"]))
        values = [sympy.Rational(choice) for choice in row["choices"]]
        assert [index for index, value in enumerate(values) if value == right] == [row["answer"]], row


@pytest.mark.parametrize("part", PARTS)
def test_statements_name_the_same_exercise(root: Path, part: str) -> None:
    for row in rows(root, part):
        assert exercise(row["question"]) in row["statement"], row


@pytest.mark.parametrize("part", PARTS)
def test_choices_are_written_alike(root: Path, part: str) -> None:
    for row in rows(root, part):
        for choice in row["choices"]:
            if row["topic"] == "decimals":
                assert re.fullmatch(r"-?\d+(\.\d*[1-9])?", choice), row
            else:
                assert choice == str(Fraction(choice)), row  # in lowest terms, no sign or zero too many
        assert ("/" in row["choices"][row["answer"]]) == (row["topic"] == "fractions"), row
