"""Which wrong answers stand beside a right one in the hard tasks: as for the others, and by more measures.

A hard task's drafts carry pools of plausible wrong answers. They are split first; then each side is balanced for
itself, so that no guess from the options alone finds more of the audited answers than chance would.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from build.balancing import Balancer, Ordering, Rule, alphabet, length, likeness
from build.drafting import distinct
from build.likeness import ORDERINGS, parts
from build.making import Question

Telling = Callable[[Sequence[str]], bool]
"""Which options must not stand together, the answer first."""

N_POOL = 10
"""Candidates looked at: 120 ways to take three."""

_CLOCK = re.compile(r"([+-]?)(\d+):(\d\d)(?::(\d\d))?")
_HEX = re.compile(r"(?:U\+|0x)([0-9A-Fa-f]+)")
_NUMBER = re.compile(r"([+-]?\d+(?:[.]\d+)?(?:/\d+)?)%?(?: \D.*)?")


@lru_cache(maxsize=4096)
def number(option: str) -> Fraction | None:
    """What an option is compared by: '42', '-3', '7/12', '0.25', '80%', '4 weeks', '16:30', 'U+00E9', '1,024'."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", option)
    if match := _CLOCK.fullmatch(text):
        size = Fraction(int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4] or 0), 3600)
        return -size if match[1] == "-" else size
    if match := _HEX.fullmatch(text):
        return Fraction(int(match[1], 16))
    if match := _NUMBER.fullmatch(text):
        return Fraction(match[1])
    return None


def numbers(options: Iterable[str]) -> list[Fraction]:
    """The options' numbers; none unless all are numbers."""
    found = [number(option) for option in options]
    return [value for value in found if value is not None] if None not in found else []


def size(options: Sequence[str], _: str) -> list[Fraction]:
    return numbers(options)


def centrality(options: Sequence[str], _: str) -> list[Fraction]:
    """Nearness to the mean of all."""
    values = numbers(options)
    return [-abs(value - sum(values) / len(values)) for value in values]


def leading(options: Sequence[str], _: str) -> list[int]:
    """How many of an option's words or numbers are the only most frequent of their place, where one has several."""
    split = [parts(option) for option in options]
    width = max(map(len, split))
    if width < 2:
        return []
    points = [0] * len(options)
    for place in range(width):
        column = [own[place] if place < len(own) else "" for own in split]
        (most, count), *rest = Counter(column).most_common()
        if count > 1 and all(other < count for _, other in rest):
            points = [point + (own == most) for point, own in zip(points, column, strict=True)]
    return points


EVEN: tuple[tuple[int, Ordering], ...] = (
    (4, length),
    (3, likeness),
    (2, alphabet),
    (6, size),
    (4, centrality),
    (4, leading),
    *((4, ordering) for ordering in ORDERINGS),
)


def chosen(drafts: Iterable[Question], rng: random.Random, telling: Telling) -> list[Question]:
    """One side of the split: each draft with three of its pool, answers at all ranks alike."""
    balancer = Balancer(Rule(EVEN, whole=3, group=1, power=1, ties_share=True))
    return [
        balancer.choose(
            rng, replace(draft, distractors=tuple(distinct(draft.answer, draft.distractors))), telling, N_POOL
        )
        for draft in drafts
    ]
