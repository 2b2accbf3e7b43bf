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


def hasty(question: str) -> set[Fraction]:
    """Where hasty ways through an exercise lead: another operation, its other number, from left to right."""
    numbers = [Fraction(n) for n in re.findall(r"\d+(?:\.\d+)?", question)]
    if m := re.search(r"(\d+)% of (\d+)", question):
        percent, whole = Fraction(m[1]), Fraction(m[2])
        return {whole - whole * percent / 100, whole / percent, percent, whole - percent, whole / 10}
    if "creased by" in question:
        whole, *percents = numbers
        signs = [1 if way == "in" else -1 for way in re.findall(r"(in|de)creased", question)]
        together = sum(sign * percent for sign, percent in zip(signs, percents, strict=True))
        found = {whole + together, whole - together, *(whole * percent / 100 for percent in percents)}
        return found | ({whole * (100 + together) / 100} if len(percents) > 1 else set())
    if "remainder" in question:
        *power, divisor = numbers
        size = power[0] ** int(power[1]) if len(power) > 1 else power[0]
        found = {divisor - size % divisor, size // divisor}
        return found | ({power[0] % divisor, power[0] * power[1] % divisor} if len(power) > 1 else set())
    text = exercise(question)
    if m := re.fullmatch(r"(\d+)\^(\d+)", text):
        return {Fraction(int(m[1]) * int(m[2]))}
    first, *rest = text.replace("(", "").replace(")", "").split()
    if "x" not in text and set(rest[::2]) & {"+", "-"} and set(rest[::2]) & {"*", "/"} and "." not in text:
        total = Fraction(first)
        for sign, written in zip(rest[::2], rest[1::2], strict=True):
            number = Fraction(written.removesuffix("^2")) ** (2 if "^" in written else 1)
            total = {"+": total + number, "-": total - number, "*": total * number, "/": total / number}[sign]
        return {total}
    return set()


@pytest.mark.parametrize("part", PARTS)
def test_no_hasty_way_leads_to_the_answer(root: Path, part: str) -> None:
    seen: dict[str, int] = {}
    for row in rows(root, part):
        wrong = hasty(row["question"])
        seen[row["topic"]] = seen.get(row["topic"], 0) + bool(wrong)
        assert Fraction(row["choices"][row["answer"]]) not in wrong, row
    for topic in ("percentages", "percent change", "remainders", "powers", "order of operations"):
        assert seen[topic] >= 5, topic
