"""The same number in another base; checks by the neighbours of either base do not tell the options apart."""

from __future__ import annotations

import random

from build.hard.computation.exercise import Exercise, quick_checks, signed, sums, worded

DIGITS = "0123456789ABCDEF"
BASES = (7, 8, 12, 16)


def written(number: int, base: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, base)
        text = DIGITS[digit] + text
    return text


def _pool(rng: random.Random, number: int, unit: int, base: int) -> list[int]:
    """Numbers off by multiples of the unit, of as many digits in the base, the first two digits right."""
    n_digits = len(written(number, base))
    most = max(6, base ** (n_digits - 2) // unit)
    while True:
        sizes = [rng.randrange(1, max(3, most // rng.choice((1, 2, 8, 24))) + 1) * unit for _ in range(4)]
        if len(set(sizes)) == 4:
            pool = sums(number, signed(rng, sizes), lambda n: n > 0 and len(written(n, base)) == n_digits)
            if len(pool) >= 7:
                return pool


def _unit(level: int, base: int) -> int:
    """A shift that keeps the last digits in a base, the sum of all digits and their alternating sum."""
    return (base - 1) * base if level == 6 else (base * base - 1) * base ** {7: 1, 8: 2, 9: 2, 10: 3}[level]


def from_ten(rng: random.Random, level: int) -> Exercise:
    base = rng.choice(BASES)
    n_digits = {6: 5, 7: 7, 8: 8, 9: 10, 10: 18}[level]
    number = rng.randrange(2 * 10 ** (n_digits - 1), 10**n_digits)
    return _converted(rng, number, 10, base, _pool(rng, number, _unit(level, base), base))


def to_ten(rng: random.Random, level: int) -> Exercise:
    base = rng.choice((7, 12, 16) if level < 9 else (7, 9, 11, 12, 13, 16))
    n_digits = {6: 5, 7: 6, 8: 7, 9: 9, 10: 16}[level] + (2 if base < 10 else 0)
    number = rng.randrange(base ** (n_digits - 1) * 2, base**n_digits)
    unit = quick_checks(base ** (1 if level < 9 else 2), base - 1, base + 1) if level > 6 else 90
    return _converted(rng, number, base, 10, _pool(rng, number, unit, 10))


def across(rng: random.Random, level: int) -> Exercise:
    """From one base to another, neither of them ten."""
    source, target = rng.choice(
        [(7, 12), (12, 7), (16, 7), (7, 16), (8, 12), (12, 16), (16, 12), (12, 8), (9, 16), (9, 7)]
    )
    size = {6: 800, 7: 12_000, 8: 400_000, 9: 3 * 10**7, 10: 2 * 10**15}[level]
    number = rng.randrange(size, 9 * size)
    return _converted(rng, number, source, target, _pool(rng, number, _unit(level, target), target))


def _converted(rng: random.Random, number: int, source: int, target: int, pool: list[int]) -> Exercise:
    names = {base: f"base {base}" for base in range(2, 17)} | {16: "hexadecimal"}
    text = written(number, source)
    given = f"the {'decimal' if source == 10 else names[source].replace(' ', '-')} number {text}"
    wanted = names[target] if target != 10 else "decimal"
    question = worded(rng, (f"How is {given} written in {wanted}?", f"What is {given} in {wanted}?"), "")
    if target == 12 or source in (11, 12, 13):
        question += " (Digits from ten on are A, B and C.)" if 13 in (source, target) else " (Ten is A, eleven is B.)"
    statement = f"In {wanted}, {given} is {{}}."
    options = tuple(written(n, target) for n in pool)
    return Exercise(f"{text} from {source} to {target}", question, statement, written(number, target), options)
