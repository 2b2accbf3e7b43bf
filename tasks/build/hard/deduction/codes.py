"""Codes of different digits and reports on guesses: which code it is, or how many it can be."""

from __future__ import annotations

import random
from functools import cache, lru_cache
from itertools import permutations

from build.hard.deduction.parts.slips import Clue, gathered, joint, miscounted, spread
from build.hard.deduction.parts.telling import asked
from build.making import Question

LENGTH = 4


@cache
def _codes(n_digits: int) -> tuple[tuple[int, ...], ...]:
    return tuple(permutations(range(1, n_digits + 1), LENGTH))


def reported(code: tuple[int, ...], guess: tuple[int, ...]) -> tuple[int, int]:
    """How many digits of the guess stand where the code has them, and how many stand elsewhere."""
    placed = sum(a == b for a, b in zip(code, guess, strict=True))
    return placed, len(set(code) & set(guess)) - placed


@lru_cache(maxsize=400)
def _by_report(n_digits: int, guess: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """The codes, as bits, by the report that each would get."""
    rows: dict[tuple[int, int], bytearray] = {}
    codes = _codes(n_digits)
    for index, code in enumerate(codes):
        rows.setdefault(reported(code, guess), bytearray(b"0" * len(codes)))[len(codes) - 1 - index] = 49
    return {report: int(row.decode(), 2) for report, row in rows.items()}


def _words(guess: tuple[int, ...], report: tuple[int, int]) -> str:
    return f"the guess {''.join(map(str, guess))} got the report: {report[0]} placed, {report[1]} misplaced"


SHAPES = {
    5: ("which", 5, (1, 1), (3, 5)),
    6: ("which", 6, (1, 1), (3, 5)),
    7: ("count", 6, (3, 9), (2, 3)),
    8: ("count", 7, (8, 20), (2, 4)),
    9: ("count", 8, (16, 45), (3, 4)),
    10: ("false", 8, (0, 0), (4, 4)),
}
"""By level: what is asked, how many digits there are, codes left, and reports."""


def codes(rng: random.Random, level: int) -> Question | None:
    """What the reports leave."""
    kind, n_digits, wanted, n_clues = SHAPES[level]
    ways = _codes(n_digits)
    every = (1 << len(ways)) - 1
    hidden = rng.randrange(len(ways))

    def draw() -> Clue | None:
        guess = ways[rng.randrange(len(ways))]
        table = _by_report(n_digits, guess)
        report = reported(ways[hidden], guess)
        if sum(report) in (0, 4):
            return None
        placed, misplaced = report
        slips = [table[other] for other in ((misplaced, placed), (placed + 1, misplaced - 1)) if other in table]
        total = joint((), 0)
        for other, mask in table.items():
            total |= mask if sum(other) == sum(report) else 0
        return Clue(_words(guess, report), table[report], (*slips, total), guess)

    if kind == "false":
        return _one_false(rng, level, n_digits, every, [clue for clue in (draw() for _ in range(12)) if clue])
    clues = gathered(rng, every, len(ways), draw, wanted, n_clues, hidden)
    if clues is None:
        return None
    told = [*_opening(n_digits), *(clue.text[0].upper() + clue.text[1:] for clue in clues)]
    left = joint((clue.mask for clue in clues), every)
    if kind == "which":
        right = left.bit_length() - 1
        near = [
            (sum(not clue.mask >> i & 1 for clue in clues), rng.random(), i) for i in range(len(ways)) if i != right
        ]
        texts = ["".join(map(str, ways[i])) for i in (right, *(i for *_, i in sorted(near)[:10]))]
        return asked("codes", level, told, "What is the code?", "the code is {}", texts[0], texts[1:])
    n_left = left.bit_count()
    return _counted(level, told, n_left, spread(rng, n_left, miscounted(rng, clues, every, every)))


def _opening(n_digits: int) -> list[str]:
    return [
        f"A secret code consists of four different digits from 1 to {n_digits}",
        "A digit of a guess is placed if the code has it at the same position, and misplaced if the code has it only "
        "at another position",
    ]


def _counted(level: int, told: list[str], n_left: int, pool: list[str]) -> Question:
    return asked(
        "codes",
        level,
        told,
        "How many codes are possible?",
        "the number of codes that are possible is {}",
        n_left,
        pool,
    )


def _one_false(rng: random.Random, level: int, n_digits: int, every: int, clues: list[Clue]) -> Question | None:
    """The codes by which exactly one report is false."""
    clues = list({clue.about: clue for clue in clues}.values())[:4]
    if len(clues) < 4:
        return None

    def exactly_one(masks: list[int]) -> int:
        return sum(
            joint((every ^ mask if i == j else mask for j, mask in enumerate(masks)), every).bit_count()
            for i in range(len(masks))
        )

    masks = [clue.mask for clue in clues]
    n_left = exactly_one(masks)
    if not 12 <= n_left <= 45:
        return None
    slips = [exactly_one(masks) + joint(masks, every).bit_count()]
    for i, clue in enumerate(clues):
        slips.append(n_left - joint((every ^ m if i == j else m for j, m in enumerate(masks)), every).bit_count())
        slips += [exactly_one([other if i == j else m for j, m in enumerate(masks)]) for other in clue.misread]
    told = [*_opening(n_digits), "Exactly one of these four reports is false, in one of its numbers or both"]
    return _counted(
        level, [*told, *(clue.text[0].upper() + clue.text[1:] for clue in clues)], n_left, spread(rng, n_left, slips)
    )
