"""Many dependent steps, none of which can be skipped: each result is the start of the next."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

from build.hard.computation.exercise import Exercise, others, worded
from build.hard.computation.factors import least_factor


def some_prime(rng: random.Random, low: int, high: int) -> int:
    while True:
        number = rng.randrange(low, high) | 1
        if least_factor(number) == number:
            return number


def squared_long(rng: random.Random, level: int) -> Exercise:
    """x becomes x^2 + c: without a repeated value. The wrong results are other values of the same map that far out."""
    low, high, least, most = {9: (10_007, 99_991, 50, 95), 10: (3 * 10**6, 9 * 10**6, 700, 2400)}[level]
    modulus, added, n_steps = some_prime(rng, low, high), rng.randrange(3, 90), rng.randrange(least, most)
    start = rng.randrange(11, 99)
    values = [start]
    for _ in range(n_steps + 6):
        values.append((values[-1] ** 2 + added) % modulus)
    answer = values[n_steps]
    if len(set(values)) < len(values) or answer < modulus // 50:
        return squared_long(rng, level)
    rule = f"replaced by the remainder of its square plus {added} when divided by {modulus}"
    question = worded(
        rng,
        (
            f"Start from {start}. In each step the number is {rule}. Which number is there after {n_steps} steps?",
            f"A number is {rule}, and this is done {n_steps} times, starting from {start}. What is the result?",
        ),
        "",
    )
    statement = f"If a number is {rule}, and this is done {n_steps} times, starting from {start}, the result is {{}}."
    pool = others(rng, answer, values[n_steps - 6 : n_steps + 7])
    return Exercise(f"{start}, {rule}, {n_steps}", question, statement, str(answer), pool)


def two_multiplied(rng: random.Random, level: int) -> Exercise:
    """Each term is the product of the two before it, and a number more, modulo a prime."""
    low, high, least, most = {9: (10_007, 99_991, 60, 110), 10: (3 * 10**6, 9 * 10**6, 900, 4000)}[level]
    modulus, added, wanted = some_prime(rng, low, high), rng.randrange(3, 90), rng.randrange(least, most)
    first, second = rng.sample(range(11, 99), 2)
    terms = [0, first, second]
    while len(terms) < wanted + 7:
        terms.append((terms[-1] * terms[-2] + added) % modulus)
    answer = terms[wanted]
    if answer < modulus // 50:
        return two_multiplied(rng, level)
    rule = (
        f"u(1) = {first}, u(2) = {second}, and each later u(n) is the remainder of u(n-1) * u(n-2) + {added} when "
        f"divided by {modulus}"
    )
    pool = others(rng, answer, terms[wanted - 6 :])
    return Exercise(
        rule, f"If {rule}, what is u({wanted})?", f"If {rule}, then u({wanted}) is {{}}.", str(answer), pool
    )


SELF_REFERRING = {
    "Q": ("Q(1) = Q(2) = 1 and Q(n) = Q(n - Q(n-1)) + Q(n - Q(n-2)) for n > 2", (1, 1), (1, 2)),
    "V": ("V(1) = V(2) = V(3) = V(4) = 1 and V(n) = V(n - V(n-1)) + V(n - V(n-4)) for n > 4", (1, 1, 1, 1), (1, 4)),
}
"""Hofstadter's: the rule, the first terms, and which terms back say where to look."""


@lru_cache(maxsize=2)
def self_referring(name: str) -> tuple[int, ...]:
    _, first, back = SELF_REFERRING[name]
    terms = [0, *first]
    while len(terms) <= 12_000:
        n = len(terms)
        terms.append(sum(terms[n - terms[n - by]] for by in back))
    return tuple(terms)


def hofstadter(rng: random.Random, level: int) -> Exercise:
    name = rng.choice(sorted(SELF_REFERRING))
    terms = self_referring(name)
    wanted = rng.randrange(*{9: (180, 480), 10: (2500, 11_900)}[level])
    near = sorted(set(terms[wanted - 25 : wanted + 26]), key=lambda value: (abs(value - terms[wanted]), value))[:11]
    if len(near) < 8:
        return hofstadter(rng, level)
    rule, _, _ = SELF_REFERRING[name]
    pool = others(rng, terms[wanted], near)
    question, statement = f"If {rule}, what is {name}({wanted})?", f"If {rule}, then {name}({wanted}) is {{}}."
    return Exercise(f"{name} near {wanted // 30}", question, statement, str(terms[wanted]), pool)


def halvings(start: int) -> int:
    """Steps to 1."""
    n_steps = 0
    while start != 1:
        start = 3 * start + 1 if start % 2 else start // 2
        n_steps += 1
    return n_steps


