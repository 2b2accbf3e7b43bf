"""What the factors of large numbers decide: common divisors and multiples, phi, sums of divisors, the next prime."""

from __future__ import annotations

import random
from functools import lru_cache
from math import gcd, isqrt, lcm, prod

from build.hard.computation.exercise import NINES_AND_ELEVENS, THOUSAND_AND_ONE, Exercise, shifted, worded


@lru_cache(maxsize=1)
def _sieve() -> tuple[int, ...]:
    """The primes below 100,000."""
    kept = bytearray([1]) * 100_000
    for n in range(2, isqrt(len(kept)) + 1):
        if kept[n]:
            kept[n * n :: n] = bytes(len(range(n * n, len(kept), n)))
    return tuple(n for n in range(2, len(kept)) if kept[n])


def primes_between(low: int, high: int) -> list[int]:
    return [p for p in _sieve() if low <= p <= high]


def least_factor(number: int) -> int:
    """Of a number below 10^10, by trial."""
    for p in _sieve():
        if p * p > number:
            return number
        if number % p == 0:
            return p
    return number


def rough(rng: random.Random, n_digits: int) -> int:
    """A number of so many digits without a factor below 7."""
    while True:
        number = rng.randrange(10 ** (n_digits - 1), 10**n_digits)
        if (n_digits == 1 and number in (1, 7)) or (n_digits > 1 and gcd(number, 30) == 1):
            return number


def common_divisor(rng: random.Random, level: int) -> Exercise:
    """Wrong ones divide one of the two numbers, or nearly do."""
    size, cofactor = {6: (2, 2), 7: (3, 2), 8: (4, 2), 9: (4, 3), 10: (7, 6)}[level]
    while True:
        answer, one, other = (rough(rng, size) for _ in range(3))
        a, b = answer * one * rough(rng, cofactor), answer * other * rough(rng, cofactor)
        if gcd(a, b) == answer and len({answer, one, other}) == 3:
            break
    near = [rough(rng, size) for _ in range(5)]
    pool = [
        one,
        other,
        *(
            n
            for n in (answer + 30, answer - 30, one + 30, other - 30, answer + 60, one - 30, *near)
            if n > 10 ** (size - 1)
        ),
    ]
    pool += [n for n in near if n not in (answer, one, other)][:3]
    pool = [n for n in dict.fromkeys(pool) if n != answer and len(str(n)) == size]
    a, b = rng.sample((a, b), 2)
    what = f"the greatest common divisor of {a} and {b}"
    question = worded(rng, (f"What is {what}?", f"What is the largest whole number that divides both {a} and {b}?"), "")
    return Exercise(
        what, question, f"The greatest common divisor of {a} and {b} is {{}}.", str(answer), tuple(map(str, pool))
    )


def common_multiple(rng: random.Random, level: int) -> Exercise:
    """Of two numbers whose common divisor is not seen at once, at the hardest levels of three."""
    size, cofactor, count = {6: (2, 2, 2), 7: (2, 3, 2), 8: (3, 3, 2), 9: (3, 3, 3), 10: (4, 5, 3)}[level]
    while True:
        common = rough(rng, size)
        numbers = [common * rough(rng, cofactor) for _ in range(count)]
        answer = lcm(*numbers)
        if answer < prod(numbers) // common ** (count - 1) * 2 and len(set(numbers)) == count:
            break
    names = f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
    what = f"the least common multiple of {names}"
    slips = [answer + rng.choice(numbers) * rng.randrange(-40, 40) for _ in range(3)]
    pool = shifted(rng, answer, slips, NINES_AND_ELEVENS if level < 9 else THOUSAND_AND_ONE)
    return Exercise(what, f"What is {what}?", f"The least common multiple of {names} is {{}}.", str(answer), pool)


def _hidden(rng: random.Random, level: int) -> list[int]:
    """Primes of which a number is made that is not easy to take apart."""
    sizes = {
        6: [(7, 29), (11, 49), (11, 49)],
        7: [(11, 49), (20, 99), (20, 99)],
        8: [(30, 99), (30, 99), (50, 160)],
        9: [(60, 199), (100, 299), (100, 299)],
        10: [(200, 799), (200, 799), (300, 999)],
    }[level]
    while True:
        found = sorted(rng.choice(primes_between(*limits)) for limits in sizes)
        if len(set(found)) == len(found):
            return found


def coprime_below(rng: random.Random, level: int) -> Exercise:
    """Euler's phi."""
    factors = _hidden(rng, level)
    number, answer = prod(factors), prod(p - 1 for p in factors)
    slips = [answer + sum(factors), answer - sum(factors), number // factors[-1] * (factors[-1] - 1)]
    pool = shifted(rng, answer, slips, 24 if level < 8 else 360, (number - answer) // 3)
    question = worded(
        rng,
        (
            "How many of the whole numbers from 1 to {0} have no common factor with {0} other than 1?",
            "What is the value of Euler's totient function phi({})?",
        ),
        str(number),
    )
    statement = f"Of the whole numbers from 1 to {number}, {{}} have no common factor with {number} but 1."
    return Exercise(f"phi({number})", question, statement, str(answer), tuple(n for n in pool if int(n) < number))


def divisors_summed(rng: random.Random, level: int) -> Exercise:
    factors = _hidden(rng, level)
    number, answer = prod(factors), prod(p + 1 for p in factors)
    slips = [answer - number, answer + sum(factors), answer - sum(factors) - 1]
    pool = [n for n in shifted(rng, answer, slips, 24 if level < 8 else 360, (answer - number) // 3) if int(n) > number]
    question = worded(rng, ("What is the sum of all positive divisors of {0}, including 1 and {0}?",), str(number))
    statement = f"The sum of all positive divisors of {number}, including 1 and {number}, is {{}}."
    return Exercise(f"sigma({number})", question, statement, str(answer), tuple(pool))


def next_prime(rng: random.Random, level: int) -> Exercise:
    """Wrong ones have no small factor either: composites in front of it, primes and composites behind."""
    low, high, least = {
        6: (3000, 9000, 7),
        7: (20_000, 90_000, 11),
        8: (10**5, 9 * 10**5, 13),
        9: (2 * 10**6, 9 * 10**6, 17),
        10: (3 * 10**8, 3 * 10**9, 19),
    }[level]
    sieve = [p for p in _sieve() if p < least]
    while True:
        start = rng.randrange(low, high)
        numbers = [n for n in range(start, start + 260) if all(n % p for p in sieve)]
        primes = [n for n in numbers if least_factor(n) == n]
        if len(primes) > 2:
            answer = primes[1]
            before = [n for n in numbers if primes[0] < n < answer]
            behind = [n for n in numbers if n > answer][:9]
            if len(before) >= 3:
                break
    n_before = rng.randrange(4)
    bound = rng.randrange(
        before[-n_before - 1] if len(before) > n_before else primes[0], (*before, answer)[-n_before - 1]
    )
    pool = before[len(before) - n_before :] + behind
    rng.shuffle(pool)
    question = worded(
        rng,
        ("What is the smallest prime number greater than {}?", "Which prime number comes first after {}?"),
        str(bound),
    )
    statement = f"The smallest prime number greater than {bound} is {{}}."
    return Exercise(f"prime after {primes[0]}", question, statement, str(answer), tuple(map(str, pool)))
