"""Logic: short puzzles whose answer follows from what they say. Every one is checked against all worlds.

The worlds of a topic are what could be the case: orders of people, families, truth values. An answer counts when it
holds in each world that the premises allow, and no other option does, also for readers who take "or" as excluding
both, "only if" and "unless" as working both ways, and "all" as saying that there are some.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from build.balancing import EVEN, Balancer
from build.logic.counts import counts, siblings
from build.logic.family import family
from build.logic.orders import line, order
from build.logic.terms import kinds, syllogism
from build.logic.truth import boxes, conditions, liars
from build.making import LEVELS, Question

TOPICS: dict[Callable[[random.Random, int], Question | None], tuple[int, int, int, int, int]] = {
    order: (14, 14, 14, 14, 14),
    line: (14, 12, 12, 12, 12),
    kinds: (18, 14, 14, 14, 14),
    syllogism: (10, 14, 14, 14, 16),
    conditions: (18, 14, 14, 14, 14),
    liars: (0, 10, 8, 14, 16),
    boxes: (14, 12, 14, 14, 12),
    counts: (18, 14, 14, 14, 12),
    family: (18, 14, 14, 10, 10),
    siblings: (0, 8, 8, 8, 8),
}
"""How many puzzles of each level a topic gets; a few more in all than the two files hold."""

DRAFTS = 10


def questions(rng: random.Random) -> Iterator[Question]:
    """All puzzles, topic by topic; no two say the same."""
    balancer = Balancer(EVEN)
    for puzzle, wanted in TOPICS.items():
        told: set[str] = set()
        for level, n in zip(LEVELS, wanted, strict=True):
            for _ in range(n):
                drafts = [_draft(puzzle, rng, level, told) for _ in range(DRAFTS)]
                # A draft among whose distractors is its answer has a wrong way that ends at the right number.
                question = balancer.pick(puzzle.__name__, [d for d in drafts if d.answer not in d.distractors])
                told.add(question.fact)
                yield question


def _draft(
    puzzle: Callable[[random.Random, int], Question | None], rng: random.Random, level: int, told: set[str]
) -> Question:
    for _ in range(20_000):
        question = puzzle(rng, level)
        if question is not None and question.fact not in told:
            return question
    raise ValueError(f"{puzzle.__name__}: no puzzle of level {level} in 20,000 tries")
