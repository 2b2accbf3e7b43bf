"""Numbers far out in lists that are made by rules and have no formula."""

from __future__ import annotations

import random
from functools import lru_cache

from build.hard.computation.exercise import Exercise, others, window

PLACES = range(-3, 4)


IRREGULAR = ((1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7), (2, 3), (3, 4))
"""First two numbers of Ulam's lists whose differences are not known to repeat."""


@lru_cache(maxsize=16)
def ulam(first: int, second: int, limit: int) -> list[int]:
    """Every number that is in one way a sum of two different ones before it."""
    ways, found = bytearray(2 * limit + 2), [first]
    number = second
    while number <= limit:
        for other in found:
            if number + other > limit:
                break
            ways[number + other] = min(2, ways[number + other] + 1)
        found.append(number)
        number += 1
        while number <= limit and ways[number] != 1:
            number += 1
    return found


@lru_cache(maxsize=1)
def lucky() -> list[int]:
    left, at = list(range(1, 40_000, 2)), 1
    while left[at] <= len(left):
        del left[left[at] - 1 :: left[at]]
        at += 1
    return left


@lru_cache(maxsize=1)
def recaman() -> list[int]:
    terms, seen = [0], {0}
    for n in range(1, 9000):
        back = terms[-1] - n
        terms.append(back if back > 0 and back not in seen else terms[-1] + n)
        seen.add(terms[-1])
    return terms


@lru_cache(maxsize=1)
def kolakoski() -> list[int]:
    terms, at = [1, 2, 2], 2
    while len(terms) < 12_000:
        terms += [3 - terms[-1]] * terms[at]
        at += 1
    return terms


def ulam_number(rng: random.Random, level: int) -> Exercise:
    first, second = rng.choice(IRREGULAR)
    found = ulam(first, second, {9: 1600, 10: 9000}[level])
    rank, place = rng.randrange(len(found) * 3 // 5, len(found) - 7), rng.choice(PLACES)
    pool = others(rng, found[rank - 1], (found[rank - 1 + other - place] for other in PLACES))
    told = (
        f"A list starts with {first}, {second}; each later number is the smallest number greater than the last one "
        "that is the sum of two different earlier numbers in exactly one way"
    )
    question, statement = f"{told}. Which is number {rank} of the list?", f"{told}. Number {rank} of the list is {{}}."
    return Exercise(f"Ulam {first} {second} {rank // 9}", question, statement, str(found[rank - 1]), pool)


def lucky_number(rng: random.Random, level: int) -> Exercise:
    rank, place = rng.randrange(*{9: (130, 420), 10: (1200, 3600)}[level]), rng.choice(PLACES)
    pool = others(rng, lucky()[rank - 1], (lucky()[rank - 1 + other - place] for other in PLACES))
    told = (
        "From the odd numbers 1, 3, 5 and so on every third is struck out, as 3 is the second number; of those left "
        "every seventh, as 7 is now the third; then every ninth, as 9 is now the fourth, and so on (the lucky numbers)"
    )
    question, statement = f"{told}. Which is lucky number {rank}?", f"{told}. Lucky number {rank} is {{}}."
    return Exercise(f"lucky {rank // 9}", question, statement, str(lucky()[rank - 1]), pool)


def recaman_term(rng: random.Random, _: int) -> Exercise:
    """The parity of a term is known from its number: all options have it."""
    terms, wanted = recaman(), rng.randrange(2000, 8900)
    answer = terms[wanted]
    near = [value for value in terms[wanted - 40 : wanted + 41] if value % 2 == answer % 2]
    near = sorted(set(near), key=lambda value: (abs(value - answer), value))[:11]
    told = "a(0) = 0, and a(n) = a(n-1) - n if that is positive and not yet in the sequence, otherwise a(n-1) + n"
    question, statement = f"If {told}, what is a({wanted})?", f"If {told}, then a({wanted}) is {{}}."
    return Exercise(f"Recaman {wanted // 90}", question, statement, str(answer), others(rng, answer, near))


def kolakoski_ones(rng: random.Random, _: int) -> Exercise:
    """There are about as many ones as twos: the places of the answers about the half are drawn evenly."""
    place = rng.choice(PLACES)
    while True:
        n_terms = rng.randrange(3000, 11_900)
        answer = kolakoski()[:n_terms].count(1)
        if answer - n_terms // 2 == place:
            break
    told = (
        "The Kolakoski sequence starts 1, 2, 2, 1, 1 and consists of ones and twos; the lengths of its runs of equal "
        "terms are the sequence itself"
    )
    question = f"{told}. How many of its first {n_terms} terms are ones?"
    statement = f"{told}. Of its first {n_terms} terms {{}} are ones."
    return Exercise(f"Kolakoski {n_terms}", question, statement, str(answer), window(rng, answer, 1, place))
