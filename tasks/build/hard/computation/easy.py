"""The easiest exercises, one kind a topic: small enough to be worked out in a few lines."""

from __future__ import annotations

import random
from fractions import Fraction
from math import gcd, isqrt

from build.hard.computation.bases import written
from build.hard.computation.exercise import Exercise, worded
from build.hard.computation.factors import primes_between, rough
from build.hard.computation.residues import REMAINDER
from build.hard.computation.whole import EQUALS, WORK_OUT


def _around(rng: random.Random, answer: int, steps: tuple[int, ...], least: int = 1) -> tuple[str, ...]:
    """Numbers on both sides of the answer, a few steps away."""
    first, second = rng.sample(steps, 2)
    moves = (first, second, first + second, first - second, 2 * first, 2 * second)
    pool = [answer + sign * move for move in moves for sign in (1, -1)]
    pool = [n for n in dict.fromkeys(pool) if n >= least and n != answer]
    rng.shuffle(pool)
    return tuple(map(str, pool))


def small_product(rng: random.Random) -> Exercise:
    a, b = rng.randrange(13, 99), rng.randrange(13, 99)
    text = f"{a} * {b}"
    return Exercise(
        f"{min(a, b)} * {max(a, b)}",
        worded(rng, WORK_OUT, text),
        EQUALS.format(text),
        str(a * b),
        _around(rng, a * b, (10, 20, 30, 100)),
    )


def small_power(rng: random.Random) -> Exercise:
    base, exponent = rng.choice([(n, 2) for n in range(41, 140) if n % 10] + [(n, 3) for n in range(12, 30) if n % 10])
    text = f"{base}^{exponent}"
    pool = _around(rng, base**exponent, (10, 20, 40, 100))
    return Exercise(text, worded(rng, WORK_OUT, text), EQUALS.format(text), str(base**exponent), pool)


def small_root(rng: random.Random) -> Exercise:
    number = rng.randrange(600, 9800)
    answer = isqrt(number)
    question = worded(
        rng,
        (
            "What is the largest whole number whose square is not more than {}?",
            "What is the square root of {}, rounded down to a whole number?",
        ),
        str(number),
    )
    statement = f"Rounded down to a whole number, the square root of {number} is {{}}."
    return Exercise(f"square root of {number}", question, statement, str(answer), _around(rng, answer, (1, 2, 3)))


def small_sum(rng: random.Random) -> Exercise:
    a, c = rng.randrange(13, 80), rng.randrange(13, 80)
    b, d = rng.randrange(3, 10), rng.randrange(3, 10)
    text, value = f"{a} * {b} + {c} * {d}", a * b + c * d
    pool = _around(rng, value, (10, 20, 30))
    return Exercise(text, worded(rng, WORK_OUT, text), EQUALS.format(text), str(value), pool)


def small_determinant(rng: random.Random) -> Exercise:
    while True:
        a, b, c, d = (rng.randrange(3, 20) for _ in range(4))
        if a * d - b * c > 25:
            break
    matrix = f"[{a} {b}; {c} {d}]"
    question = f"What is the determinant of the matrix {matrix}?"
    pool = _around(rng, a * d - b * c, (10, 20, 30))
    return Exercise(matrix, question, f"The determinant of the matrix {matrix} is {{}}.", str(a * d - b * c), pool)


def small_remainder(rng: random.Random) -> Exercise:
    base, exponent, modulus = rng.randrange(3, 13), rng.randrange(4, 9), rng.choice((13, 17, 19, 23, 29))
    answer = pow(base, exponent, modulus)
    text = f"{base}^{exponent} is divided by {modulus}"
    pool = [n for n in range(1, modulus) if n != answer]
    rng.shuffle(pool)
    statement = f"When {text}, the remainder is {{}}."
    return Exercise(text, worded(rng, REMAINDER, text), statement, str(answer), tuple(map(str, pool[:9])))


def small_inverse(rng: random.Random) -> Exercise:
    modulus = rng.choice((17, 19, 23, 29, 31, 37))
    factor, answer = rng.randrange(3, modulus - 1), rng.randrange(3, modulus - 1)
    left = factor * answer % modulus
    what = f"{factor} * x leaves the remainder {left} when it is divided by {modulus}"
    pool = [n for n in range(2, modulus) if n != answer]
    rng.shuffle(pool)
    question = f"What is the smallest positive whole number x such that {what}?"
    statement = f"The smallest positive whole number x such that {what} is {{}}."
    return Exercise(what, question, statement, str(answer), tuple(map(str, pool[:9])))


