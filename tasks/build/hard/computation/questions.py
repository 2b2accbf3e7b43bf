"""Exact work of five sizes: from products of two digits to thousands of steps that no formula skips.

Levels: 6 a few careful steps; 7 two dozen; 8 many dozens on long numbers; 9 hundreds; 10 thousands.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from build.drafting import selected
from build.hard.computation import counting, easy, matrices
from build.hard.computation.bases import across, from_ten, to_ten
from build.hard.computation.exercise import Exercise
from build.hard.computation.factors import (
    common_divisor,
    common_multiple,
    coprime_below,
    divisors_summed,
    next_prime,
)
from build.hard.computation.long import far, lists, runs
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

Kind = Callable[[random.Random, int], Exercise]

N_POOL = 7
"""Wrong results to choose from: more make the choice slow and the options no more even."""

PER_LEVEL = 124

TOPICS: dict[str, tuple[Kind, ...]] = {
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
"""Of levels 6 to 8. Topic: its kinds of exercise, taken in turn."""

SIZES = {6: (6, 6, 7), 7: (8,), 8: (9, 10, 10)}
"""Sizes of the exercises of a level, one after the other."""

EASY: dict[str, Callable[[random.Random], Exercise]] = {
    "products": easy.small_product,
    "powers": easy.small_power,
    "roots": easy.small_root,
    "sums": easy.small_sum,
    "determinants": easy.small_determinant,
    "remainders": easy.small_remainder,
    "congruences": easy.small_inverse,
    "factors": easy.small_divisor,
    "fractions": easy.small_fractions,
    "decimal places": easy.first_places,
    "bases": easy.small_base,
    "sequences": easy.few_steps,
}
N_EASY = 4
"""Of a topic at level 6."""

FAR: dict[int, dict[str, tuple[Kind, ...]]] = {
    9: {
        "checksums": (far.checksum,),
        "counts": (counting.paths, counting.points_in_circle, counting.kth_prime),
        "decimal places": (far.root_digits,),
        "determinants": (matrices.large_determinant, matrices.permanent),
        "divisors": (far.divisors_again,),
        "expansions": (matrices.coefficient,),
        "lists": (lists.ulam_number, lists.lucky_number),
        "powers": (far.long_digit_sum,),
        "remainders": (far.long_factorial, far.partitions, far.set_partitions),
        "periods": (far.root_period,),
        "sequences": (runs.squared_long, runs.two_multiplied, runs.hofstadter),
        "steps": (runs.steps_to_one, runs.last_in_circle),
        "sums": (counting.cubes_left, counting.totients_added, counting.squares_digits),
    },
    10: {
        "automata": (runs.black_cells,),
        "checksums": (far.checksum,),
        "counts": (counting.primes_within, counting.points_in_circle, counting.three_squares),
        "decimal places": (far.root_digits,),
        "periods": (far.root_period,),
        "lists": (lists.ulam_number, lists.lucky_number, lists.recaman_term, lists.kolakoski_ones),
        "powers": (far.long_digit_sum, far.power_digits),
        "remainders": (far.long_factorial, far.partitions, far.set_partitions, far.zigzags),
        "sequences": (runs.squared_long, runs.two_multiplied, runs.hofstadter),
        "steps": (runs.steps_added, runs.last_in_circle),
        "sums": (counting.signs_added,),
    },
}
"""Of levels 9 and 10, likewise."""


def _made(rng: random.Random, level: int) -> Iterator[tuple[str, Iterator[Exercise]]]:
    """For each topic of a level, exercises without end."""
    if level in FAR:
        for topic, kinds in FAR[level].items():
            yield topic, (kind(rng, level) for kind in _in_turn(kinds))
    else:
        for topic, kinds in TOPICS.items():
            yield topic, _sized(rng, level, topic, kinds)


def _in_turn(kinds: tuple[Kind, ...]) -> Iterator[Kind]:
    while True:
        yield from kinds


def _sized(rng: random.Random, level: int, topic: str, kinds: tuple[Kind, ...]) -> Iterator[Exercise]:
    if level == HARD_LEVELS[0]:
        for _ in range(N_EASY):
            yield EASY[topic](rng)
    for turn, kind in enumerate(_in_turn(kinds)):
        yield kind(rng, SIZES[level][(turn + turn // 3) % len(SIZES[level])])


def _drafts(rng: random.Random) -> Iterator[Question]:
    seen: set[tuple[str, str]] = set()
    for level in HARD_LEVELS:
        sources = list(_made(rng, level))
        n_wanted = -(-PER_LEVEL // len(sources))
        for topic, exercises in sources:
            n_made = 0
            while n_made < n_wanted:
                made = next(exercises)
                if (topic, made.key) in seen or len(made.pool) < 4:
                    continue
                seen.add((topic, made.key))
                n_made += 1
                yield Question(
                    fact=f"{topic}: {made.key}",
                    topic=topic,
                    level=level,
                    question=made.question,
                    statement=made.statement,
                    answer=made.answer,
                    distractors=made.pool[:N_POOL],
                )


def questions(rng: random.Random) -> Iterator[Question]:
    """620 exercises of five levels."""
    yield from selected(_drafts(rng), rng, PER_LEVEL, HARD_LEVELS)
