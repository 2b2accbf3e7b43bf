"""What comes out when a premise is forgotten or misread, or two are; and pools of such numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

SIDE = 4
"""Wrong numbers wanted on each side of the answer."""


@dataclass(frozen=True)
class Clue:
    """A premise over numbered cases. mask: bit i is set if it holds in case i. misread: the masks of common slips.

    about: what tells it from others; no puzzle has two of one.
    """

    text: str
    mask: int
    misread: tuple[int, ...] = ()
    about: tuple[object, ...] = ()


def joint(masks: Iterable[int], every: int) -> int:
    for mask in masks:
        every &= mask
    return every


def gathered(
    rng: random.Random,
    every: int,
    n_cases: int,
    draw: Callable[[], Clue | None],
    wanted: tuple[int, int],
    n_clues: tuple[int, int],
    truth: int | None = None,
) -> list[Clue] | None:
    """Clues none of which can be spared, that leave a wanted number of cases (least, most); None if the luck is out.

    truth: a case in which all are to hold; any if None.
    """
    hidden = 1 << (rng.randrange(n_cases) if truth is None else truth)
    clues: list[Clue] = []
    left = every
    for _ in range(150):
        clue = draw()
        if clue is None or not clue.mask & hidden or any(clue.about == other.about for other in clues):
            continue
        after = left & clue.mask
        if after == left or after.bit_count() < wanted[0]:
            continue
        clues.append(clue)
        left = after
        if left.bit_count() <= wanted[1]:
            clues = _needed(clues, every)
            return clues if n_clues[0] <= len(clues) <= n_clues[1] else None
        if len(clues) > n_clues[1] + 1:
            return None
    return None


def _needed(clues: list[Clue], every: int) -> list[Clue]:
    """The clues without those, the earliest first, that follow from the others."""
    left = joint((clue.mask for clue in clues), every)
    for clue in [*clues]:
        rest = [other for other in clues if other is not clue]
        if joint((other.mask for other in rest), every) == left:
            clues = rest
    return clues


def miscounted(rng: random.Random, clues: Sequence[Clue], every: int, query: int) -> list[int]:
    """How many cases are left of the query when one clue is misread or forgotten, then when two are."""
    wrong = [(*clue.misread, every) for clue in clues]
    masks = [clue.mask for clue in clues]

    def count(changes: dict[int, int]) -> int:
        return joint((changes.get(i, mask) for i, mask in enumerate(masks)), query).bit_count()

    one = [count({i: other}) for i, others in enumerate(wrong) for other in others]
    rng.shuffle(one)
    pairs = list(combinations(range(len(clues)), 2))
    rng.shuffle(pairs)
    two = [count({i: rng.choice(wrong[i]), j: rng.choice(wrong[j])}) for i, j in pairs[:25]]
    return one + two


def spread(
    rng: random.Random, answer: int, slips: Iterable[int], low: int = 1, high: int = 10**9, step: int = 1
) -> list[str]:
    """A pool of numbers on both sides of the answer: slips of its size first, then numbers near it."""
    reach = max(3, answer // 4)
    sides: list[list[int]] = [[], []]
    for slip in dict.fromkeys(slips):
        side = sides[slip > answer]
        if slip != answer and low <= slip <= high and answer / 3 <= slip <= 2.5 * answer + 2 and len(side) < SIDE:
            side.append(slip)
    for sign, side in zip((-1, 1), sides, strict=True):
        near = [answer + sign * step * d for d in range(1, reach + 1)]
        rng.shuffle(near)
        side += [n for n in near if low <= n <= high and n not in side][: SIDE - len(side)]
    below, above = sides
    if rng.random() < 0.5:
        below, above = above, below
    order: list[int] = []
    for i in range(max(map(len, sides))):
        order += [*below[i : i + 1], *above[i : i + 1]]
    return [str(number) for number in order]
