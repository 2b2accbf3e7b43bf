"""Amounts that flow and react, in whole numbers rounded down: convection, tanks in a ring, a fed reaction."""

from __future__ import annotations

import random
from collections.abc import Iterator

from build.drafting import Draft
from build.hard.matter.pools import beside
from build.hard.matter.simulated.series import Series
from build.wording import listed

N = 28
"""Drafts of a kind, half of them of each level."""


def convection(x: int, y: int, z: int, steps: int) -> tuple[int, int, int]:
    """Lorenz's model of a heated layer, in thousandths and steps of 1/64."""
    for _ in range(steps):
        x, y, z = (
            x + 10 * (y - x) // 64,
            y + (28 * x - y - x * z // 1000) // 64,
            z + (x * y // 1000 - 8 * z // 3) // 64,
        )
    return x, y, z


def tanks(amounts: list[int], unit: int, limit: int, steps: int) -> list[int]:
    """What grows in each tank and then flows to the two beside it."""
    for _ in range(steps):
        grown = [x * (unit - x) // limit for x in amounts]
        amounts = [(grown[i - 1] + 6 * x + grown[(i + 1) % len(grown)]) // 8 for i, x in enumerate(grown)]
    return amounts


def _comes_round(amounts: list[int], unit: int, limit: int, steps: int) -> bool:
    """Whether the tanks are twice as they were within the steps."""
    seen = {tuple(amounts)}
    for _ in range(steps):
        amounts = tanks(amounts, unit, limit, 1)
        seen.add(tuple(amounts))
    return len(seen) <= steps


def product(series: Series, a: int, b: int, feed: int, first: int, second: int, times: int) -> int:
    """How much has formed of c, where a and b make b, and two of b make c."""
    c = 0
    for r in series.numbers(times):
        a += r % feed
        change = a * b // first
        a, b = a - change, b + change
        change = b * b // second
        b, c = b - change, c + change
    return c


def _near(found: Iterator[int], right: int, limit: int) -> tuple[str, ...]:
    """Other ends of the same size, on both sides."""
    others = [n for n in dict.fromkeys(found) if n != right and 0.4 < n / right < 2.5]
    below, above = [n for n in others if n < right], [n for n in others if n > right]
    if min(len(below), len(above)) < limit // 2:
        return ()
    return tuple(f"{n:,}" for pair in zip(below[: limit // 2], above[: limit // 2], strict=True) for n in pair)


def drafts_convection(rng: random.Random) -> Iterator[Draft]:
    for index in range(36):
        level = 9 + index % 2
        start = (rng.randint(-9000, 9000), rng.randint(-9000, 9000), rng.randint(15000, 32000))
        steps = rng.randint(28, 45) if level == 9 else rng.randint(12, 36) * 100
        place = rng.randrange(3)
        right = convection(*start, steps)[place]
        if abs(right) < 1200:
            continue
        if level == 9:
            pool = tuple(
                f"{right + sign * (step + rng.randint(-2, 2)):,}" for step in (5, 13, 22, 34) for sign in (1, -1)
            )
            pool = tuple(rng.sample(pool, len(pool)))
        else:
            x, y, z = start
            pool = _near((convection(x, y, z + dz, steps)[place] for dz in range(1, 41)), right, 8)
        if not pool:
            continue
        given = (
            f"Whole numbers x, y and z start at {listed([f'{n:,}' for n in start])}. In each step, all three change at "
            "once: x by [10(y - x)/64], y by [(28x - y - [xz/1,000])/64] and z by [([xy/1,000] - [8z/3])/64], where "
            "[ ] is the value rounded down to a whole number ([-1/64] is -1)."
        )
        question = f"{given} What is {'xyz'[place]} after {steps:,} steps?"
        statement = f"{given} After {steps:,} steps, {'xyz'[place]} is {{}}."
        yield Draft(f"convection {start}", f"convection {level}", level, question, statement, f"{right:,}", pool)


def drafts_tanks(rng: random.Random) -> Iterator[Draft]:
    for index in range(36):
        level = 9 + index % 2
        unit, count = (1000, rng.randint(3, 4)) if level == 9 else (10000, rng.randint(5, 8))
        limit = unit * rng.randint(253, 262) // 1000
        steps = rng.randint(24, 36) if level == 9 else rng.randint(20, 60) * 10
        start = rng.sample(range(unit // 10, unit * 9 // 10), count)
        place = rng.randrange(count)
        right = tanks(start, unit, limit, steps)[place]
        if right < unit // 10 or _comes_round(start, unit, limit, steps):
            continue
        shifts = (tanks([start[0] + k, *start[1:]], unit, limit, steps)[place] for k in (*range(-25, 0), *range(1, 26)))
        pool = _near(shifts, right, 8)
        if not pool:
            continue
        given = (
            f"Tanks in a ring hold {listed([f'{n:,}' for n in start])} units. In each step, in every tank x units "
            f"become [x({unit:,} - x)/{limit:,}] units; then, in all at once, y units become [(6y + p + q)/8], where p "
            "and q are those in the two tanks beside it ([ ] is the whole part)."
        )
        ask = f"the {('first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth')[place]} tank"
        question = f"{given} How many units are in {ask} after {steps:,} steps?"
        statement = f"{given} After {steps:,} steps, the number of units in {ask} is {{}}."
        yield Draft(f"tanks {start}", f"tanks {level}", level, question, statement, f"{right:,}", pool)


def drafts_reaction(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        a, b, feed = rng.randint(30, 300), rng.randint(30, 300), rng.randint(15, 40)
        first, second = rng.randint(500, 2500), rng.randint(500, 2500)
        times = rng.randint(50, 80) if level == 9 else rng.randint(20, 60) * 100
        given = (
            f"{series.start_text}. A vessel holds {a} units of A, {b} of B and none of C. {times:,} times, "
            f"{series.text}, and r modulo {feed} units of A are added; then [ab/{first}] units of A turn into B; then "
            f"[b²/{second}] units of B turn into C. There, a and b are the units of A and B at the moment, and [ ] is "
            "the whole part."
        )
        question, statement = (
            f"{given} How many units of C are there at the end?",
            f"{given} At the end, the number of units of C is {{}}.",
        )
        answer = product(series, a, b, feed, first, second, times)
        steps = (1, 3, 6, 9) if level == 9 else (7, 16, 30, 44)
        pool = beside(rng, answer, steps)
        if answer > 60:
            yield Draft(given, f"reaction {level}", level, question, statement, f"{answer:,}", pool)


MAKERS = (drafts_convection, drafts_tanks, drafts_reaction)
