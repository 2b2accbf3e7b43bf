"""Exact results modulo a number: powers, last digits, factorials, binomials, inverses, congruences, sequences."""

from __future__ import annotations

import random
from math import comb, factorial, gcd, prod

from build.hard.computation.exercise import Exercise, residues, worded
from build.hard.computation.factors import primes_between

REMAINDER = ("What is the remainder when {}?", "Which remainder is left when {}?")


def remaining(key: str, text: str, rng: random.Random, answer: int, pool: list[int]) -> Exercise:
    statement = f"When {text}, the remainder is {{}}."
    return Exercise(key, worded(rng, REMAINDER, text), statement, str(answer), tuple(map(str, pool)))


def modular_power(rng: random.Random, level: int) -> Exercise:
    low, high, least, most = {
        6: (53, 99, 23, 60),
        7: (127, 420, 30, 90),
        8: (431, 999, 80, 300),
        9: (1009, 9973, 250, 1500),
        10: (10007, 99991, 2000, 9999),
    }[level]
    modulus = rng.choice(primes_between(low, high))
    base = rng.randrange(max(12, min(modulus // 9, 999)), min(modulus - 5, 3000))
    exponent = rng.randrange(least, min(most, modulus - 2))
    answer = pow(base, exponent, modulus)
    others = [exponent - 1, exponent + 1, *(exponent ^ 1 << bit for bit in range(1, 5))]
    slips = [pow(base, other, modulus) for other in others]
    if answer < 12 or answer > modulus - 12:
        return modular_power(rng, level)
    text = f"{base}^{exponent} is divided by {modulus}"
    return remaining(text, text, rng, answer, residues(rng, answer, slips, lambda n: 1 < n < modulus))


def last_digits(rng: random.Random, level: int) -> Exercise:
    """The wrong ones have the last digits of the right one, those that are found at a glance."""
    n_places, most = {6: (3, 40), 7: (3, 90), 8: (4, 200), 9: (4, 900), 10: (5, 9999)}[level]
    keep = {6: 10, 7: 20, 8: 20, 9: 40, 10: 100}[level]
    modulus = 10**n_places
    base = rng.choice([n for n in range(13, 999) if n % 10 in (3, 7) or (n % 10 in (1, 9) and level > 7)])
    exponent = rng.choice([n for n in range(most // 3, most) if n % 10 not in (0, 5)])
    answer = pow(base, exponent, modulus)
    if n_places == 3 and answer < 100 and rng.random() < 0.5:
        return last_digits(rng, level)
    slips = [pow(base, other, modulus) for other in (exponent + 1, exponent - 1, exponent + 10, exponent - 10)]
    slips = [slip + (answer - slip) % keep for slip in slips]
    pool = residues(rng, answer, slips, lambda n: 0 < n < modulus, keep * (1 if n_places == 3 else 3))
    name = {3: "three", 4: "four", 5: "five"}[n_places]
    what = f"the last {name} digits of {base}^{exponent}"
    written = [f"{n:0{n_places}d}" for n in (answer, *pool)]
    return Exercise(what, f"What are {what}?", f"{what[0].upper()}{what[1:]} are {{}}.", written[0], tuple(written[1:]))


def factorial_left(rng: random.Random, level: int) -> Exercise:
    """A factorial, or a product of numbers in a row, by a prime that is not among them."""
    low, high, least, most = {
        6: (53, 99, 12, 18),
        7: (211, 499, 14, 22),
        8: (503, 997, 20, 30),
        9: (2003, 9973, 26, 40),
        10: (10007, 99991, 60, 90),
    }[level]
    modulus, number = rng.choice(primes_between(low, high)), rng.randrange(least, most)
    answer = factorial(number) % modulus
    slips = [factorial(number + 1), factorial(number - 1), factorial(number) // rng.randrange(3, 8)]
    slips += [factorial(number) // rng.randrange(8, 12) * 13, -factorial(number)]
    if answer < 12 or answer > modulus - 12:
        return factorial_left(rng, level)
    pool = residues(rng, answer, [slip % modulus for slip in slips], lambda n: 1 < n < modulus)
    text = f"{number}! (the product of the whole numbers from 1 to {number}) is divided by {modulus}"
    return remaining(text, text, rng, answer, pool)


def binomial_left(rng: random.Random, level: int) -> Exercise:
    """By Lucas' theorem digit by digit, or step by step."""
    n_digits, low, high = {6: (2, 11, 20), 7: (3, 23, 40), 8: (3, 41, 80), 9: (4, 61, 120), 10: (5, 101, 200)}[level]
    modulus = rng.choice(primes_between(low, high))
    while True:
        top = rng.randrange(10 ** (n_digits - 1) * 3, 10**n_digits)
        bottom = rng.randrange(top // 5, top - top // 5) if level > 6 else rng.randrange(5, min(9, top // 2))
        answer = binomial(top, bottom, modulus)
        if answer > 1 and answer < modulus - 1:
            break
    slips = [binomial(top, bottom + 1, modulus), binomial(top, bottom - 1, modulus)]
    slips += [binomial(top - 1, bottom, modulus), binomial(top + 1, bottom, modulus), (modulus - answer) % modulus]
    slips += rng.sample(range(2, modulus - 1), 4)
    pool = residues(rng, answer, slips, lambda n: 1 < n < modulus)
    what = f"C({top}, {bottom}), the number of ways to choose {bottom} of {top} things,"
    return remaining(what, f"{what} is divided by {modulus}", rng, answer, pool)


def binomial(top: int, bottom: int, prime: int) -> int:
    """The remainder of a binomial coefficient, by Lucas."""
    result = 1
    while top or bottom:
        result = result * comb(top % prime, bottom % prime) % prime
        top, bottom = top // prime, bottom // prime
    return result


def inverse(rng: random.Random, level: int) -> Exercise:
    """The x for which a * x leaves 1, or another remainder."""
    low, high = {6: (101, 400), 7: (1009, 4000), 8: (10007, 40000), 9: (100003, 400000), 10: (2 * 10**8, 10**9)}[level]
    while True:
        modulus = rng.randrange(low, high)
        factor = rng.randrange(modulus // 9, modulus - modulus // 9)
        if gcd(modulus, 30) == 1 and gcd(factor, modulus) == 1:
            break
    left = 1 if rng.random() < 0.5 else rng.randrange(2, min(modulus, 1000))
    whole = pow(factor, -1, modulus)
    answer = whole * left % modulus
    slips = [modulus - answer, whole * (left + 1) % modulus, pow(modulus % factor or 1, 1) * left % modulus]
    beside = [other for other in (factor + 1, factor - 1) if gcd(other, modulus) == 1]
    slips += [pow(other, -1, modulus) * left % modulus for other in beside]
    slips += [answer + rng.choice((1, -1)) * rng.randrange(1, 60) * 10 ** max(0, level - 7) for _ in range(2)]
    if answer < 12 or answer > modulus - 12:
        return inverse(rng, level)
    pool = residues(rng, answer, slips, lambda n: 1 < n < modulus, 10 ** max(0, level - 8))
    what = f"{factor} * x leaves the remainder {left} when it is divided by {modulus}"
    question = f"For which whole number x from 1 to {modulus - 1} is it true that {what}?"
    if rng.random() < 0.5:
        question = f"What is the smallest positive whole number x such that {what}?"
    statement = f"The smallest positive whole number x such that {what} is {{}}."
    return Exercise(what, question, statement, str(answer), tuple(map(str, pool)))


def remainders_given(rng: random.Random, level: int) -> Exercise:
    """The smallest number with given remainders; the wrong ones have all of them but one."""
    low, high, count = {6: (23, 60, 2), 7: (13, 40, 3), 8: (60, 140, 3), 9: (60, 140, 4), 10: (300, 999, 5)}[level]
    moduli = sorted(rng.sample(primes_between(low, high), count))
    whole = prod(moduli)
    answer = rng.randrange(whole // 9, whole)
    left = [answer % modulus for modulus in moduli]
    if min(left) < 2:
        return remainders_given(rng, level)
    slips = []
    for modulus in moduli:
        others = whole // modulus
        slips += [(answer + others * times) % whole for times in rng.sample(range(1, modulus), 5)]
    pool = [slip for slip in dict.fromkeys(slips) if whole // 20 < slip != answer]
    rng.shuffle(pool)
    what = " and ".join(f"{rest} when divided by {modulus}" for rest, modulus in zip(left, moduli, strict=True))
    what = what.replace(" and ", ", ", count - 2)
    question = f"What is the smallest positive whole number that leaves the remainders {what}?"
    statement = f"The smallest positive whole number that leaves the remainders {what} is {{}}."
    return Exercise(what, question, statement, str(answer), tuple(map(str, pool)))