def small_divisor(rng: random.Random) -> Exercise:
    while True:
        answer, one, other = rng.randrange(6, 30), rough(rng, 1), rng.randrange(2, 12)
        if gcd(one, other) == 1 and answer not in (one, other) and one != other:
            break
    a, b = answer * one, answer * other
    question = f"What is the greatest common divisor of {a} and {b}?"
    statement = f"The greatest common divisor of {a} and {b} is {{}}."
    return Exercise(f"{a} and {b}", question, statement, str(answer), _around(rng, answer, (1, 2, 3, 6), 2))


def small_fractions(rng: random.Random) -> Exercise:
    while True:
        low, high = rng.sample(range(3, 13), 2)
        parts = [Fraction(rng.randrange(1, bottom), bottom) for bottom in (low, high)]
        value = sum(parts, Fraction(0))
        bottoms = (value.denominator, low * high, low + high, value.denominator + 2)
        pool = [Fraction(round(value * bottom) + move, bottom) for bottom in bottoms for move in (-1, 0, 1)]
        pool = [part for part in dict.fromkeys(pool) if part > 0 and part != value and part.denominator > 1]
        if value.denominator > 8 and len(pool) >= 7:
            break
    rng.shuffle(pool)
    text = f"{parts[0]} + {parts[1]}"
    question = worded(rng, ("What is {} in lowest terms?", "Calculate {} as a fraction in lowest terms."), text)
    return Exercise(text, question, f"In lowest terms, {text} equals {{}}.", str(value), tuple(map(str, pool)))


def first_places(rng: random.Random) -> Exercise:
    prime = rng.choice(primes_between(7, 60))
    top = rng.randrange(1, prime)

    def digits(place: int, numerator: int = top) -> str:
        return f"{numerator * 10 ** (place + 3) // prime % 10_000:04d}"

    pool = [digits(2), digits(3), digits(1, top + 1), digits(1, max(1, top - 1)), digits(4), digits(5), digits(2, 1)]
    pool += [f"{int(digits(1)) + move:04d}" for move in (10, 100, 1) if int(digits(1)) + move < 10_000]
    pool = [option for option in dict.fromkeys(pool) if option != digits(1)]
    rng.shuffle(pool)
    what = f"decimal places 1 to 4 of {top}/{prime}"
    question = f"Which four digits stand at {what}, if the first place after the point is place 1?"
    statement = f"Counting the first place after the point as place 1, the four digits at {what} are {{}}."
    return Exercise(what, question, statement, digits(1), tuple(pool))


def small_base(rng: random.Random) -> Exercise:
    base, number = rng.choice((5, 6, 7, 8, 9)), rng.randrange(90, 900)
    answer, given = written(number, base), f"the decimal number {number}"
    near = [number + move for move in (base, -base, base**2, -(base**2), 2 * base, -2 * base, base**2 + base)]
    pool = [written(n, base) for n in near if n > 0]
    pool = [option for option in pool if len(option) == len(answer)]
    if len(pool) < 5:
        return small_base(rng)
    rng.shuffle(pool)
    question = worded(rng, (f"How is {given} written in base {base}?", f"What is {given} in base {base}?"), "")
    return Exercise(f"{number} to {base}", question, f"In base {base}, {given} is {{}}.", answer, tuple(pool))


def few_steps(rng: random.Random) -> Exercise:
    """Squares plus a number, of small remainders."""
    modulus, added, start = rng.choice(primes_between(11, 31)), rng.randrange(1, 8), rng.randrange(2, 10)
    n_steps, value = rng.randrange(3, 5), start
    for _ in range(n_steps):
        value = (value * value + added) % modulus
    pool = [n for n in range(modulus) if n != value and n > 0]
    if value == 0:
        return few_steps(rng)
    rng.shuffle(pool)
    rule = f"replaced by the remainder of its square plus {added} when divided by {modulus}"
    question = f"Start from {start}. In each step the number is {rule}. Which number is there after {n_steps} steps?"
    statement = f"If a number is {rule}, and this is done {n_steps} times, starting from {start}, the result is {{}}."
    return Exercise(f"{start}, {rule}, {n_steps}", question, statement, str(value), tuple(map(str, pool[:9])))
