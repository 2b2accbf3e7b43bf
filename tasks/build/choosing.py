"""Which three of a question's pool of wrong answers stand beside the right one, chosen after the split.

Each side is balanced for itself, by many measures at once, so that no guess from the options alone finds more of the
audited answers than chance would.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import zip_longest

from build.balancing import Balancer, Ordering, Rule, alphabet, length, likeness, mention
from build.likeness import ORDERINGS, parts
from build.making import N_CHOICES, Question
from build.wording import DAYS, MONTHS

Telling = Callable[[Sequence[str]], bool]
"""Which options must not stand together, the answer first."""

_CLOCK = re.compile(r"(?:UTC)?([+-]?)(\d+):(\d\d)(?::(\d\d))?")
_HEX = re.compile(r"(?:U\+|0x)([0-9A-Fa-f]+)")
_NUMBER = re.compile(r"(?:10\^|2\^)?([+-]?\d+(?:[.]\d+)?(?:/\d+)?)%?(?: .*)?")
_DATE = re.compile(r"(?:(\d{1,2}) )?([A-Z][a-z]+)(?: (\d{1,2}))?(?:,? (\d{4}))?")


@lru_cache(maxsize=4096)
def number(option: str) -> Fraction | int | None:
    """What an option is compared by: '42', '-3', '7/12', '0.25', '80%', '4 weeks', 'UTC+05:30', '16:30', 'U+00E9',
    '10^-6', '1,024', '14 March', 'March 14, 2043', 'Tuesday'; None for other words."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", option)
    if match := _CLOCK.fullmatch(text):
        size = Fraction(int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4] or 0), 3600)
        return -size if match[1] == "-" else size
    if match := _HEX.fullmatch(text):
        return int(match[1], 16)
    if text in DAYS:
        return DAYS.index(text)
    if (match := _DATE.fullmatch(text)) and match[2] in MONTHS:
        year, month, day = int(match[4] or 0), MONTHS.index(match[2]), int(match[1] or match[3] or 0)
        return (year * 12 + month) * 31 + day
    if match := _NUMBER.fullmatch(text):
        return Fraction(match[1])
    return None


@lru_cache(maxsize=8)
def numbers(options: tuple[str, ...]) -> tuple[list[int], int]:
    """The options' numbers as numerators, which add and compare faster, and their common denominator; none unless all
    are numbers. The list is shared: not to be changed."""
    found = [number(option) for option in options]
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        return [], 1
    common = math.lcm(*(value.denominator for value in values))
    return [value.numerator * (common // value.denominator) for value in values], common


@lru_cache(maxsize=4096)
def _n_digits(option: str) -> int:
    return sum(map(str.isdigit, option))


def n_digits(options: Sequence[str], _: str) -> list[int]:
    return [_n_digits(option) for option in options]


def size(options: Sequence[str], _: str) -> list[int]:
    return numbers(tuple(options))[0]


def centrality(options: Sequence[str], _: str) -> list[int]:
    """Nearness to the mean of all, times their number and their denominator."""
    values, _ = numbers(tuple(options))
    total = sum(values)
    return [-abs(len(values) * value - total) for value in values]


def pull(options: Sequence[str], text: str) -> list[float]:
    """Nearness to the mean in standard deviations, and as much more for the last as makes it the first if it is near.

    Ranks alone do not see that a wrong answer may lie ten times as far away as a right one ever does.
    """
    _, common = numbers(tuple(options))
    near = [value / common for value in centrality(options, text)]
    if not near or min(near) == max(near):
        return []
    middle = sum(near) / len(near)
    spread = math.sqrt(sum((value - middle) ** 2 for value in near) / len(near))
    return [round((value - middle) / spread + 1.1 * (value == min(near)), 9) for value in near]


def leading(options: Sequence[str], _: str) -> list[int]:
    """How many of an option's words or numbers are the only most frequent of their place, where one has several."""
    split = [parts(option) for option in options]
    if max(map(len, split)) < 2:
        return []
    points = [0] * len(options)
    for column in zip_longest(*split, fillvalue=""):
        counts = [column.count(own) for own in column]
        most = max(counts)
        if most > 1 and counts.count(most) == most:  # one text alone stands so often
            points = [point + (count == most) for point, count in zip(points, counts, strict=True)]
    return points


_MEASURES: tuple[tuple[int, Ordering], ...] = (
    *(
        (4, length),
        (4, n_digits),
        (3, likeness),
        (2, alphabet),
        (6, size),
        (4, centrality),
        (3, pull),
        (4, leading),
        (3, mention),
    ),
    *((4, ordering) for ordering in ORDERINGS),
)
RULE = Rule(_MEASURES, whole=3, group=1, power=1, ties_share=True)
"""The cost grows in proportion, to weigh against the plausibility that a less likely candidate lacks."""


def never(_: Sequence[str]) -> bool:
    """For a task whose options may all stand together."""
    return False


def chosen(questions: Iterable[Question], rng: random.Random, telling: Telling) -> list[Question]:
    """One side of the split: each question with three of its pool, answers at all ranks alike.

    One that has three already stays as it is.
    """
    balancer = Balancer(RULE)
    found = []
    for question in questions:
        if len(question.distractors) > N_CHOICES - 1:
            question = balancer.choose(rng, question, telling)
        found.append(question)
    return found
