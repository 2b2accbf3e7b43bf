"""Long deductions: orders, tables, houses, liars, guests, codes, overlaps, circuits, routes, plans, games and steps.

Each puzzle is drawn at random and settled by trying all its cases; it is kept when it has exactly one answer, and
premises that follow from the others are taken out. Wrong answers are what comes out when one or two premises are
forgotten or misread.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from build.drafting import selected
from build.hard.deduction.circuits import circuits
from build.hard.deduction.codes import codes
from build.hard.deduction.games import games
from build.hard.deduction.houses import houses
from build.hard.deduction.lines import orders, table
from build.hard.deduction.overlaps import overlaps
from build.hard.deduction.routes import routes
from build.hard.deduction.schedules import schedules
from build.hard.deduction.tracking import tracking
from build.hard.deduction.truth import guests, liars
from build.making import HARD_LEVELS, Question

PUZZLES: tuple[Callable[[random.Random, int], Question | None], ...] = (
    orders,
    table,
    houses,
    liars,
    guests,
    codes,
    overlaps,
    circuits,
    routes,
    schedules,
    games,
    tracking,
)

PER_LEVEL = 126
N_EACH = 11
"""Puzzles drawn of each kind and level."""

TRIES = 2000
LONGEST = 1450
"""Characters of a question, at most."""


def telling(options: Sequence[str]) -> bool:
    """Any options can stand together: the pools hold nothing that its form rules out."""
    return False


def questions(rng: random.Random) -> Iterator[Question]:
    """All puzzles, evenly over levels and kinds."""
    yield from selected(_drawn(rng), rng, per_level=PER_LEVEL, levels=HARD_LEVELS)


def _drawn(rng: random.Random) -> Iterator[Question]:
    told: set[str] = set()
    for puzzle in PUZZLES:
        for level in HARD_LEVELS:
            for _ in range(N_EACH):
                yield _one(rng, puzzle, level, told)


def _one(
    rng: random.Random, puzzle: Callable[[random.Random, int], Question | None], level: int, told: set[str]
) -> Question:
    for _ in range(TRIES):
        question = puzzle(rng, level)
        if (
            question
            and question.fact not in told
            and len(question.question) <= LONGEST
            and len(question.distractors) > 2
        ):
            told.add(question.fact)
            return question
    raise ValueError(f"{puzzle.__name__}: no puzzle of level {level} in {TRIES} tries")
