"""Arithmetic from the times table to percentages of percentages; every value is exact.

Levels: 1 one-digit work or a table known by heart; 2 two digits; 3 three digits or two steps; 4 and 5 many steps, large
numbers, awkward fractions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction

from build.arithmetic.parts import change, decimal, fraction, percentage
from build.arithmetic.whole import (
    Sum,
    addition,
    division,
    equation,
    multiplication,
    order,
    power,
    remainder,
    subtraction,
)
from build.making import LEVELS, Question, distinct
from build.wording import plain

PER_LEVEL = 11
"""Questions of each topic and level."""

WORK_OUT = ("What is {}?", "Calculate {}.", "What does {} equal?")

TOPICS: dict[str, tuple[Callable[[random.Random, int], Sum], tuple[str, ...], str]] = {
    "addition": (addition, WORK_OUT, "{} equals {{}}."),
    "subtraction": (subtraction, WORK_OUT, "{} equals {{}}."),
    "multiplication": (multiplication, WORK_OUT, "{} equals {{}}."),
    "division": (division, WORK_OUT, "{} equals {{}}."),
    "fractions": (
        fraction,
        ("What is {} in lowest terms?", "Calculate {} and reduce the result."),
        "In lowest terms, {} equals {{}}.",
    ),
    "percentages": (percentage, ("What is {}?", "How much is {}?"), "{} is {{}}."),
    "percent change": (change, ("What is {}?", "What number is {}?"), "{} is {{}}."),
    "powers": (power, ("What is {}?", "What is the value of {}?"), "{} equals {{}}."),
    "remainders": (
        remainder,
        ("What is the remainder when {}?", "Which remainder is left when {}?"),
        "When {}, the remainder is {{}}.",
    ),
    "order of operations": (order, ("What is {}?", "What is the value of {}?"), "The value of {} is {{}}."),
    "decimals": (decimal, WORK_OUT, "{} equals {{}}."),
    "equations": (equation, ("Solve for x: {}.", "For which x is {}?"), "The equation {} has the solution x = {{}}."),
}
"""Topic: its exercises, the phrasings of the question, the one phrasing of the statement."""


def written(number: int | Fraction, decimals: bool) -> str:
    """As an answer stands in the list of choices: 12, -3, 7/12, and 0.25 where decimals are asked for."""
    return plain(Fraction(number)) if decimals else str(Fraction(number))


def questions(rng: random.Random) -> Iterator[Question]:
    """660 exercises: 12 topics, five levels."""
    for topic, (make, phrasings, sentence) in TOPICS.items():
        seen: set[str] = set()
        for level in LEVELS:
            while len(seen) < PER_LEVEL * level:
                made = make(rng, level)
                # 3 + 4 and 4 + 3 are one fact.
                fact = f"{topic}: {' '.join(sorted(made.text.split()))}"
                if fact in seen or made.answer in made.astray:
                    continue
                seen.add(fact)
                answer = written(made.answer, made.decimals)
                draft = Question(
                    fact=fact,
                    topic=topic,
                    level=level,
                    question=rng.choice(phrasings).format(made.text),
                    statement=sentence.format(made.text),
                    answer=answer,
                    distractors=distinct(answer, (written(slip, made.decimals) for slip in made.slips)),
                )
                yield draft
