"""Counts and sums of the hard task `computation`, by other ways than the builder's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache

import numpy as np
import sympy

Right = Callable[[str], bool]
"""Whether a choice is right."""


def same(value: object) -> Right:
    return lambda choice: choice == str(value)


def by_rank(m: re.Match[str]) -> Right:
    return same(sympy.prime(int(m[1])))


def is_prime(number: int) -> bool:
    """Miller and Rabin's test, certain below 3,215,031,751."""
    if math.gcd(number, 30_030) > 1:
        return number in (2, 3, 5, 7, 11, 13)
    twos = (number - 1 & 1 - number).bit_length() - 1
    for base in (2, 3, 5, 7):
        power = pow(base, number - 1 >> twos, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def by_primes(m: re.Match[str]) -> Right:
    return same(sum(map(is_prime, range(int(m[1]), int(m[2]) + 1))))


def by_points(m: re.Match[str]) -> Right:
    """By the divisors of the form 4n + 1 less those of the form 4n + 3 (Jacobi)."""
    square = int(m[1])
    one, three = (int((square // np.arange(first, square + 1, 4)).sum()) for first in (1, 3))
    return same(1 + 4 * (one - three))


def by_class_number(m: re.Match[str]) -> Right:
    """24 times the class number of Q(sqrt(-p)) for a prime p = 8n + 3, by its reduced forms."""
    prime = int(m[1])
    assert sympy.isprime(prime)
    assert prime % 8 == 3
    n_forms = 0
    for b in range(1, math.isqrt(prime // 3) + 1, 2):
        product = (b * b + prime) // 4
        a = np.arange(b, math.isqrt(product) + 1)
        a = a[product % a == 0]
        inner = (a != b) & (a * a != product)
        n_forms += len(a) + int(inner.sum())
    return same(24 * n_forms)


def by_paths(m: re.Match[str]) -> Right:
    """From the end back to the start."""
    size = int(m[1])
    assert m[2] == str(size)
    forbidden = {(int(x), int(y)) for x, y in re.findall(r"\((\d+),(\d+)\)", m[3])}

    @cache
    def onward(x: int, y: int) -> int:
        if max(x, y) > size or (x, y) in forbidden:
            return 0
        return 1 if x == y == size else onward(x + 1, y) + onward(x, y + 1) + onward(x + 1, y + 1)

    return same(onward(0, 0))


def by_remainders_added(m: re.Match[str]) -> Right:
    power, modulus, last = map(int, m.groups())
    return same(sum(n**power - n**power // modulus * modulus for n in range(1, last + 1)))


@cache
def mertens(last: int) -> int:
    """The sum of Moebius's function, from that over the quotients."""
    total, n = 1, 2
    while n <= last:
        quotient = last // n
        behind = last // quotient + 1
        total -= (behind - n) * mertens(quotient)
        n = behind
    return total if last else 0


def liouville(last: int) -> int:
    return sum(mertens(last // (d * d)) for d in range(1, math.isqrt(last) + 1))


def by_signs(m: re.Match[str]) -> Right:
    added = {"Moebius function mu": mertens, "Liouville function lambda": liouville}[m[1]]
    return same(added(int(m[3])) - added(int(m[2]) - 1))


def by_totients(m: re.Match[str]) -> Right:
    """By pairs without a common factor."""
    last = int(m[1])
    pairs = sum((mertens(d) - mertens(d - 1)) * (last // d) ** 2 for d in range(1, last + 1))
    return same((pairs + 1) // 2)


def by_all_digits(m: re.Match[str]) -> Right:
    power = {"squares": 2, "cubes": 3}[m[1]]
    return same(sum(map(int, "".join(str(n**power) for n in range(int(m[2]), int(m[3]) + 1)))))
