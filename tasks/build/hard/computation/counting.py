"""Counts and sums over many numbers: primes, lattice points and paths, values of arithmetic functions."""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import accumulate
from math import isqrt, log, pi

from build.hard.computation.exercise import THOUSAND_AND_ONE, Exercise, shifted, window, worded
from build.hard.computation.factors import primes_between
from build.hard.computation.long.runs import some_prime

PLACES = range(-3, 4)


def kth_prime(rng: random.Random, _: int) -> Exercise:
    """The wrong ones are the primes next to it."""
    primes = primes_between(2, 40_000)
    rank = rng.choice([k for k in range(1100, 3300) if k % 50 and not 1215 < k < 1245])
    place = rng.choice(PLACES)
    pool = [primes[rank - 1 + other - place] for other in PLACES if other != place]
    rng.shuffle(pool)
    question = f"If the prime numbers are counted from 2 as number 1, which is prime number {rank}?"
    statement = f"If the prime numbers are counted from 2 as number 1, prime number {rank} is {{}}."
    answer = primes[rank - 1]
    return Exercise(f"prime near {rank // 8}", question, statement, str(answer), tuple(map(str, pool)))


def primes_within(rng: random.Random, _: int) -> Exercise:
    """Between two numbers of nine digits, in places evenly drawn about the number to be expected."""
    base, length = rng.randrange(10**8, 2 * 10**9), rng.randrange(3000, 6000)
    size = length + 30_000
    kept = bytearray([1]) * size
    for p in primes_between(2, isqrt(base + size)):
        kept[-base % p :: p] = bytes(len(range(-base % p, size, p)))
    before = [0, *accumulate(kept)]
    step, place = rng.choice((1, 2, 3)), rng.choice(PLACES)
    wanted = round(length / log(base)) + step * place
    fitting = [first for first in range(size - length) if before[first + length + 1] - before[first] == wanted]
    if not fitting:
        return primes_within(rng, _)
    low = base + rng.choice(fitting)
    what = f"prime numbers from {low} to {low + length}"
    question = worded(rng, ("How many {} are there?", "What is the number of {}?"), what)
    pool = window(rng, wanted, step, place)
    return Exercise(what, question, f"The number of {what} is {{}}.", str(wanted), pool)


def points_in_circle(rng: random.Random, level: int) -> Exercise:
    """All options have the residue mod 8 that the symmetry of the circle gives."""
    low, high = {9: (20_000, 90_000), 10: (10**6, 3 * 10**6)}[level]
    place = rng.choice(PLACES)
    while True:
        square = rng.randrange(low, high)
        answer = sum(2 * isqrt(square - x * x) + 1 for x in range(1, isqrt(square) + 1)) * 2 + 2 * isqrt(square) + 1
        if round((answer - pi * square) / 8) == place:
            break
    what = f"pairs of integers x and y (positive, negative or zero) with x^2 + y^2 <= {square}"
    question, statement = f"How many {what} are there?", f"The number of {what} is {{}}."
    return Exercise(f"circle {square}", question, statement, str(answer), window(rng, answer, 8, place))


def _as_two_squares(number: int) -> int:
    """Of how many pairs of integers a number is the sum of squares."""
    count = 4
    while number % 2 == 0:
        number //= 2
    for p in primes_between(3, isqrt(number)):
        if p * p > number:
            break
        power = 0
        while number % p == 0:
            number, power = number // p, power + 1
        if p % 4 == 1:
            count *= power + 1
        elif power % 2:
            return 0
    return count if number == 1 else 2 * count if number % 4 == 1 else 0


def three_squares(rng: random.Random, _: int) -> Exercise:
    """Of a prime of the form 8n + 3, an odd multiple of 24."""
    while True:
        prime = some_prime(rng, 10**6, 6 * 10**6)
        if prime % 8 == 3:
            break
    answer = 2 * sum(_as_two_squares(prime - a * a) for a in range(1, isqrt(prime) + 1, 2))
    what = f"triples of integers x, y and z (positive or negative, in order) with x^2 + y^2 + z^2 = {prime}"
    question, statement = f"How many {what} are there?", f"The number of {what} is {{}}."
    return Exercise(what, question, statement, str(answer), window(rng, answer, 48, rng.choice(PLACES)))


