"""Exact results in large whole numbers: products, powers, roots, polynomials and sums of products, determinants."""

from __future__ import annotations

import random
from itertools import permutations
from math import isqrt, lcm

from build.drafting import shuffled
from build.hard.computation.exercise import (
    NINES_AND_ELEVENS,
    THOUSAND_AND_ONE,
    Exercise,
    digits_apart,
    numeral,
    quick_checks,
    shifted,
    signed,
    sums,
    worded,
)

WORK_OUT = ("What is {}?", "Calculate {}.", "What is the exact value of {}?")
EQUALS = "{} equals {{}}."

LOWEST = {6: 1, 7: 2, 8: 2, 9: 3, 10: 3}
"""The lowest place that wrong products and powers change: the last digits are soon found."""

KNOWN = (36, 64, 216, 243, 256, 343, 512, 729)
"""Powers themselves, whose powers some know."""

PART = {6: 60, 7: 400, 8: 3000, 9: 20_000, 10: 100_000}
"""Into how many parts a value of known size is cut, of which one is as far as the wrong values lie from it."""


def product(rng: random.Random, level: int) -> Exercise:
    """Of two factors, or of three."""
    sizes = {
        6: [(4, 4), (5, 3)],
        7: [(5, 5), (6, 4), (3, 3, 4)],
        8: [(6, 6), (7, 5), (4, 4, 4)],
        9: [(7, 7), (8, 6), (5, 5, 4)],
        10: [(10, 10), (12, 8), (7, 7, 7)],
    }
    factors = [numeral(rng, n_digits) for n_digits in rng.choice(sizes[level])]
    result = 1
    for factor in factors:
        result *= factor
    text = " * ".join(map(str, factors))
    key = " * ".join(sorted(map(str, factors)))
    pool = digits_apart(rng, result, LOWEST[level])
    return Exercise(key, worded(rng, WORK_OUT, text), EQUALS.format(text), str(result), pool)


def power(rng: random.Random, level: int) -> Exercise:
    """Of bases whose powers nobody knows by heart."""
    cases = {
        6: [(230, 980, 3), (34, 98, 5)],
        7: [(230, 400, 4), (2300, 4400, 3), (34, 98, 6)],
        8: [(1100, 1700, 4), (4700, 9900, 3), (52, 98, 7)],
        9: [(2100, 5500, 4), (330, 620, 5), (58, 98, 8)],
        10: [(5700, 9900, 5), (1300, 2400, 6), (330, 620, 8)],
    }
    low, high, exponent = rng.choice(cases[level])
    base = rng.choice([n for n in range(low, high) if n % 5 and n % 11 and n % 10 not in (1, 9) and n not in KNOWN])
    text = f"{base}^{exponent}"
    pool = digits_apart(rng, base**exponent, LOWEST[level])
    return Exercise(text, worded(rng, WORK_OUT, text), EQUALS.format(text), str(base**exponent), pool)


def digit_sum(rng: random.Random, level: int) -> Exercise:
    """Of a power. All options have the residue mod 9 that the power has.

    Sums of many digits lie close to 4.5 a digit. The right one is drawn from five around that, and the wrong ones are
    the others, so that knowing it helps nothing.
    """
    digits = {6: (8, 9), 7: (11, 12), 8: (14, 15), 9: (18, 19), 10: (40, 44)}[level]
    place = rng.randrange(-2, 3)
    while True:
        base = rng.choice(
            [n for n in range(13, 199) if n % 5 and n % 3 and n % 11 and n not in (16, 32, 49, 64, 128, 169)]
        )
        exponent = rng.randrange(3, 22 if level < 10 else 40)
        result = base**exponent
        total, expected = sum(map(int, str(result))), 4.5 * len(str(result))
        if digits[0] <= len(str(result)) <= digits[1] and round((total - expected) / 9) == place:
            break
    window = range(total - 9 * (place + 2), total - 9 * (place + 2) + 45, 9)
    pool = shuffled(rng, (str(n) for n in window if n != total))
    what = f"the digits of {base}^{exponent}"
    question = worded(rng, ("What is the sum of {}?", "What do {} add up to?"), what)
    statement = f"The sum of {what} is {{}}."
    return Exercise(f"digits of {base}^{exponent}", question, statement, str(total), pool)


