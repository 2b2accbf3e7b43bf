"""Drafts of questions: what a longer Python program prints, and what readers get who slip."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import combinations

from build.balancing import POOL
from build.hard.traces.marking import Marked, marked
from build.hard.traces.reading import Reading, circles, early, misread, read, unlike
from build.hard.traces.templates import STEPS, TEMPLATES, VALUES, Size, Template
from build.making import HARD_LEVELS, Question
from build.programs.options import shared

for templates in ("loops", "calls", "lists", "words", "texts"):
    import_module(f"build.hard.traces.{templates}")  # registers its templates

PER_LEVEL = 126
"""Programs of each level, spread evenly over the topics."""

N_LINES, N_COLUMNS = 16, 76
"""The most of a program."""

N_WAYS = 30
"""The fewest ways to take three wrong lines that tell nothing: room for the balance of the options."""

N_SIZES = 6
"""How often a program that is too short or too long is drawn again."""

CONSTANT = re.compile(r'"[^"]*"|\b(?:0x)?\d[\dA-F]*\b')

LEADS = (
    "What does this Python 3 program print?",
    "What is the output of this Python 3 program?",
    "Which line does this Python 3 program print?",
)


def telling(options: Sequence[str]) -> bool:
    """Whether a printed value is the same in all four, or half of the only one: nobody needs to work that out."""
    return shared(options)


def _twins(code: str, other: str) -> bool:
    """Whether two programs that are the same but for constants differ in fewer than three of them."""
    return sum(one != two for one, two in zip(CONSTANT.findall(code), CONSTANT.findall(other), strict=True)) < 3


def _room(answer: str, pool: Sequence[str]) -> bool:
    return sum(not telling((answer, *three)) for three in combinations(pool[:POOL], 3)) >= N_WAYS


def _sized(template: Template, level: int, rng: random.Random) -> tuple[str, Marked, Reading] | None:
    """A program of that level and what it prints: drawn again with other bounds until it takes as long as it should."""
    low, high = STEPS[level]
    seed, steps = rng.getrandbits(64), rng.randrange(low, high + 1)
    asked = float(steps)
    for _ in range(N_SIZES):
        code = template.make(random.Random(seed), Size(level, round(asked)))
        lines = code.splitlines()
        if len(lines) > N_LINES or max(map(len, lines)) > N_COLUMNS:
            return None
        program = marked(code)
        right = read(program)
        if right is None:
            return None
        if low <= right.steps <= high:
            if len(set(right.values)) < VALUES[level]:
                return None
            skipped = level > 7 and (circles(right.values) or early(program, right))
            return None if skipped else (code, program, right)
        asked = max(4.0, min(12_000.0, asked * max(0.3, min(3.0, steps / right.steps))))
    return None


def questions(rng: random.Random) -> Iterator[Question]:
    """630 programs, 126 of each level."""
    topics = sorted({template.topic for template in TEMPLATES})
    seen: dict[str, list[str]] = {}
    for level in HARD_LEVELS:
        made = dict.fromkeys(topics, 0)
        for turn in range(100 * PER_LEVEL):
            if sum(made.values()) == PER_LEVEL:
                break
            topic = min(topics, key=lambda name: (made[name], name)) if turn % 40 else rng.choice(topics)
            own = [one for one in TEMPLATES if one.topic == topic and level in one.levels]
            template = own[turn % len(own)]
            sized = _sized(template, level, rng)
            if sized is None:
                continue
            code, program, right = sized
            pool = misread(program, right, rng)
            if not _room(right.line, pool) or unlike(right.line, right.line):
                continue
            bare = CONSTANT.sub("_", code)
            if any(_twins(code, other) for other in seen.get(bare, ())):
                continue
            seen.setdefault(bare, []).append(code)
            made[topic] += 1
            yield Question(
                fact=code,
                topic=topic,
                level=level,
                question=f"{rng.choice(LEADS)}\n\n{code}",
                statement=f"The Python 3 program\n\n{code}\n\nprints {{}}.",
                answer=right.line,
                distractors=tuple(pool),
            )
