"""The long exercises of the hard task `computation`, worked out from their text by other ways than the builder's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count, islice

import mpmath
import numpy as np
import sympy
from bundled.hard.answers.computed_counts import (
    Right,
    by_all_digits,
    by_class_number,
    by_paths,
    by_points,
    by_primes,
    by_rank,
    by_remainders_added,
    by_signs,
    by_totients,
    same,
)


def by_permanent(m: re.Match[str]) -> Right:
    """Row by row, over the sets of columns used."""
    sums = {0: 1}
    for row in m[1].split(";"):
        longer: dict[int, int] = {}
        for used, total in sums.items():
            for column, value in enumerate(map(int, row.split())):
                if not used >> column & 1:
                    key = used | 1 << column
                    longer[key] = longer.get(key, 0) + total * value
        sums = longer
    (total,) = sums.values()
    return same(total)


def by_expansion(m: re.Match[str]) -> Right:
    base = sympy.Poly(sympy.sympify(m[2].replace("^", "**")), sympy.Symbol("x"))
    return same((base ** int(m[3])).coeff_monomial(sympy.Symbol("x") ** int(m[1])))


def by_terms(first: str, second: str, added: str, modulus: str, wanted: str) -> Right:
    one, other = int(first), int(second)
    for _ in range(int(wanted) - 2):
        one, other = other, (one * other + int(added)) % int(modulus)
    return same(other)


@lru_cache(maxsize=2)
def self_referring(far: int) -> dict[int, int]:
    values = dict.fromkeys(range(1, 3 if far == 2 else 5), 1)
    for n in range(len(values) + 1, 12_001):
        values[n] = values[n - values[n - 1]] + values[n - values[n - far]]
    return values


def halvings(start: int) -> int:
    """The odd steps and the halvings after each together."""
    n_steps = 0
    while True:
        zeros = (start & -start).bit_length() - 1
        start, n_steps = start >> zeros, n_steps + zeros
        if start == 1:
            return n_steps
        start, n_steps = 3 * start + 1, n_steps + 1


@lru_cache(maxsize=200_000)
def halvings_known(start: int) -> int:
    """The same, remembered."""
    if start == 1:
        return 0
    return 1 + halvings_known(3 * start + 1 if start % 2 else start // 2)


def by_circle(m: re.Match[str]) -> Right:
    """Backwards: the place of the last one, seen from where each round starts."""
    assert m[1] == m[2]
    n_people, rule = int(m[1]), sympy.lambdify(sympy.Symbol("k"), sympy.sympify(m[3].replace("^", "**")))
    place = 0
    for size in range(2, n_people + 1):
        place = (place + rule(n_people - size + 1)) % size
    return same(place + 1)


def by_cells(m: re.Match[str]) -> Right:
    n_rows = int(m[2])
    row = np.zeros(len(m[1]) + 2 * n_rows + 4, dtype=bool)
    row[n_rows + 2 : n_rows + 2 + len(m[1])] = [letter == "B" for letter in m[1]]
    for _ in range(n_rows):
        left, right = np.roll(row, 1), np.roll(row, -1)
        row = (left & ~row & ~right) | (~left & (row | right))
    return same(int(row.sum()))


def by_root_digits(first: str, last: str, kind: str, number: str) -> Right:
    with mpmath.workdps(int(last) + 30):
        root = {"square": mpmath.sqrt, "cube": mpmath.cbrt}[kind](int(number))
        value = int(mpmath.floor(root * mpmath.mpf(10) ** int(last))) % 10**5
    assert int(last) - int(first) == 4
    return same(f"{value:05d}")


def by_power_digits(m: re.Match[str]) -> Right:
    first, last, base, exponent, length = map(int, m.groups())
    value = sympy.Integer(base) ** exponent
    assert 10 ** (length - 1) <= value < 10**length
    assert last - first == 4
    return same(f"{int(value // 10 ** (length - last) % 10**5):05d}")


def by_partitions(m: re.Match[str]) -> Right:
    """All by SymPy; those into different parts from them, as a product of two series."""
    number = int(m[1])
    total = int(sympy.partition(number))
    if m[2]:
        for k in count(1):
            rest = [n for n in (number - k * (3 * k - 1), number - k * (3 * k + 1)) if n >= 0]
            if not rest:
                break
            total += (-1) ** k * sum(int(sympy.partition(n)) for n in rest)
    return same(total % int(m[3]))


@lru_cache(maxsize=1)
def _chosen(last: int, modulus: int) -> np.ndarray:
    """Binomial coefficients modulo a number."""
    table = np.zeros((last + 1, last + 1), dtype=np.int64)
    table[:, 0] = 1
    for n in range(1, last + 1):
        table[n, 1:] = (table[n - 1, 1:] + table[n - 1, :-1]) % modulus
    return table


def by_groups(m: re.Match[str]) -> Right:
    """By the size of the group of the last thing."""
    number, modulus = int(m[1]), int(m[2])
    choose, bells = _chosen(number, modulus), np.ones(number + 1, dtype=np.int64)
    for n in range(number):
        bells[n + 1] = int((choose[n, : n + 1] * bells[: n + 1] % modulus).sum()) % modulus
    return same(bells[number])


def by_zigzags(m: re.Match[str]) -> Right:
    """By where the largest number stands (André)."""
    number, modulus = int(m[1]), int(m[2])
    choose, counts = _chosen(number, modulus), np.ones(number + 1, dtype=np.int64)
    half = pow(2, -1, modulus)
    for n in range(1, number):
        products = choose[n, : n + 1] * counts[: n + 1] % modulus * counts[n::-1] % modulus
        counts[n + 1] = int(products.sum()) * half % modulus
    return same(counts[number])


def by_period(m: re.Match[str]) -> Right:
    """By the cycle of reduced quadratic forms (a, b, c) with b^2 - 4ac = 4n, each form's successor in turn."""
    number = int(m[1])
    whole = math.isqrt(number)
    form = start = (1, 2 * whole, whole * whole - number)
    for length in count(1):
        _, b, c = form
        # The new middle term is -b modulo 2c, the largest not above 2 * sqrt(n).
        middle = 2 * whole - (2 * whole + b) % (2 * abs(c))
        form = (c, middle, (middle * middle - 4 * number) // (4 * c))
        if (abs(form[0]), form[1]) == (start[0], start[1]):
            return same(length)
    raise AssertionError


def by_divisors(m: re.Match[str]) -> Right:
    value = int(m[2])
    for _ in range(int(m[1])):
        value = int(sympy.divisor_sigma(value)) - value
    return same(value)


def by_checksum(begin: str, codes: list[int], modulus: str) -> Right:
    value = int(begin)
    for code in codes:
        value = (pow(value, 2, int(modulus)) + code) % int(modulus)
    return same(value)


def ulam(first: int, second: int) -> Iterator[int]:
    """By counting, for each candidate, the pairs that make it."""
    size = 10_000
    found = np.zeros(size, dtype=bool)
    found[[first, second]] = True
    yield from (first, second)
    ways = np.zeros(size, dtype=np.int64)
    ways[first + second] = 1
    last = second
    while True:
        last += 1 + int(np.argmax(ways[last + 1 :] == 1))
        ways[last:] += found[: size - last]
        found[last] = True
        yield last


@lru_cache(maxsize=1)
def lucky() -> np.ndarray:
    left, rank = np.arange(1, 42_000, 2), 2
    while left[rank - 1] <= len(left):
        left = left[np.arange(1, len(left) + 1) % left[rank - 1] != 0]
        rank += 1
    return left


def by_jumps(m: re.Match[str]) -> Right:
    at, been = 0, {0}
    for n in range(1, int(m[1]) + 1):
        at += -n if at > n and at - n not in been else n
        been.add(at)
    return same(at)


def by_runs(m: re.Match[str]) -> Right:
    """By a queue of runs that are still to be written."""

    def terms() -> Iterator[int]:
        yield from (1, 2, 2)
        waiting, term = [2], 2
        for run in waiting:
            term = 3 - term
            for _ in range(run):
                waiting.append(term)
                yield term

    return same(sum(term == 1 for term in islice(terms(), int(m[1]))))


LEFT = r"(?:What is the remainder when|Which remainder is left when) the number of "
STEP = r"In each step, an even number is halved, and an odd number is multiplied by 3 and then increased by 1\. "
HALF = r"If each number is followed by the sum of its positive divisors, itself left out, "
FORMS: tuple[tuple[str, Callable[[re.Match[str]], Right]], ...] = (
    (r"What is the permanent of the matrix \[(.+)\]\? \(.+\)", by_permanent),
    (r"What is the coefficient of x\^(\d+) in the expansion of \((.+)\)\^(\d+)\?", by_expansion),
    (
        r"If u\(1\) = (\d+), u\(2\) = (\d+), and each later u\(n\) is the remainder of u\(n-1\) \* u\(n-2\) \+ (\d+) "
        r"when divided by (\d+), what is u\((\d+)\)\?",
        lambda m: by_terms(*m.groups()),
    ),
    (
        r"If Q\(1\) = Q\(2\) = 1 and .+ Q\(n - Q\(n-2\)\) for n > 2, what is Q\((\d+)\)\?",
        lambda m: same(self_referring(2)[int(m[1])]),
    ),
    (
        r"If V\(1\) = V\(2\) .+ V\(n - V\(n-4\)\) for n > 4, what is V\((\d+)\)\?",
        lambda m: same(self_referring(4)[int(m[1])]),
    ),
    (STEP + r"After how many steps from (\d+) does the number first become 1\?", lambda m: same(halvings(int(m[1])))),
    (
        STEP + r"If for each whole number from (\d+) to (\d+) the steps .+, what is the sum of all these counts\?",
        lambda m: same(sum(map(halvings_known, range(int(m[1]), int(m[2]) + 1)))),
    ),
    (
        r"(\d+) people stand in a circle, numbered from 1 to (\d+)\. In round k .+ a count to (.+) ends leaves; .+\?",
        by_circle,
    ),
    (r"In an endless row of white cells, some in a row are ([BW]+) .+ after (\d+) such steps\?", by_cells),
    (r"If the prime numbers are counted from 2 as number 1, which is prime number (\d+)\?", by_rank),
    (r"(?:How many|What is the number of) prime numbers from (\d+) to (\d+)(?: are there)?\?", by_primes),
    (r"How many pairs of integers x and y \(.+\) with x\^2 \+ y\^2 <= (\d+) are there\?", by_points),
    (r"How many triples of integers .+ with x\^2 \+ y\^2 \+ z\^2 = (\d+) are there\?", by_class_number),
    (r"How many paths lead from \(0,0\) to \((\d+),(\d+)\) when .+ none of the points (.+) may be visited\?", by_paths),
    (
        r"What is the sum of the remainders that n\^(\d) leaves when divided by (\d+), for all .+ from 1 to (\d+)\?",
        by_remainders_added,
    ),
    (
        r"How many fractions a/b in lowest terms are there with 1 <= a <= b <= (\d+) \(1/1 is one of them\)\?",
        by_totients,
    ),
    (r"What is the sum of Euler's phi\(n\) for all whole numbers n from 1 to (\d+)\?", by_totients),
    (
        r"If all decimal digits of the (squares|cubes) of all .+ from (\d+) to (\d+) are added, what is the sum\?",
        by_all_digits,
    ),
    (r"What is the sum of the (.+)\(n\) for all whole numbers n from (\d+) to (\d+)\? \(.+\)", by_signs),
    (
        r".*hich five digits stand at decimal places (\d+) to (\d+) of the (square|cube) root of (\d+)[?,].*",
        lambda m: by_root_digits(*m.groups()),
    ),
    (
        r"Counted from the left, which five digits stand at places (\d+) to (\d+) of (\d+)\^(\d+) \(.+ (\d+) .+\)\?",
        by_power_digits,
    ),
    (
        LEFT + r"ways to write (\d+) as a sum of (different )?positive whole numbers, .+ is divided by (\d+)\?",
        by_partitions,
    ),
    (LEFT + r"ways to divide a set of (\d+) things into nonempty groups is divided by (\d+)\?", by_groups),
    (
        LEFT + r"orders of the whole numbers from 1 to (\d+) that .+ with a rise first, is divided by (\d+)\?",
        by_zigzags,
    ),
    (r".+ the period of the simple continued fraction of the square root of (\d+)\?", by_period),
    (HALF + r"which number comes (\d+) steps after (\d+)\?", by_divisors),
    (
        r'A checksum h starts at (\d+); for each of the letters of "([a-z ]+)" .+ plus that value when divided by (\d+)'
        r"\. What is h at the end\?",
        lambda m: by_checksum(m[1], [" abcdefghijklmnopqrstuvwxyz".index(c) for c in m[2].replace(" ", "")], m[3]),
    ),
    (
        r"A checksum h starts at (\d+); for each of the digits of all whole numbers from (\d+) to (\d+), .+ plus that "
        r"digit when divided by (\d+)\. What is h at the end\?",
        lambda m: by_checksum(m[1], list(map(int, "".join(map(str, range(int(m[2]), int(m[3]) + 1))))), m[4]),
    ),
    (
        r"A list starts with (\d), (\d); each later .+ Which is number (\d+) of the list\?",
        lambda m: same(next(islice(ulam(int(m[1]), int(m[2])), int(m[3]) - 1, None))),
    ),
    (r"From the odd numbers .+ Which is lucky number (\d+)\?", lambda m: same(lucky()[int(m[1]) - 1])),
    (r"If a\(0\) = 0, and a\(n\) = .+, what is a\((\d+)\)\?", by_jumps),
    (r"The Kolakoski sequence starts .+ How many of its first (\d+) terms are ones\?", by_runs),
)
"""Each form of question, and what tells whether a choice is right."""
