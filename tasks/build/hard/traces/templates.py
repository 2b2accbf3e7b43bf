"""What the templates of programs share: the register, and how much a program of a level has to do."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

STEPS = {6: (14, 25), 7: (30, 60), 8: (150, 350), 9: (900, 1500), 10: (3000, 6000)}
"""Least and most steps of a program, by level; a step is a statement, a condition, an item or a call."""

VALUES = {6: 4, 7: 8, 8: 25, 9: 60, 10: 160}
"""The fewest different values that a program computes, by level: one that goes in circles is soon seen through."""

WIDTHS = {6: (11, 30), 7: (31, 99), 8: (211, 999), 9: (2003, 9999), 10: (100003, 9999999)}
"""Least and most modulus, by level: how wide the numbers are that a reader has to keep."""


@dataclass(frozen=True)
class Size:
    level: int
    steps: int

    def times(self, cost: float, least: int = 2) -> int:
        """How many passes of a loop to make, when one takes `cost` steps."""
        return max(least, round(self.steps / cost))

    def modulus(self, rng: random.Random) -> int:
        """An odd number as wide as the level asks."""
        return rng.randrange(*WIDTHS[self.level]) | 1


@dataclass(frozen=True)
class Template:
    topic: str
    levels: Sequence[int]
    make: Callable[[random.Random, Size], str]


TEMPLATES: list[Template] = []
ALL = (6, 7, 8, 9, 10)


def template(
    topic: str, levels: Sequence[int] = ALL
) -> Callable[[Callable[[random.Random, Size], str]], Callable[[random.Random, Size], str]]:
    """Registers a function that makes one program."""

    def register(make: Callable[[random.Random, Size], str]) -> Callable[[random.Random, Size], str]:
        TEMPLATES.append(Template(topic, levels, make))
        return make

    return register


def some(rng: random.Random, count: int, low: int, high: int) -> list[int]:
    """Different numbers from low to high, both included."""
    return rng.sample(range(low, high + 1), count)


def letters(rng: random.Random, count: int, of: str = "abcdefghkmnprstuvwxyz") -> str:
    """Different letters."""
    return "".join(rng.sample(of, count))


def spelt(rng: random.Random, count: int, of: str) -> str:
    """A text of those letters, each of them at least once if it is long enough."""
    text = [of[i % len(of)] for i in range(count)]
    rng.shuffle(text)
    return "".join(text)