def root(rng: random.Random, level: int) -> Exercise:
    """The whole part of a square or cube root; the wrong ones are off by little, in places within reach of a slip."""
    degree = rng.choice((2, 3))
    n_digits = {2: {6: 4, 7: 5, 8: 6, 9: 7, 10: 12}, 3: {6: 3, 7: 4, 8: 4, 9: 5, 10: 9}}[degree][level]
    answer = numeral(rng, n_digits)
    if degree == 3 and level == 8:
        answer = rng.randrange(5001, 9990)
    span = (answer + 1) ** degree - answer**degree
    number = answer**degree + rng.randrange(span // 7, span - span // 7)
    assert degree == 3 or isqrt(number) == answer
    places = [1, 2, 3, 8, 12, 21, 30, 90] if level < 8 else [1, 2, 4, 6, 10, 12, 18, 20, 30]
    pool = sums(answer, signed(rng, rng.sample(places, 4)))
    kind, raised = {2: ("square", "square"), 3: ("cube", "cube")}[degree]
    question = worded(
        rng,
        (
            f"What is the largest whole number whose {raised} is not more than {{}}?",
            f"What is the {kind} root of {{}}, rounded down to a whole number?",
        ),
        str(number),
    )
    statement = f"Rounded down to a whole number, the {kind} root of {number} is {{}}."
    return Exercise(f"{kind} root of {number}", question, statement, str(answer), tuple(map(str, pool)))


def polynomial(rng: random.Random, level: int) -> Exercise:
    """The value at a whole number. The wrong ones agree with it modulo the number, as the last coefficient shows."""
    degree, low, high, most = {
        6: (3, 13, 40, 30),
        7: (4, 17, 70, 40),
        8: (5, 23, 99, 60),
        9: (6, 31, 99, 90),
        10: (8, 1113, 4800, 99),
    }[level]
    x = rng.choice([n for n in range(low, high) if n % 5 and n % 11])
    coefficients = [rng.choice((1, -1)) * rng.randrange(2, most) for _ in range(degree + 1)]
    coefficients[0] = abs(coefficients[0])
    value = 0
    for coefficient in coefficients:
        value = value * x + coefficient
    terms = ""
    for exponent, coefficient in zip(range(degree, -1, -1), coefficients, strict=True):
        sign = ("" if coefficient > 0 else "-") if not terms else (" + " if coefficient > 0 else " - ")
        symbol = "" if exponent == 0 else " * x" if exponent == 1 else f" * x^{exponent}"
        terms += f"{sign}{abs(coefficient)}{symbol}"
    slips = [value + rng.choice(coefficients) * x**exponent for exponent in range(1, degree)]
    question = worded(rng, ("What is the value of {} for x = %d?", "If x = %d, what is {}?"), terms)
    pool = shifted(
        rng, value, slips, quick_checks(x) if level < 8 else lcm(THOUSAND_AND_ONE, x), abs(value) // PART[level]
    )
    question, key = question.replace("%d", str(x)), f"{terms}, x = {x}"
    return Exercise(key, question, f"For x = {x}, {terms} is {{}}.", str(value), pool)


def products_summed(rng: random.Random, level: int) -> Exercise:
    """Sums and differences of products, or of squares."""
    count, left, right = {6: (3, 3, 2), 7: (4, 3, 3), 8: (4, 4, 4), 9: (5, 5, 4), 10: (7, 7, 7)}[level]
    while True:
        pairs = [(numeral(rng, left), numeral(rng, right)) for _ in range(count)]
        signs = [1, *(rng.choice((1, 1, -1)) for _ in pairs[1:])]
        if rng.random() < 0.4:
            pairs = [(a, a) for a, _ in pairs]
        value = sum(sign * a * b for sign, (a, b) in zip(signs, pairs, strict=True))
        if value > 10 ** (left + right - 1) // 2:
            break
    text = ""
    for sign, (a, b) in zip(signs, pairs, strict=True):
        text += ("" if not text else " + " if sign > 0 else " - ") + (f"{a}^2" if a == b else f"{a} * {b}")
    slips = [value + rng.choice((1, -1)) * 10 * rng.randrange(2, 9) * rng.choice(pairs)[0] for _ in range(3)]
    modulus = NINES_AND_ELEVENS if level < 9 else THOUSAND_AND_ONE
    pool = shifted(rng, value, slips, modulus, value // PART[level])
    return Exercise(text, worded(rng, WORK_OUT, text), EQUALS.format(text), str(value), pool)


def _parity(order: tuple[int, ...]) -> int:
    swaps = sum(order[i] > order[j] for i in range(len(order)) for j in range(i + 1, len(order)))
    return -1 if swaps % 2 else 1


def determinant(rng: random.Random, level: int) -> Exercise:
    """By all its products, one a permutation; slips give one of the largest the wrong sign, or leave it out."""
    size, low, most = {6: (3, 11, 60), 7: (3, 101, 499), 8: (4, 2, 29), 9: (4, 11, 99), 10: (5, 101, 799)}[level]
    while True:
        rows = [[rng.choice((1, 1, -1)) * rng.randrange(low, most) for _ in range(size)] for _ in range(size)]
        terms = []
        for order in permutations(range(size)):
            term = _parity(order)
            for row, column in enumerate(order):
                term *= rows[row][column]
            terms.append(term)
        value = sum(terms)
        if abs(value) > 30 * 990:
            break
    slips = [value - term for term in terms] + [value - 2 * term for term in terms]
    matrix = "[" + "; ".join(" ".join(map(str, row)) for row in rows) + "]"
    question = worded(
        rng,
        (
            "What is the determinant of the matrix {}?",
            "Calculate the determinant of {}, whose rows are separated by semicolons.",
        ),
        matrix,
    )
    pool = shifted(rng, value, slips, THOUSAND_AND_ONE if level > 8 else NINES_AND_ELEVENS)
    return Exercise(matrix, question, f"The determinant of the matrix {matrix} is {{}}.", str(value), pool)