def paths(rng: random.Random, _: int) -> Exercise:
    """By single steps right, up or both at once, past forbidden points."""
    size = rng.randrange(11, 14)
    inner = [(x, y) for x in range(size + 1) for y in range(size + 1) if 1 < x + y < 2 * size - 1]
    forbidden = set(rng.sample(inner, rng.randrange(9, 14)))
    ways = {(0, 0): 1}
    for x in range(size + 1):
        for y in range(size + 1):
            if x + y and (x, y) not in forbidden:
                ways[x, y] = sum(ways.get(before, 0) for before in ((x - 1, y), (x, y - 1), (x - 1, y - 1)))
    answer = ways[size, size]
    if answer < 90 * THOUSAND_AND_ONE:
        return paths(rng, _)
    points = ", ".join(f"({x},{y})" for x, y in sorted(forbidden))
    what = (
        f"from (0,0) to ({size},{size}) when each step adds 1 to x, or to y, or to both, and none of the points "
        f"{points} may be visited"
    )
    pool = shifted(rng, answer, (), THOUSAND_AND_ONE, answer // 20)
    return Exercise(what, f"How many paths lead {what}?", f"The number of paths {what} is {{}}.", str(answer), pool)


def cubes_left(rng: random.Random, _: int) -> Exercise:
    """A sum of remainders. As the sum of the cubes is known, all options agree modulo the divisor."""
    place = rng.choice(PLACES)
    while True:
        modulus, last, power = rng.choice(primes_between(1009, 9973)), rng.randrange(90, 170), rng.choice((3, 5))
        answer = sum(pow(n, power, modulus) for n in range(1, last + 1))
        if round(answer / modulus - last / 2) == place:
            break
    what = f"the remainders that n^{power} leaves when divided by {modulus}, for all whole numbers n from 1 to {last}"
    pool = window(rng, answer, modulus, place)
    return Exercise(what, f"What is the sum of {what}?", f"The sum of {what}, is {{}}.", str(answer), pool)


@lru_cache(maxsize=1)
def _least_factors() -> list[int]:
    least = list(range(100_000))
    for p in primes_between(2, 316):
        for n in range(p * p, len(least), p):
            if least[n] == n:
                least[n] = p
    return least


@lru_cache(maxsize=2)
def _signs(square_free: bool) -> list[int]:
    """-1 to the number of prime factors (Liouville); square_free: 0 where one of them comes twice (Moebius)."""
    least, signs = _least_factors(), [0, 1]
    for n in range(2, len(least)):
        p, rest = least[n], n // least[n]
        signs.append(0 if square_free and rest % p == 0 else -signs[rest])
    return list(accumulate(signs))


def totients_added(rng: random.Random, _: int) -> Exercise:
    """All options have the residue mod 4 that primes decide."""
    last, least = rng.randrange(300, 700), _least_factors()
    totients = [0, 1]
    for n in range(2, last + 1):
        p, rest = least[n], n // least[n]
        totients.append(totients[rest] * (p if rest % p == 0 else p - 1))
    answer = sum(totients)
    question = (
        f"How many fractions a/b in lowest terms are there with 1 <= a <= b <= {last} (1/1 is one of them)?"
        if rng.random() < 0.5
        else f"What is the sum of Euler's phi(n) for all whole numbers n from 1 to {last}?"
    )
    statement = f"The sum of Euler's phi(n) for all whole numbers n from 1 to {last} is {{}}."
    pool = window(rng, answer, rng.choice((4, 8, 12)), rng.choice(PLACES))
    return Exercise(f"phi to {last // 4}", question, statement, str(answer), pool)


def squares_digits(rng: random.Random, _: int) -> Exercise:
    first, power = rng.randrange(2000, 30_000), rng.choice((2, 3))
    last = first + rng.randrange(70, 110)
    answer = sum(sum(map(int, str(n**power))) for n in range(first, last + 1))
    kind = {2: "squares", 3: "cubes"}[power]
    what = f"the {kind} of all whole numbers from {first} to {last}"
    question = f"If all decimal digits of {what} are added, what is the sum?"
    statement = f"If all decimal digits of {what} are added, the sum is {{}}."
    return Exercise(what, question, statement, str(answer), window(rng, answer, 9, rng.choice(PLACES)))


def signs_added(rng: random.Random, _: int) -> Exercise:
    """The parity of the sum can be had from the number of square-free numbers: all options have it."""
    square_free = rng.random() < 0.5
    first, last = sorted(rng.sample(range(5_000, 99_999), 2))
    if last - first < 9000:
        return signs_added(rng, _)
    sums = _signs(square_free)
    answer = sums[last] - sums[first - 1]
    if square_free:
        name, told = "Moebius function mu(n)", "zero if a square above one divides n, otherwise "
    else:
        name, told = "Liouville function lambda(n)", "with repeated prime factors counted each time, "
    told += "1 for an even and -1 for an odd number of prime factors"
    what = f"the {name} for all whole numbers n from {first} to {last}"
    if not answer:
        return signs_added(rng, _)
    pool = [n for n in window(rng, answer, rng.choice((2, 4, 6)), rng.choice(PLACES)) if n != "0"]
    question = f"What is the sum of {what}? (It is {told}.)"
    return Exercise(what, question, f"The sum of {what} is {{}}.", str(answer), tuple(pool))
