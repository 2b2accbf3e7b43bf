"""What a short Python 3 program prints. The answer is what it printed when the task was built.

Levels: 1 and 2 one idea; 3 two ideas; 4 shared objects, scope, recursion; 5 late binding, lazy evaluation, operators
that bind otherwise than they look. Distractors are what misread programs print: those of known misconceptions first,
then changes of one bound, operator, method, statement or number.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from importlib import import_module

from build.balancing import Balancer, number, weighed
from build.making import LEVELS, Question
from build.programs.running import misread, run
from build.programs.templates import TEMPLATES, Template

for templates in ("easy", "middle", "hard", "hardest"):
    import_module(f"build.programs.{templates}")  # registers its templates

PER_LEVEL = 126
"""Programs of each level, spread evenly over the level's templates."""

LONGEST = 8
"""Lines of a program."""


def shape(text: str) -> str:
    """What a printed line looks like: numbers as 0, words as a. Options of one question look alike where possible."""
    parts = []
    for part in text.split(" "):
        try:
            parts.append(type(ast.literal_eval(part.strip("[](),"))).__name__)
        except (ValueError, SyntaxError):
            parts.append("text")
    return f"{text[0] if text[0] in '[(' else ''}{' '.join(sorted(set(parts)))}"


def value(option: str) -> object:
    """Numbers are compared by size; anything else is not compared."""
    try:
        return number(option) if len(option.split()) == 1 else 0
    except ValueError:
        return 0


def variants(answer: str, rng: random.Random) -> Iterator[str]:
    """Where too few misreadings print something else: a number off by one, two neighbours swapped."""
    parts = answer.split(" ")
    if len(parts) == 1 and answer.isalpha():
        for i in range(len(answer) - 1):
            yield answer[:i] + answer[i + 1] + answer[i] + answer[i + 2 :]
        return
    for i, part in enumerate(parts):
        digits = part.strip("[](),-")
        if digits.isdigit():
            for step in rng.sample((1, -1, 2), 3):
                if int(digits) + step > (0 if part.startswith("-") else -1):
                    yield " ".join([*parts[:i], part.replace(digits, str(int(digits) + step)), *parts[i + 1 :]])


def repeats(text: str) -> bool:
    """Whether a line of words says one twice: what a wrong index prints, and easily ruled out."""
    parts = text.split(" ")
    return all(part.isalpha() for part in parts) and len(set(parts)) < len(parts)


def distractors(code: str, wrong: list[str], answer: str, rng: random.Random) -> list[str]:
    """What other programs print, in the answer's shape first; no two alike but for case and spaces."""
    seen = {answer.casefold()}
    alike: list[str] = []
    unlike: list[str] = []
    for other in (*wrong, *misread(code)):
        printed = run(other)
        if printed is None or printed.casefold() in seen or repeats(printed) > repeats(answer):
            continue
        seen.add(printed.casefold())
        (alike if shape(printed) == shape(answer) else unlike).append(printed)
    if len(alike) < 3:
        alike += [text for text in variants(answer, rng) if text.casefold() not in seen]
    return alike if len(alike) >= 3 else alike + unlike


def program(template: Template, rng: random.Random) -> tuple[str, list[str]]:
    made = template.make(rng)
    code, wrong = (made, []) if isinstance(made, str) else made
    assert len(code.splitlines()) <= LONGEST, code
    return code, [other for other in wrong if other != code]


def questions(rng: random.Random) -> Iterator[Question]:
    """630 programs, 126 of each level."""
    balancer = Balancer(weighed(value))
    seen: set[str] = set()
    for level in LEVELS:
        templates = [template for template in TEMPLATES if template.level == level]
        made = 0
        for turn in range(100 * PER_LEVEL):  # template by template; one that has no more to ask is passed over
            if made == PER_LEVEL:
                break
            template = templates[turn % len(templates)]
            code, wrong = program(template, rng)
            answer = run(code)
            if answer is None or code in seen:
                continue
            pool = distractors(code, wrong, answer, rng)
            if len(pool) < 3:
                continue
            seen.add(code)
            made += 1
            draft = Question(
                fact=code,
                topic=template.topic,
                level=level,
                question=f"What does this Python 3 program print?\n\n{code}",
                statement=f"The Python 3 program\n\n{code}\n\nprints {{}}.",
                answer=answer,
                distractors=tuple(pool),
            )
            yield balancer.choose(rng, draft)
