"""Exact arithmetic beyond the head: from products of four digits to determinants of five rows.

Levels: 6 a few careful steps; 7 about a dozen; 8 two dozen, or numbers of six digits; 9 and 10 many dozens, each exact.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from build.drafting import selected
from build.hard.computation.bases import across, from_ten, to_ten
from build.hard.computation.exercise import Exercise
from build.hard.computation.factors import (
    common_divisor,
    common_multiple,
    coprime_below,
    divisors_summed,
    next_prime,
)
from build.hard.computation.parts import continued_fraction, decimal_places, fraction_sum
from build.hard.computation.residues import (
    binomial_left,
    factorial_left,
    inverse,
    last_digits,
    modular_power,
    remainders_given,
)
from build.hard.computation.sequences import halved_or_tripled, linear, squared
from build.hard.computation.whole import (
    determinant,
    digit_sum,
    polynomial,
    power,
    product,
    products_summed,
    root,
)
from build.making import HARD_LEVELS, Question

N_POOL = 7
"""Wrong results to choose from: more make the choice slow and the options no more even."""

PER_LEVEL = 126
PER_TOPIC = 11
"""Drafts of each topic and level; a level takes 126 of its 132."""

TOPICS: dict[str, tuple[Callable[[random.Random, int], Exercise], ...]] = {
    "products": (product,),
    "powers": (power, digit_sum),
    "roots": (root,),
    "sums": (polynomial, products_summed),
    "determinants": (determinant,),
    "remainders": (modular_power, modular_power, last_digits, factorial_left, binomial_left),
    "congruences": (inverse, remainders_given),
    "factors": (common_divisor, common_multiple, coprime_below, divisors_summed, next_prime),
    "fractions": (fraction_sum, continued_fraction),
    "decimal places": (decimal_places,),
    "bases": (from_ten, to_ten, across),
    "sequences": (linear, squared, halved_or_tripled),
}
"""Topic: its kinds of exercise, taken in turn."""


def telling(options: Sequence[str]) -> bool:
    """No wrong results rule each other out."""
    return False


def _drafts(rng: random.Random) -> Iterator[Question]:
    for topic, kinds in TOPICS.items():
        seen: set[str] = set()
        for level in HARD_LEVELS:
            n_made = 0
            for turn in count(level):
                made = kinds[turn % len(kinds)](rng, level)
                if made.key in seen:
                    continue
                seen.add(made.key)
                yield Question(
                    fact=f"{topic}: {made.key}",
                    topic=topic,
                    level=level,
                    question=made.question,
                    statement=made.statement,
                    answer=made.answer,
                    distractors=made.pool[:N_POOL],
                )
                n_made += 1
                if n_made == PER_TOPIC:
                    break


def questions(rng: random.Random) -> Iterator[Question]:
    """630 exercises: twelve topics, five levels."""
    yield from selected(_drafts(rng), rng, PER_LEVEL, HARD_LEVELS)
