"""What a short Python 3 program prints. The answer is what it printed when the task was built.

Levels: 1 and 2 one idea; 3 two ideas; 4 shared objects, scope, recursion; 5 late binding, lazy evaluation, operators
that bind otherwise than they look. Distractors are what misread programs print: those of known misconceptions first,
then changes of one bound, operator, method, statement or number.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import combinations

from build.balancing import POOL
from build.making import LEVELS, Question
from build.programs.options import distractors, shared
from build.programs.running import run
from build.programs.templates import TEMPLATES, Template

for templates in ("easy", "middle", "hard", "hardest"):
    import_module(f"build.programs.{templates}")  # registers its templates

PER_LEVEL = 126
"""Programs of each level, spread evenly over the level's templates."""

LONGEST = 8
"""Lines of a program."""

CONSTANT = re.compile(r'"[^"]*"|\b\d+\b')


def bare(code: str) -> str:
    """The program without its numbers and texts."""
    return CONSTANT.sub("_", code)


def twins(code: str, other: str) -> bool:
    """Whether two programs that are the same but for constants differ in one alone, or in less than a third of them."""
    pairs = list(zip(CONSTANT.findall(code), CONSTANT.findall(other), strict=True))
    n_apart = sum(one != two for one, two in pairs)
    return n_apart < 2 or 3 * n_apart < len(pairs)


telling = shared


def program(template: Template, rng: random.Random) -> tuple[str, list[str]]:
    made = template.make(rng)
    code, wrong = (made, []) if isinstance(made, str) else made
    assert len(code.splitlines()) <= LONGEST, code
    return code, [other for other in wrong if other != code]


def questions(rng: random.Random) -> Iterator[Question]:
    """630 programs, 126 of each level."""
    seen: dict[str, list[str]] = {}
    for level in LEVELS:
        templates = [template for template in TEMPLATES if template.level == level]
        made = 0
        for turn in range(100 * PER_LEVEL):  # template by template; one that has no more to ask is passed over
            if made == PER_LEVEL:
                break
            template = templates[turn % len(templates)]
            code, wrong = program(template, rng)
            answer = run(code)
            if answer is None or any(twins(code, other) for other in seen.get(bare(code), ())):
                continue
            pool = distractors(code, wrong, answer, rng)
            if not any(not shared((answer, *three)) for three in combinations(pool[:POOL], 3)):
                continue
            seen.setdefault(bare(code), []).append(code)
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
            yield draft
