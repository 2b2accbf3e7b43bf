"""Results too long to write down: digits far out, remainders of huge numbers, long periods, checksums."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import isqrt

from build.hard.computation.exercise import Exercise, others, shifted, window, worded
from build.hard.computation.factors import primes_between
from build.hard.computation.long.runs import some_prime
from build.hard.computation.residues import remaining

PLACES = range(-3, 4)
N_DIGITS = 5


def long_digit_sum(rng: random.Random, level: int) -> Exercise:
    """Among seven sums with its residue mod 9; at level 9 its place about the mean is drawn evenly."""
    low, high = {9: (90, 150), 10: (1200, 4000)}[level]
    place = rng.choice(PLACES)
    while True:
        base = rng.choice([n for n in range(13, 999) if n % 5 and n % 3 and n % 11 and n not in (16, 32, 64, 128)])
        exponent = rng.randrange(20, 1600)
        result = base**exponent
        if 3.3 * low < result.bit_length() < 3.3 * high:
            total = sum(map(int, str(result)))
            if level == 10 or round((total - 4.5 * len(str(result))) / 9) == place:
                break
    what = f"the digits of {base}^{exponent}"
    question = worded(rng, ("What is the sum of {}?", "What do {} add up to?"), what)
    return Exercise(what, question, f"The sum of {what} is {{}}.", str(total), window(rng, total, 9, place))


def whole_root(number: int, degree: int) -> int:
    """Rounded down, by Newton's way."""
    if degree == 2:
        return isqrt(number)
    root = 1 << -(-number.bit_length() // degree)
    while True:
        nearer = ((degree - 1) * root + number // root ** (degree - 1)) // degree
        if nearer >= root:
            return root
        root = nearer


def root_digits(rng: random.Random, level: int) -> Exercise:
    """Of a square or cube root; the wrong ones stand elsewhere in it."""
    degree, place = rng.choice((2, 3)), rng.randrange(*{9: (32, 60), 10: (700, 4000)}[level])
    number = rng.choice([n for n in range(101, 9999) if whole_root(n, degree) ** degree != n])
    last = place + N_DIGITS * 7
    scaled = whole_root(number * 10 ** (degree * last), degree)
    groups = [f"{scaled // 10 ** (N_DIGITS * k) % 10**N_DIGITS:05d}" for k in range(7, -1, -1)]
    kind = {2: "square", 3: "cube"}[degree]
    what = f"decimal places {place - N_DIGITS + 1} to {place} of the {kind} root of {number}"
    question = worded(
        rng,
        (
            "Which five digits stand at {}, if the first place after the point is place 1?",
            "Counting the first place after the point as place 1, which five digits stand at {}?",
        ),
        what,
    )
    statement = f"Counting the first place after the point as place 1, the five digits at {what} are {{}}."
    return Exercise(what, question, statement, groups[0], _elsewhere(rng, groups))


def _elsewhere(rng: random.Random, groups: Sequence[str]) -> tuple[str, ...]:
    pool = [group for group in dict.fromkeys(groups) if group != groups[0]]
    rng.shuffle(pool)
    return tuple(pool)


def power_digits(rng: random.Random, _: int) -> Exercise:
    """From the middle of a power, where neither logarithms nor last digits reach."""
    base = rng.choice([n for n in range(13, 999) if n % 10])
    exponent = rng.randrange(700, 1500)
    text = str(base**exponent)
    place = len(text) // 2 + rng.randrange(-99, 99)
    groups = [text[place - 1 + k : place - 1 + k + N_DIGITS] for k in range(0, 8 * N_DIGITS, N_DIGITS)]
    what = f"places {place} to {place + N_DIGITS - 1} of {base}^{exponent}"
    question = f"Counted from the left, which five digits stand at {what} (a number of {len(text)} digits)?"
    statement = f"Counted from the left, the five digits at {what}, a number of {len(text)} digits, are {{}}."
    return Exercise(what, question, statement, groups[0], _elsewhere(rng, groups))


def long_factorial(rng: random.Random, level: int) -> Exercise:
    low, high, least, most = {9: (10_007, 99_991, 150, 300), 10: (10**6, 9 * 10**6, 1500, 4000)}[level]
    modulus, number = some_prime(rng, low, high), rng.randrange(least, most)
    values = list(accumulate(range(1, number + 7), lambda left, k: left * k % modulus, initial=1))
    text = f"{number}! (the product of the whole numbers from 1 to {number}) is divided by {modulus}"
    pool = others(rng, values[number], values[number - 6 :])
    if values[number] < modulus // 50:
        return long_factorial(rng, level)
    return remaining(text, text, rng, values[number], pool)


@lru_cache(maxsize=1)
def _partitions() -> list[int]:
    """By the pentagonal numbers."""
    found = [1]
    while len(found) < 2600:
        n, k, total = len(found), 1, 0
        while (first := n - k * (3 * k - 1) // 2) >= 0:
            pair = found[first] + (found[first - k] if first >= k else 0)
            total, k = total + (pair if k % 2 else -pair), k + 1
        found.append(total)
    return found


@lru_cache(maxsize=1)
def _distinct_partitions() -> list[int]:
    found = [1] + [0] * 900
    for part in range(1, len(found)):
        for n in range(len(found) - 1, part - 1, -1):
            found[n] += found[n - part]
    return found


def partitions(rng: random.Random, level: int) -> Exercise:
    """Of a number into parts, which at times must differ."""
    modulus = some_prime(rng, 10_007, 99_991)
    if level == 9:
        counts, parts = _partitions(), "positive whole numbers"
        number = rng.choice([n for n in range(105, 199) if n % 10])
    elif rng.random() < 0.5:
        counts, parts, number = _partitions(), "positive whole numbers", rng.randrange(1100, 2590) // 10 * 10 + 3
    else:
        counts, parts, number = _distinct_partitions(), "different positive whole numbers", rng.randrange(400, 890)
    values = [count % modulus for count in counts[number - 6 : number + 7]]
    text = f"the number of ways to write {number} as a sum of {parts}, whatever their order, is divided by {modulus}"
    pool = others(rng, values[6], values)
    return remaining(f"{parts} {number}", text, rng, values[6], pool)


def set_partitions(rng: random.Random, level: int) -> Exercise:
    """Bell numbers, by their triangle."""
    low, high, least, most = {9: (10_007, 99_991, 60, 90), 10: (10**6, 9 * 10**6, 300, 600)}[level]
    modulus, number = some_prime(rng, low, high), rng.randrange(least, most)
    row, bells = [1], [1]
    while len(bells) < number + 7:
        row = list(accumulate(row, lambda a, b: (a + b) % modulus, initial=row[-1]))
        bells.append(row[0])
    text = f"the number of ways to divide a set of {number} things into nonempty groups is divided by {modulus}"
    return remaining(text, text, rng, bells[number], others(rng, bells[number], bells[number - 6 :]))


def zigzags(rng: random.Random, _: int) -> Exercise:
    """Alternating orders, by Seidel's triangle."""
    modulus, number = some_prime(rng, 10**6, 9 * 10**6), rng.randrange(300, 600)
    row, counts = [1], [1]
    while len(counts) < number + 7:
        row = list(accumulate(reversed(row), lambda a, b: (a + b) % modulus, initial=0))
        counts.append(row[-1])
    text = (
        f"the number of orders of the whole numbers from 1 to {number} that alternately rise and fall, with a rise "
        f"first, is divided by {modulus}"
    )
    return remaining(text, text, rng, counts[number], others(rng, counts[number], counts[number - 6 :]))


def period_of_root(number: int) -> int:
    """Of the continued fraction of a square root."""
    whole = isqrt(number)
    added, under, term, length = 0, 1, whole, 0
    while term != 2 * whole:
        added = term * under - added
        under = (number - added * added) // under
        term = (whole + added) // under
        length += 1
    return length


def root_period(rng: random.Random, level: int) -> Exercise:
    """Of a prime of the form 4n + 3, for which the period's residue mod 4 is known: all options have it."""
    low, high, least, most = {9: (20_000, 200_000, 90, 260), 10: (4 * 10**6, 4 * 10**7, 1000, 6000)}[level]
    while True:
        prime = some_prime(rng, low, high)
        if prime % 4 == 3 and least < (answer := period_of_root(prime)) < most:
            break
    what = f"the period of the simple continued fraction of the square root of {prime}"
    step = 4 if level == 9 else rng.choice((4, 8, 12, 20))
    question = worded(rng, ("How many terms has {}?", "What is the length of {}?"), what)
    pool = window(rng, answer, step, rng.choice(PLACES))
    return Exercise(what, question, f"The number of terms of {what} is {{}}.", str(answer), pool)


def _divisors_summed(number: int) -> int:
    total = 1
    for p in primes_between(2, isqrt(number)):
        if p * p > number:
            break
        if number % p == 0:
            term = 1
            while number % p == 0:
                number, term = number // p, term * p + 1
            total *= term
    return total * (number + 1 if number > 1 else 1)


def divisors_again(rng: random.Random, _: int) -> Exercise:
    """An aliquot sequence, until its terms have nine or ten digits. The wrong results agree modulo all up to 16."""
    start, n_steps = rng.randrange(10_000, 400_000) * 6, rng.randrange(7, 15)
    value = start
    for _step in range(n_steps):
        value = _divisors_summed(value) - value
        if not 1000 < value < 9 * 10**9:
            return divisors_again(rng, _)
    if value < 9 * 10**7:
        return divisors_again(rng, _)
    rule = "each number is followed by the sum of its positive divisors, itself left out"
    question = f"If {rule}, which number comes {n_steps} steps after {start}?"
    statement = f"If {rule}, the number {n_steps} steps after {start} is {{}}."
    return Exercise(f"{start}", question, statement, str(value), shifted(rng, value, (), 720_720, value // 6))


WORDS = (
    "amber anchor autumn basket beacon bridge candle canyon carpet cellar copper cotton dragon engine "
    "falcon feather forest garden ginger hammer harbour island jungle kettle ladder lantern marble meadow "
    "mirror mountain needle orchard palace pepper pillow planet pocket quarry rabbit ribbon saddle sailor "
    "shadow silver spider stable summer temple thunder timber tunnel valley velvet violet walnut window "
    "winter wizard yellow"
)


def checksum(rng: random.Random, level: int) -> Exercise:
    """Of a phrase, or of a row of numbers. The wrong ones are those from other starts."""
    modulus = some_prime(rng, *{9: (10**5, 10**6), 10: (2 * 10**6, 9 * 10**6)}[level])
    begin = rng.randrange(100, 999)
    if level == 9:
        phrase = " ".join(rng.sample(WORDS.split(), rng.randrange(7, 10)))
        text = f'the letters of "{phrase}" from left to right (a is 1, b is 2, and so on to z, 26; spaces are left out)'
        codes = [ord(letter) - 96 for letter in phrase if letter != " "]
    else:
        first = rng.randrange(100, 999)
        last = first + rng.randrange(200, 900)
        text = f"the digits of all whole numbers from {first} to {last}, written one behind the other in that order,"
        codes = [int(digit) for n in range(first, last + 1) for digit in str(n)]

    def total(value: int) -> int:
        for code in codes:
            value = (value * value + code) % modulus
        return value

    answer = total(begin)
    told = f"for each of {text} h is replaced by the remainder of h^2 plus that value when divided by {modulus}"
    if level == 10:
        told = told.replace("that value", "that digit")
    pool = others(rng, answer, [total(begin + move) for move in (1, 2, 3, -1, -2, -3, 10)])
    question = f"A checksum h starts at {begin}; {told}. What is h at the end?"
    return Exercise(told, question, f"If h starts at {begin} and {told}, then h at the end is {{}}.", str(answer), pool)
