"""Exercises in parts of a whole: fractions, percentages, decimals."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain

from build.arithmetic.slips import digits_off, value, wrong_products
from build.arithmetic.whole import Sum
from build.wording import plain


def proper(rng: random.Random, denominators: Iterable[int]) -> tuple[int, int]:
    """A fraction in lowest terms between 0 and 1."""
    below = rng.choice(list(denominators))
    return rng.choice([n for n in range(1, below) if math.gcd(n, below) == 1]), below


def fraction(rng: random.Random, level: int) -> Sum:
    if level == 1:
        below = rng.choice([5, 7, 9, 11, 13])
        a, c = rng.randrange(1, below - 2), 1
        c = rng.randrange(1, below - a)
        b = d = below
        signs = ["+"]
    else:
        (a, b), (c, d) = proper(rng, (3, 4, 5)), proper(rng, (2, 3, 5))
        signs = ["+", "-"]
        if level == 3:
            (a, b), (c, d) = proper(rng, range(4, 9)), proper(rng, range(3, 8))
            signs = ["*"]
        elif level == 4:
            (a, b), (c, d) = proper(rng, range(6, 13)), proper(rng, range(5, 11))
            signs = ["+", "-"]
        elif level == 5:
            (a, b), (c, d) = proper(rng, (12, 14, 15, 16, 18, 20, 21, 24)), proper(rng, (9, 10, 12, 14, 15, 16, 18))
            signs = ["+", "-"]
    if level != 1 and b == d:
        return fraction(rng, level)
    sign = rng.choice(signs)
    if sign == "-" and Fraction(a, b) < Fraction(c, d):
        a, b, c, d = c, d, a, b
    answer = value(f"({a} / {b}) {sign} ({c} / {d})")
    top, bottom = answer.numerator, answer.denominator
    slips = [Fraction(a + c, b * d), Fraction(top + 1, bottom), Fraction(top - 1, bottom), Fraction(a + c, b + d)]
    slips += [Fraction(top + 2, bottom), Fraction(top - 2, bottom), Fraction(a * d + c, b * d), Fraction(a * c, b * d)]
    slips += [Fraction(top + 4, bottom), Fraction(top - 4, bottom), Fraction(abs(a - c), b * d), Fraction(a * d, b * c)]
    slips += [Fraction(top, bottom + 1), Fraction(top, bottom - 1)]
    slips = [slip for slip in slips if slip > 0 and slip.denominator > 1]
    if bottom == 1:
        return fraction(rng, level)
    added, crossed = (a + c, a * d + c) if sign != "-" else (abs(a - c), abs(a * d - c))
    astray = [Fraction(added, b * d), Fraction(crossed, b * d), Fraction(a * d, b * c)]
    if sign == "*":
        astray.append(Fraction(a + c, b + d))
    else:
        astray += [Fraction(a * c, b * d), Fraction(added, b + d), Fraction(added, max(b, d))]
        astray += [Fraction(added, abs(b - d))] if b != d else []
    # Over a common denominator, adding the numerators is right.
    if b == d:
        astray = [Fraction(added, 2 * b), Fraction(added, b * b), Fraction(a * c, b * b)]
    return Sum(f"{a}/{b} {sign} {c}/{d}", answer, slips, astray=tuple(astray))


def percentage(rng: random.Random, level: int) -> Sum:
    shares, step, most = (
        ((20, 25), 20, 25),
        ((5, 20, 25, 30, 75), 20, 25),
        ((4, 15, 35, 45, 60, 80), 20, 45),
        ((6, 12, 17, 23, 38, 46, 64, 85), 50, 25),
        ((37, 43, 58, 67, 73, 79, 83, 94), 100, 90),
    )[level - 1]
    percent, whole = rng.choice(shares), step * rng.randrange(2, most)
    answer = Fraction(percent * whole, 100)
    if answer.denominator > 1:
        return percentage(rng, level)
    part = int(answer)
    slips = [part + whole // 100, part - whole // 100, whole - part, part * 2, part // 2, whole // percent]
    slips += [part + whole // 10, part - whole // 10, part + whole // 20, part - whole // 20]
    # The rest, the percent as a divisor or as a number; of 50 % and 10 % some of these are right.
    astray = (whole - part, Fraction(whole, percent), Fraction(percent), whole - percent, Fraction(whole, 10))
    pool = (slip for slip in chain(slips, digits_off(part)) if slip > 0)
    return Sum(f"{percent}% of {whole}", answer, pool, astray=astray)


def change(rng: random.Random, level: int) -> Sum:
    """A number increased or decreased by a percentage, at the higher levels by two in turn."""
    shares = ((10, 50, 100), (20, 25), (15, 30, 40, 60), (12, 18, 35, 45, 65), (10, 15, 20, 25, 30, 40))[level - 1]
    whole = rng.randrange(2, 25) * (10, 20, 20, 50, 200)[level - 1]
    steps = [(rng.choice(("increased", "decreased")), rng.choice(shares))]
    if level == 5:
        steps.append((rng.choice(("increased", "decreased")), rng.choice(shares)))
    signs = [1 if way == "increased" else -1 for way, _ in steps]
    answer = Fraction(whole)
    for sign, (_, percent) in zip(signs, steps, strict=True):
        answer *= 1 + Fraction(sign * percent, 100)
    if answer.denominator > 1 or answer <= 0:
        return change(rng, level)
    together = sum(sign * percent for sign, (_, percent) in zip(signs, steps, strict=True))
    slips = [whole + whole * together // 100, whole - whole * together // 100, whole + together, whole - together]
    slips += [
        int(answer) + whole // 20,
        int(answer) - whole // 20,
        int(answer) + whole // 10,
        int(answer) - whole // 10,
    ]
    text = f"{whole} " + " and then ".join(f"{way} by {percent}%" for way, percent in steps)
    # The percents added to the number or to each other, the other way, the share for what is left.
    astray = [whole + together, whole - together, whole - Fraction(whole * together, 100)]
    astray += [Fraction(whole * percent, 100) for _, percent in steps]
    if len(steps) > 1:
        astray.append(whole + Fraction(whole * together, 100))
    pool = (slip for slip in chain(slips, digits_off(int(answer))) if slip > 0)
    return Sum(text, answer, pool, astray=tuple(astray))


def decimal(rng: random.Random, level: int) -> Sum:
    if level == 1:
        a, b, places, sign = rng.randrange(2, 10), rng.randrange(2, 10), 1, "+"
        answer = Fraction(a + b, 10)
        text = f"{plain(Fraction(a, 10))} + {plain(Fraction(b, 10))}"
    elif level == 2:
        a, b, places, sign = rng.randrange(12, 99), rng.randrange(3, 10), 1, "*"
        answer = Fraction(a * b, 10)
        text = f"{plain(Fraction(a, 10))} * {b}"
    elif level == 3:
        a, b, places, sign = rng.randrange(1010, 3000), rng.randrange(110, 999), 2, "-"
        answer = Fraction(a - b, 100)
        text = f"{plain(Fraction(a, 100))} - {plain(Fraction(b, 100))}"
    elif level == 4:
        a, b, places, sign = rng.randrange(12, 99), rng.randrange(12, 99), 2, "*"
        answer = Fraction(a * b, 100)
        text = f"{plain(Fraction(a, 10))} * {plain(Fraction(b, 10))}"
    else:
        a, b, places, sign = rng.randrange(112, 999), rng.randrange(12, 99), 3, "*"
        answer = Fraction(a * b, 1000)
        text = f"{plain(Fraction(a, 100))} * {plain(Fraction(b, 10))}"
    if a % 10 == 0 or b % 10 == 0 or (answer * 10**places) % 10 == 0:
        return decimal(rng, level)
    whole = int(answer * 10**places)
    shifted = [answer * 10, answer / 10] if sign == "*" else [answer + Fraction(1, 10), answer - Fraction(1, 10)]
    wrong = wrong_products(a, b) if sign == "*" else digits_off(whole)
    # A final zero would be dropped when written, and the number would stand out as the shortest.
    near = (Fraction(n, 10**places) for n in wrong if n > 0 and n % 10)
    return Sum(text, answer, chain(shifted, near), decimals=True)
