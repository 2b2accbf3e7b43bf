"""Long deductions: orders, tables, houses, liars, guests, codes, overlaps, circuits, routes, plans, games and steps.

Each puzzle is drawn at random and settled exactly, by all its cases; it is kept when it has exactly one answer, and
premises that follow from the others are taken out. Wrong answers are what comes out when one or two premises are
forgotten or misread; on levels 9 and 10, where nobody gets that far in the head, they are numbers close to the answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from build.drafting import selected
from build.hard.deduction.circuits import circuits
from build.hard.deduction.codes import codes
from build.hard.deduction.counting import colourings, formulas, queues, tilings, visits
from build.hard.deduction.games import games
from build.hard.deduction.houses import houses
from build.hard.deduction.lines import orders, table
from build.hard.deduction.long.stepping import ant, cells, dials, heaps, lamps, life
from build.hard.deduction.long.tracking import tracking
from build.hard.deduction.overlaps import overlaps
from build.hard.deduction.routes import routes
from build.hard.deduction.schedules import schedules
from build.hard.deduction.truth import guests, liars
from build.making import HARD_LEVELS, Question

Puzzle = Callable[[random.Random, int], Question | None]
"""Draws a puzzle of a size; None if the luck is out."""

GRADED: tuple[Puzzle, ...] = (
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
SIZES = {6: (5, 6, 7), 7: (8,), 8: (10, 9, 10)}
"""By level: the sizes of the graded puzzles, in turn."""

BEYOND: dict[int, tuple[Puzzle, ...]] = {
    9: (visits, formulas, colourings, queues, tilings, lamps, cells, life, ant, dials, heaps),
    10: (visits, formulas, colourings, queues, tilings, lamps, cells, life, ant, dials, heaps),
}
"""By level: puzzles that ask for thousands of steps that depend on each other, or for millions of cases and more."""

PER_LEVEL = 126
N_EACH = {6: 11, 7: 11, 8: 11, 9: 12, 10: 12}
"""By level: puzzles drawn of each kind."""

TRIES = 2000
LONGEST = 1450
"""Characters of a question, at most."""


def questions(rng: random.Random) -> Iterator[Question]:
    """All puzzles, evenly over levels and kinds."""
    yield from selected(_drawn(rng), rng, per_level=PER_LEVEL, levels=HARD_LEVELS)


def _drawn(rng: random.Random) -> Iterator[Question]:
    told: set[str] = set()
    for puzzle in GRADED:
        for level, sizes in SIZES.items():
            for i in range(N_EACH[level]):
                yield replace(_one(rng, puzzle, sizes[i % len(sizes)], told), level=level)
    for level, puzzles in BEYOND.items():
        for puzzle in puzzles:
            for _ in range(N_EACH[level]):
                yield _one(rng, puzzle, level, told)


def _one(rng: random.Random, puzzle: Puzzle, size: int, told: set[str]) -> Question:
    for _ in range(TRIES):
        question = puzzle(rng, size)
        if (
            question
            and question.fact not in told
            and len(question.question) <= LONGEST
            and len(question.distractors) > 2
        ):
            told.add(question.fact)
            return question
    raise ValueError(f"{puzzle.__name__}: no puzzle of size {size} in {TRIES} tries")
