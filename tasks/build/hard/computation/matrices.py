"""Determinants of seven rows, permanents of six, coefficients of powers of polynomials."""

from __future__ import annotations

import random
from math import lcm

from build.hard.computation.exercise import THOUSAND_AND_ONE, Exercise, shifted, worded

SMALL_PRIMES = lcm(THOUSAND_AND_ONE, 17, 19, 23, 29)
"""A shift by a multiple of it is not found by checks modulo any prime below 30."""


def _shown(rows: list[list[int]]) -> str:
    return "[" + "; ".join(" ".join(map(str, row)) for row in rows) + "]"


def eliminated(rows: list[list[int]]) -> int:
    """The determinant, by elimination without fractions (Bareiss)."""
    left, sign, before = [row[:] for row in rows], 1, 1
    for k in range(len(left) - 1):
        pivot = next((i for i in range(k, len(left)) if left[i][k]), None)
        if pivot is None:
            return 0
        if pivot != k:
            left[k], left[pivot], sign = left[pivot], left[k], -sign
        for i in range(k + 1, len(left)):
            for j in range(k + 1, len(left)):
                left[i][j] = (left[i][j] * left[k][k] - left[i][k] * left[k][j]) // before
        before = left[k][k]
    return sign * left[-1][-1]


def permanent_of(rows: list[list[int]]) -> int:
    """Over all sets of columns (Ryser)."""
    size, total = len(rows), 0
    for columns in range(1, 1 << size):
        term = (-1) ** (size - columns.bit_count())
        for row in rows:
            term *= sum(value for column, value in enumerate(row) if columns >> column & 1)
        total += term
    return total


def large_determinant(rng: random.Random, _: int) -> Exercise:
    size = 7
    while True:
        rows = [[rng.choice((1, -1)) * rng.randrange(11, 99) for _ in range(size)] for _ in range(size)]
        value = eliminated(rows)
        if abs(value) > 2000 * SMALL_PRIMES:
            break
    matrix = _shown(rows)
    question = worded(
        rng,
        (
            "What is the determinant of the matrix {}?",
            "Calculate the determinant of {}, whose rows are separated by semicolons.",
        ),
        matrix,
    )
    pool = shifted(rng, value, (), SMALL_PRIMES)
    return Exercise(matrix, question, f"The determinant of the matrix {matrix} is {{}}.", str(value), pool)


def permanent(rng: random.Random, _: int) -> Exercise:
    size = 6
    rows = [[rng.randrange(23, 99) for _ in range(size)] for _ in range(size)]
    value, matrix = permanent_of(rows), _shown(rows)
    question = (
        f"What is the permanent of the matrix {matrix}? (It is worked out like the determinant, but with a plus sign "
        "before every product.)"
    )
    pool = shifted(rng, value, (), SMALL_PRIMES, value // 60)
    return Exercise(f"permanent {matrix}", question, f"The permanent of the matrix {matrix} is {{}}.", str(value), pool)


def coefficient(rng: random.Random, level: int) -> Exercise:
    """Of a power of x near the middle, in a power of a polynomial."""
    degree, exponent = rng.choice(((3, 14), (4, 12), (4, 13), (5, 11)))
    parts = [rng.choice((1, 1, -1)) * rng.randrange(2, 14) for _ in range(degree + 1)]
    parts[-1] = abs(parts[-1])
    result = [1]
    for _ in range(exponent):
        result = [
            sum(result[i - j] * part for j, part in enumerate(parts) if 0 <= i - j < len(result))
            for i in range(len(result) + degree)
        ]
    wanted = len(result) // 2 + rng.randrange(-6, 7)
    value = result[wanted]
    if abs(value) < 4000 * SMALL_PRIMES:
        return coefficient(rng, level)
    terms = ""
    for power in range(degree, -1, -1):
        part = parts[power]
        sign = "" if not terms else " + " if part > 0 else " - "
        terms += f"{sign}{abs(part)}" + ("" if not power else " * x" if power == 1 else f" * x^{power}")
    what = f"coefficient of x^{wanted} in the expansion of ({terms})^{exponent}"
    pool = shifted(rng, value, (), SMALL_PRIMES)
    return Exercise(what, f"What is the {what}?", f"The {what} is {{}}.", str(value), pool)
