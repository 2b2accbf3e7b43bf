"""Exact results in parts of a whole: sums of fractions, continued fractions, digits far behind the point."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from fractions import Fraction
from math import gcd, lcm

from build.hard.computation.exercise import Exercise, worded
from build.hard.computation.factors import primes_between


def _beside(rng: random.Random, value: Fraction, denominators: Iterable[int], step: int) -> tuple[str, ...]:
    """Fractions in lowest terms close to a value: under its denominator and under others, each with two numerators."""
    pool: list[Fraction] = []

    def add(top: int, bottom: int) -> None:
        if bottom > 1 and top > 0 and gcd(top, bottom) == 1 and Fraction(top, bottom) != value:
            pool.append(Fraction(top, bottom))

    reach = [move * step * sign for move in (1, 2, 3, 4) for sign in (1, -1)]
    moves = rng.sample([move for move in reach if abs(move) < value.numerator // 2], 4)
    for move in moves:
        add(value.numerator + move, value.denominator)
    for bottom in denominators:
        top = round(value * bottom)
        top += (value.numerator - top) % 10 if value.numerator > 900 else 0
        for move in (0, *moves[:3]):
            add(top + move, bottom)
            if sum(fraction.denominator == bottom for fraction in pool) > 2:
                break
    kept = list(dict.fromkeys(pool))
    rng.shuffle(kept)
    return tuple(f"{fraction.numerator}/{fraction.denominator}" for fraction in kept)


def _until(make: Callable[[], Exercise]) -> Exercise:
    while True:
        made = make()
        if len(made.pool) >= 7:
            return made


def fraction_sum(rng: random.Random, level: int) -> Exercise:
    """Of fractions whose denominators share factors, so that the sum may have to be reduced."""
    count, low, high, least = {
        6: (2, 24, 90, 100),
        7: (3, 24, 90, 10**4),
        8: (3, 110, 400, 10**6),
        9: (4, 110, 400, 10**8),
        10: (6, 110, 600, 10**11),
    }[level]

    def make() -> Exercise:
        while True:
            share = rng.choice((4, 6, 8, 9, 10, 12, 14, 15))
            bottoms = [share * n for n in range(2, 151) if low <= share * n <= high]
            bottoms = rng.sample(bottoms, min(count, len(bottoms)))
            if len(bottoms) < count or not least < lcm(*bottoms) < 1000 * least:
                continue
            parts = [Fraction(rng.choice([n for n in range(1, b) if gcd(n, b) == 1]), b) for b in bottoms]
            signs = [1, *(rng.choice((1, 1, -1)) for _ in parts[1:])]
            value = sum((sign * part for sign, part in zip(signs, parts, strict=True)), Fraction(0))
            if value > Fraction(1, 9) and value.numerator > 90 and least < value.denominator < 1000 * least:
                break
        text = str(parts[0])
        for sign, part in zip(signs[1:], parts[1:], strict=True):
            text += f" {'+' if sign > 0 else '-'} {part}"
        bottom = value.denominator
        factors = [f for f in (2, 3, 5, 7) if bottom % f == 0]
        others = [bottom * rng.choice((2, 3)), *(bottom // f for f in factors)]
        rng.shuffle(others)
        pool = _beside(rng, value, others[:2], 990 if value.numerator > 10**6 else 90 if value.numerator > 4000 else 10)
        question = worded(rng, ("What is {} in lowest terms?", "Calculate {} as a fraction in lowest terms."), text)
        return Exercise(text, question, f"In lowest terms, {text} equals {{}}.", str(value), pool)

    return _until(make)


def continued(terms: Iterable[int]) -> Fraction:
    value = Fraction(0)
    for term in reversed(list(terms)):
        value = term + (1 / value if value else Fraction(0))
    return value


def continued_fraction(rng: random.Random, level: int) -> Exercise:
    """Wrong ones have nearly its size: a numerator or a denominator is off, or a term far inside."""
    count, most = {6: (5, 6), 7: (6, 9), 8: (7, 13), 9: (8, 19), 10: (14, 39)}[level]

    def make() -> Exercise:
        terms = [rng.randrange(2, most) for _ in range(count)]
        value = continued(terms)
        pool: list[Fraction] = []
        step = {6: 10, 7: 10, 8: 90, 9: 990, 10: 90_090}[level]
        below = [move * step for move in (1, -1, 2, -2, 3, -3) if value.denominator + move * step > 1]
        for move in rng.sample(below, min(3, len(below))):
            bottom = value.denominator + move
            for jump in (0, 1, -1, 2):
                top = value.numerator + step * (round((value * bottom - value.numerator) / step) + jump)
                if gcd(top, bottom) == 1 and top > 0:
                    pool.append(Fraction(top, bottom))
        for jump in (1, -1):
            top = value.numerator + jump * step
            if gcd(top, value.denominator) == 1 and top > 0:
                pool.append(Fraction(top, value.denominator))
        rng.shuffle(pool)
        pool = [fraction for fraction in dict.fromkeys(pool) if fraction != value]
        text = f"[{terms[0]}; {', '.join(map(str, terms[1:]))}]"
        question = worded(
            rng,
            (
                "Which fraction in lowest terms has the continued fraction {}?",
                "In lowest terms, which fraction is equal to the simple continued fraction {}?",
            ),
            text,
        )
        written = tuple(f"{fraction.numerator}/{fraction.denominator}" for fraction in pool)
        return Exercise(text, question, f"The continued fraction {text} is equal to {{}}.", str(value), written)

    return _until(make)


def period(prime: int) -> int:
    """After how many places the decimals repeat; 61 stands for more than sixty."""
    return next((n for n in range(1, 61) if pow(10, n, prime) == 1), 61)


def decimal_places(rng: random.Random, level: int) -> Exercise:
    """Wrong ones are digits of other fractions with that denominator: other places, nines less the digits."""
    low, high, first, last = {
        6: (23, 97, 7, 10),
        7: (103, 499, 8, 14),
        8: (211, 983, 30, 60),
        9: (1009, 4999, 100, 400),
        10: (10007, 99991, 10_000, 90_000),
    }[level]
    n_places = 4 if level < 8 else 5
    prime = rng.choice(primes_between(low, high))
    top, place = rng.randrange(2, min(prime, 99)), rng.randrange(first, last)

    def digits(start: int, numerator: int = top) -> str:
        return f"{numerator * 10 ** (start + n_places - 1) // prime % 10**n_places:0{n_places}d}"

    answer = digits(place)
    pool = [digits(place + move) for move in (-2, -1, 1, 2)] + [digits(place, top + move) for move in (-1, 1)]
    pool += ["".join(str(9 - int(digit)) for digit in digits(place + move)) for move in (0, 1, -1)]
    pool += [digits(place + move) for move in (3, 4, 5)]
    pool = [option for option in dict.fromkeys(pool) if option != answer]
    rng.shuffle(pool)
    if len(pool) < 8 or (level > 7 and period(prime) <= 60):
        return decimal_places(rng, level)
    name = {4: "four", 5: "five"}[n_places]
    what = f"decimal places {place} to {place + n_places - 1} of {top}/{prime}"
    question = worded(
        rng,
        (
            f"Which {name} digits stand at {{}}, if the first place after the point is place 1?",
            f"Counting the first place after the point as place 1, which {name} digits stand at {{}}?",
        ),
        what,
    )
    statement = f"Counting the first place after the point as place 1, the {name} digits at {what} are {{}}."
    return Exercise(what, question, statement, answer, tuple(pool))