HALVING = "an even number is halved, and an odd number is multiplied by 3 and then increased by 1"


def steps_to_one(rng: random.Random, _: int) -> Exercise:
    """Collatz. All options are numbers of steps that starts close by need, each as likely to be asked for."""
    low = rng.randrange(10**7, 10**9)
    by_steps: dict[int, int] = {}
    for start in rng.sample(range(low, low + 2000), 70):
        by_steps.setdefault(halvings(start), start)
    long = sorted(n for n in by_steps if 110 < n < 330)
    if len(long) < 8:
        return steps_to_one(rng, _)
    first = rng.randrange(len(long) - 7)
    chosen = long[first : first + 8]
    answer = rng.choice(chosen)
    start = by_steps[answer]
    question = f"In each step, {HALVING}. After how many steps from {start} does the number first become 1?"
    statement = f"If in each step {HALVING}, then a number that starts at {start} first becomes 1 after {{}} steps."
    return Exercise(f"steps from {start}", question, statement, str(answer), others(rng, answer, chosen))


def steps_added(rng: random.Random, _: int) -> Exercise:
    """Of many starts in a row. The wrong sums are those of as many starts a little before or behind."""
    low, count = rng.randrange(10**5, 10**7), rng.randrange(300, 900)
    reach = 60
    counts = [halvings(start) for start in range(low - reach, low + count + reach)]
    sums = [sum(counts[first : first + count]) for first in range(0, 2 * reach + 1, 5)]
    answer = sums[reach // 5]
    pool = others(rng, answer, sums)
    high = low + count - 1
    what = f"for each whole number from {low} to {high} the steps are counted until 1 is first reached"
    question = f"In each step, {HALVING}. If {what}, what is the sum of all these counts?"
    statement = f"If in each step {HALVING}, and {what}, the sum of all these counts is {{}}."
    return Exercise(f"steps from {low} to {high}", question, statement, str(answer), pool)


def last_in_circle(rng: random.Random, level: int) -> Exercise:
    """An elimination whose count grows. The wrong ones are those who leave last but one, two, three and so on."""
    n_people = rng.randrange(*{9: (120, 300), 10: (1500, 4000)}[level])
    start = rng.randrange(3, 40)
    rules: tuple[tuple[str, Callable[[int], int]], ...] = (
        (f"k^2 + {start}", lambda k: k * k + start),
        (f"{start} * k + 1", lambda k: start * k + 1),
        (f"k^3 + {start}", lambda k: k**3 + start),
    )
    rule, counted = rng.choice(rules)
    circle, at, left = list(range(1, n_people + 1)), 0, []
    for k in range(1, n_people + 1):
        at = (at + counted(k) - 1) % len(circle)
        left.append(circle.pop(at))
    answer = left[-1]
    told = (
        f"{n_people} people stand in a circle, numbered from 1 to {n_people}. In round k the person with whom a count "
        f"to {rule} ends leaves; the count starts with person 1 in round 1, later with whoever stands behind the one "
        "who left, and those who have left are not counted"
    )
    return Exercise(
        f"circle {n_people} {rule}",
        f"{told}. Who is left at the end?",
        f"{told}. The one who is left at the end is {{}}.",
        str(answer),
        others(rng, answer, left[-11:]),
    )


AUTOMATON = (
    "a cell is black in the next row if its left neighbour is black and the cell and its right neighbour are both "
    "white, or if its left neighbour is white and the cell or its right neighbour is black"
)


def black_cells(rng: random.Random, _: int) -> Exercise:
    """Wolfram's rule 30, from a few cells. The wrong counts are those of the rows around it."""
    width = rng.randrange(9, 16)
    row, n_rows = 1 | 1 << (width - 1) | rng.getrandbits(width), rng.randrange(500, 2000)
    first = "".join("BW"[bit == "0"] for bit in f"{row:b}")
    counts = []
    for _row in range(n_rows + 7):
        counts.append(row.bit_count())
        row <<= 1  # room for one more cell on the right; the left has room by itself
        row = (row >> 1) ^ (row | row << 1)
    answer = counts[n_rows]
    told = (
        f"In an endless row of white cells, some in a row are {first} (B is black, W is white). From each row the next "
        f"is made: {AUTOMATON}"
    )
    return Exercise(
        f"{first} {n_rows}",
        f"{told}. How many black cells has the row after {n_rows} such steps?",
        f"{told}. The row after {n_rows} such steps has {{}} black cells.",
        str(answer),
        others(rng, answer, counts[n_rows - 5 :]),
    )
