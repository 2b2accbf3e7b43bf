"""Wrong answers near a right one, on both sides of it or on one, so that its rank among them says nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from build.hard.dates.numbering import Calendar
from build.making import Question
from build.wording import DAYS

N_POOL = 7

Maker = Callable[[random.Random, int], Question | None]
"""Makes a draft of a level, or None where the dice gave nothing fit."""


def both(*sizes: int) -> list[int]:
    """Each size after and before."""
    return [step for size in sizes for step in (size, -size)]


DAY_SLIPS = both(1, 2, 3, 29, 30, 31, 7, 8)
"""A day or two, a month with or without one: each also a slip from another."""


def sided(rng: random.Random, steps: Iterable[int]) -> list[int]:
    """Steps to stand beside 0: none, a third, two thirds or all of them below it, each as often."""
    different = list(dict.fromkeys(steps))
    below, above = [s for s in different if s < 0], [s for s in different if s > 0]
    rng.shuffle(below)
    rng.shuffle(above)
    n_below = min(len(below), max(N_POOL * rng.randrange(4) // 3, N_POOL - len(above)))
    picked = below[:n_below] + above[: N_POOL - n_below]
    rng.shuffle(picked)
    return picked


def dates(
    rng: random.Random,
    calendar: Calendar,
    number: int,
    steps: Sequence[int] = DAY_SLIPS,
    fits: Callable[[int], bool] = lambda _: True,
) -> tuple[str, ...]:
    """Dates of a calendar some days off that fit."""
    found = sided(rng, [step for step in steps if fits(number + step)])
    return tuple(calendar.text(number + step) for step in found)


def counts(rng: random.Random, number: int, steps: Sequence[int], least: int = 0) -> tuple[str, ...]:
    """Numbers some steps off, not below the least."""
    return tuple(str(number + step) for step in sided(rng, [step for step in steps if number + step >= least]))


def weekdays(rng: random.Random, number: int) -> tuple[str, ...]:
    """The six other days of the week of a day number."""
    return tuple(DAYS[(number + step) % 7] for step in rng.sample(range(1, 7), 6))


def clock(minutes: int) -> str:
    """A time of day; whole days are dropped."""
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def clocks(rng: random.Random, minutes: int, steps: Sequence[int]) -> tuple[str, ...]:
    """Times of day some minutes off that lie in the same day, so that earlier and later keep their sense."""
    fit = [step for step in steps if 0 <= minutes % 1440 + step < 1440]
    return tuple(clock(minutes + step) for step in sided(rng, fit))
