"""Exercises in whole numbers: the four operations, powers, remainders, order of operations, equations."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from build.arithmetic.slips import (
    digits_off,
    lost_borrows,
    lost_carries,
    misread_orders,
    value,
    wrong_orders,
    wrong_products,
)

Slips = Iterable[int | Fraction]


@dataclass(frozen=True)
class Sum:
    """One exercise. text: how it is named in question and statement. slips: wrong values, the most plausible first.

    astray: where wrong ways lead. An exercise in which one of them happens to end at the answer is not asked.
    """

    text: str
    answer: Fraction
    slips: Slips
    decimals: bool = False
    astray: tuple[int | Fraction, ...] = ()


def addition(rng: random.Random, level: int) -> Sum:
    if level == 1:
        terms = [rng.randrange(3, 10), rng.randrange(4, 20)]
    elif level == 2:
        terms = [rng.randrange(14, 90), rng.randrange(16, 90)]
    elif level == 3:
        terms = [rng.randrange(150, 900), rng.randrange(150, 900)]
    elif level == 4:
        terms = [rng.randrange(250, 990) for _ in range(3)]
    else:
        terms = [rng.randrange(1200, 9900), rng.randrange(150, 990), rng.randrange(1200, 9900), rng.randrange(25, 99)]
    slips = chain(lost_carries(terms), digits_off(sum(terms)))
    return Sum(" + ".join(map(str, terms)), Fraction(sum(terms)), slips)


def subtraction(rng: random.Random, level: int) -> Sum:
    low, high = ((4, 20), (21, 99), (210, 990), (2100, 9900), (210000, 990000))[level - 1]
    first = rng.randrange(low + 5, high)
    second = rng.randrange(low // 2, first - low // 4)
    slips = chain(lost_borrows(first, second), digits_off(first - second))
    return Sum(f"{first} - {second}", Fraction(first - second), (slip for slip in slips if slip >= 0))


def multiplication(rng: random.Random, level: int) -> Sum:
    ranges = (
        ((3, 10), (3, 10)),
        ((3, 10), (12, 60)),
        ((13, 60), (13, 40)),
        ((120, 900), (23, 99)),
        ((120, 900), (120, 900)),
    )
    a, b = (rng.randrange(*limits) for limits in ranges[level - 1])
    return Sum(f"{a} * {b}", Fraction(a * b), wrong_products(a, b))


def division(rng: random.Random, level: int) -> Sum:
    divisors, quotients = (
        ((2, 10), (3, 10)),
        ((3, 10), (11, 30)),
        ((3, 10), (41, 150)),
        ((12, 40), (101, 350)),
        ((41, 99), (1010, 9900)),
    )[level - 1]
    divisor, quotient = rng.randrange(*divisors), rng.randrange(*quotients)
    lost_zero = [int(str(quotient).replace("0", ""))] if "0" in str(quotient) else []
    slips = chain(lost_zero, digits_off(quotient), [quotient + divisor, quotient - divisor])
    return Sum(f"{divisor * quotient} / {divisor}", Fraction(quotient), (slip for slip in slips if slip > 0))


def power(rng: random.Random, level: int) -> Sum:
    cases = (
        [(n, 2) for n in range(2, 13)] + [(2, 3), (3, 3), (10, 3), (2, 4)],
        [(n, 2) for n in range(13, 21)] + [(4, 3), (5, 3), (2, 5), (2, 6), (3, 4), (10, 4), (6, 3)],
        [(n, 2) for n in range(21, 40) if n % 10] + [(7, 3), (8, 3), (9, 3), (2, 7), (2, 9), (5, 4), (4, 4)],
        [(n, 2) for n in range(41, 99) if n % 10] + [(n, 3) for n in range(11, 15)] + [(2, 11), (3, 6), (6, 4)],
        [(n, 3) for n in range(15, 40) if n % 10]
        + [(n, 4) for n in range(11, 18)]
        + [(3, 9), (7, 5), (2, 15), (2, 17)],
    )
    base, exponent = rng.choice(cases[level - 1])
    answer = base**exponent
    slips = [base * exponent, base ** (exponent - 1), (base - 1) ** exponent, (base + 1) ** exponent]
    if exponent == 2 and base > 12:
        tens, units = divmod(base, 10)
        slips = [100 * tens**2 + 10 * tens * units + units**2, base**2 - base, base**2 + base, *slips]
    elif exponent > 2:
        slips = [answer - base, answer + base, answer - base**2, answer + base**2, *slips]
    astray = (base * exponent, exponent**base)
    return Sum(f"{base}^{exponent}", Fraction(answer), chain(slips, digits_off(answer)), astray=astray)


def remainder(rng: random.Random, level: int) -> Sum:
    if level < 5:
        divisors, numbers = (((4, 8), (9, 30)), ((6, 10), (40, 99)), ((7, 14), (150, 700)), ((17, 60), (1200, 9900)))[
            level - 1
        ]
        divisor, dividend = rng.randrange(*divisors), rng.randrange(*numbers)
        name = str(dividend)
    else:
        divisor, base, exponent = rng.randrange(7, 30), rng.randrange(2, 10), rng.randrange(9, 40)
        dividend, name = base**exponent, f"{base}^{exponent}"
    answer = dividend % divisor
    slips = [
        divisor - answer,
        answer + 1,
        answer - 1,
        answer + 2,
        answer - 2,
        *rng.sample(range(divisor), min(divisor, 8)),
    ]
    slips = [slip for slip in slips if 0 <= slip < divisor]
    # What is missing to the next multiple, the quotient, the base or the product for the power.
    astray = [divisor - answer, dividend // divisor] + (
        [base % divisor, base * exponent % divisor] if level == 5 else []
    )
    return Sum(f"{name} is divided by {divisor}", Fraction(answer), slips, astray=tuple(astray))


def order(rng: random.Random, level: int) -> Sum:
    a, b, c, d, e = (rng.randrange(2, 10) for _ in range(5))
    forms = (
        [f"{a} + {b} * {c}", f"{c + a * b} - {a} * {b}"],
        [f"{a * 3} - {b} * 2", f"{a} * ({b} + {c})", f"{c} * ({a + b} - {a})", f"{a} + {b * c} / {b}"],
        [f"{a} * {b} + {c} * {d}", f"{a + 10} * {b} - {c} * {d}", f"{a * b * c} / {a} - {d} * {e}"],
        [
            f"{a} + {b} * ({c + 8} - {d}) - {e}",
            f"{a * 12} / {b} * {c} - {d} * {e}",
            f"{a} * {b} ** 2 - {c} * ({d} + {e})",
        ],
        [
            f"{a + 20} - {b} * ({c} - {d + 3} * {e}) + {a} ** 2",
            f"({a + 11} - {b}) * ({c + 9} - {d * 2}) - {e} * {a + b}",
            f"{a * b * 6} / {b} / 2 * {c} - {d} * {e + 10} + {a} ** 2",
        ],
    )
    expression = rng.choice(forms[level - 1])
    answer = value(expression)
    if answer.denominator > 1 or (level < 5 and answer < 0):
        return order(rng, level)
    wrong = [slip for slip in wrong_orders(expression) if slip.denominator == 1 and abs(slip) < 20 * abs(answer) + 20]
    astray = tuple(misread_orders(expression))
    return Sum(expression.replace(" ** 2", "^2"), answer, chain(wrong, digits_off(int(answer))), astray=astray)


def equation(rng: random.Random, level: int) -> Sum:
    x = rng.randrange(2, 12) if level < 4 else rng.choice([n for n in range(-15, 30) if abs(n) > 1])
    a, b, c, d = rng.randrange(2, 10), rng.randrange(3, 25), rng.randrange(2, 10), rng.randrange(2, 16)
    if level == 1:
        text, slips = rng.choice([(f"x + {b} = {x + b}", [x + 2 * b]), (f"{a} * x = {a * x}", [a * x - a])])
    elif level == 2:
        x += 8
        text, slips = rng.choice([(f"x - {b} = {x - b}", [x - 2 * b]), (f"x / {a} = {x}", [])])
        if "/" in text:
            x, slips = a * x, [x - a, x + a]
    elif level == 3:
        text, slips = f"{a} * x + {b} = {a * x + b}", [x + b, a * x, x + 2 * b // a]
    elif level == 4:
        text, slips = f"{a} * (x - {d}) = {a * (x - d)}", [x - 2 * d, x - d, a * (x - d) - a + d]
    else:
        if a <= c:
            return equation(rng, level)
        left = f"{a} * x - {b}"
        right = (a - c) * x - b
        text = f"{left} = {c} * x {'+' if right >= 0 else '-'} {abs(right)}"
        slips = [-x, (right - b) // (a - c), (right + b) // (a + c), x + b]
        if right == 0:
            return equation(rng, level)
    if level == 2 and x - b < 0 and "-" in text:
        return equation(rng, level)
    near = [x + 1, x - 1, x + 2, x - 2, x + 3, x - 3, x + 5, x - 5]
    astray = tuple(slips)
    slips = [slip for slip in chain(slips, near) if level >= 4 or slip > 0]
    return Sum(text, Fraction(x), slips, astray=astray)
