"""One exercise, and the pools of wrong results that stand beside its result.

A pool is built of a few shifts and their sums. With a result R and shifts x and y the options may be R, R + x, R + y
and R + x + y: each differs from two others by one shift, so no option is the one that the others were made from.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import lcm

NINES_AND_ELEVENS = 990
"""A shift by a multiple of it changes neither the last digit nor what casting out nines or elevens finds."""

N_POOL = 10

TIMES = (1, 2, 3, 4, 6, 11, 12, 18, 21, 29, 31, 47)
"""By how much one digit, or two, may be off."""

THOUSAND_AND_ONE = 90_090
"""A shift by a multiple of it is not found by checks modulo 7 or 13 either."""


@dataclass(frozen=True)
class Exercise:
    """key: what is worked out, whatever the phrasing. pool: wrong results, more than are shown."""

    key: str
    question: str
    statement: str
    answer: str
    pool: tuple[str, ...]


def numeral(rng: random.Random, n_digits: int) -> int:
    """A number of so many digits that does not end in 0 or 5, as trailing zeros and halves make work easy."""
    while True:
        number = rng.randrange(10 ** (n_digits - 1) + 1, 10**n_digits)
        if number % 5:
            return number


def worded(rng: random.Random, phrasings: Sequence[str], what: str) -> str:
    return rng.choice(phrasings).format(what)


def sums(answer: int, shifts: Sequence[int], fits: Callable[[int], bool] = lambda _: True) -> list[int]:
    """The answer with one shift, with two and with three; those that fit."""
    x, y, z, w = shifts
    moves = (x, y, x + y, z, w, x + z, z + w, y + z, y + w, x + w, x + y + z, z + w + x)
    return list(dict.fromkeys(answer + move for move in moves if move and fits(answer + move)))


def signed(rng: random.Random, sizes: Sequence[int]) -> list[int]:
    """Four sizes, two of them to be added and two to be taken away, in random order."""
    signs = [1, 1, -1, -1]
    rng.shuffle(signs)
    return [sign * size for sign, size in zip(signs, sizes, strict=True)]


def digits_apart(rng: random.Random, answer: int, lowest: int) -> tuple[str, ...]:
    """Numbers in which two, four or six digits inside the answer are wrong, and its residues mod 9 and 11 right.

    A shift is c * (10^w - 1) * 10^k: one digit too large, one w places lower too small. 99 keeps the residues mod 9 and
    11, 9999 that mod 101 too, 999999 those mod 7, 13 and 37; the longer the answer, the larger w is. lowest: the lowest
    place that may change.
    """
    n_digits = len(str(answer))
    top = n_digits - (3 if n_digits < 9 else 4)
    spots = [
        (w, k)
        for w in ((2, 4) if n_digits < 12 else (4, 6) if n_digits < 14 else (6,))
        for k in range(lowest, top - w + 1)
    ]
    while True:
        drawn = [rng.choice(spots) for _ in range(4)]
        sizes = [rng.choice(TIMES if k + w < top else TIMES[:5]) * (10**w - 1) * 10**k for w, k in drawn]
        if len(set(sizes)) == 4:
            pool = sums(answer, signed(rng, sizes), lambda n: len(str(n)) == n_digits)
            if len(pool) >= N_POOL:
                return tuple(map(str, pool))


def same_class(rng: random.Random, span: int, modulus: int = NINES_AND_ELEVENS) -> list[int]:
    """Four shifts by multiples of the modulus, not above the span where that leaves enough of them."""
    most = max(9, span // modulus)
    while True:
        sizes = [rng.randrange(1, max(2, most // rng.choice((1, 2, 4, 8))) + 1) * modulus for _ in range(4)]
        if len(set(sizes)) == 4:
            return signed(rng, sizes)


def brought_over(answer: int, slips: Iterable[int], modulus: int = NINES_AND_ELEVENS) -> list[int]:
    """Shifts to the numbers nearest the slips that quick checks by the modulus cannot tell from the answer."""
    return [modulus * round((slip - answer) / modulus) for slip in slips]


def shifted(
    rng: random.Random, answer: int, slips: Iterable[int], modulus: int = NINES_AND_ELEVENS, span: int = 0
) -> tuple[str, ...]:
    """A pool around an answer of any size: slips that quick checks do not rule out, filled up with other shifts.

    span: of the shifts; by itself one part in 40 of the answer, and one in three for slips.
    """
    near = [move for move in brought_over(answer, slips, modulus) if 0 < abs(move) < (span or abs(answer) // 3)]
    while True:
        moves = rng.sample(near, min(2, len(near))) + same_class(rng, span or abs(answer) // 40, modulus)
        moves = moves[:4]
        rng.shuffle(moves)
        pool = sums(answer, moves, lambda n: n != 0 and (n > 0) == (answer > 0))
        if len(pool) >= N_POOL - 2 and len(set(moves)) == 4:
            return tuple(map(str, pool))
        near = near[:-1]


def residues(
    rng: random.Random, answer: int, slips: Iterable[int], fits: Callable[[int], bool], step: int = 1
) -> list[int]:
    """A pool of results that have no size to go by: slips, and numbers as far from the answer as others from the slips.

    fits: what may be an option at all. step: of the distances.
    """
    wrong = [slip for slip in dict.fromkeys(slips) if slip != answer and fits(slip)]
    rng.shuffle(wrong)
    while True:
        first, second = (rng.choice((1, -1)) * rng.randrange(1, 10) * 10 ** rng.randrange(2) * step for _ in range(2))
        if fits(answer + first) and fits(answer + second) and first != second:
            break
    pool = wrong[:2] + [answer + first] + [slip + first for slip in wrong[:2]]
    pool += wrong[2:3] + [answer + second] + [slip + second for slip in wrong[:3]] + wrong[3:]
    return [value for value in dict.fromkeys(pool) if value != answer and fits(value)]


def quick_checks(*moduli: int) -> int:
    """The shift that changes nothing that a check by 10, 9, 11 or one of the moduli finds."""
    return lcm(NINES_AND_ELEVENS, *moduli)


def window(rng: random.Random, answer: int, step: int, place: int) -> tuple[str, ...]:
    """The other six of seven values in equal steps, of which the answer is the one at this place (-3 to 3).

    Where a result is known to be near some value, answers whose places are drawn evenly leave an estimate no use.
    """
    pool = [answer + step * (other - place) for other in range(-3, 4) if other != place]
    rng.shuffle(pool)
    return tuple(map(str, pool))


def others(rng: random.Random, answer: int, values: Iterable[int]) -> tuple[str, ...]:
    """Values that any of the answer's like may have, in random order."""
    pool = [value for value in dict.fromkeys(values) if value != answer]
    rng.shuffle(pool)
    return tuple(map(str, pool))
