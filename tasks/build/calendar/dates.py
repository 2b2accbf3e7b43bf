"""Names and arithmetic of dates: what the questions of `calendar` are made of. All dates are Gregorian (`datetime`)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

from build.wording import MONTHS

ORDINALS = ("first", "second", "third", "fourth")
COMMON = 2023
"""A year without 29 February, for questions that name no year."""

ADOPTED = 1583
"""First whole year of the Gregorian calendar; dates before it are proleptic."""

EVERYWHERE = 1924
"""First year in which no country dates by the Julian calendar in civil life."""


def short(day: date) -> str:
    """A date without its year: 3 March."""
    return f"{day.day} {MONTHS[day.month - 1]}"


def long(day: date) -> str:
    """A date with its year: 3 March 2021."""
    return f"{short(day)} {day.year}"


def calendar_named(year: int) -> str:
    """Which calendar is meant, said only where another one was in use: ' in the Gregorian calendar', or nothing."""
    if year < ADOPTED:
        return " in the proleptic Gregorian calendar"
    return " in the Gregorian calendar" if year < EVERYWHERE else ""


def is_leap(year: int) -> bool:
    return (date(year, 12, 31) - date(year, 1, 1)).days == 365


def length(year: int, month: int) -> int:
    """Days of a month."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - date(year, month, 1)).days


def months_crossed(start: date, end: date) -> list[int]:
    """The lengths of the months whose ends lie between two dates."""
    first, last = sorted((start, end))
    n_ends = (last.year - first.year) * 12 + last.month - first.month
    return [length(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1) for n in range(n_ends)]


def evened(start: date, end: date) -> bool:
    """Whether months of 30 days would give the right distance by accident: some are not, and make up for each other."""
    sizes = months_crossed(start, end)
    return sum(sizes) == 30 * len(sizes) and set(sizes) != {30} and bool(sizes)


def any_date(rng: random.Random, first: int, last: int) -> date:
    """A date of the years first to last, both included."""
    start = date(first, 1, 1)
    return start + timedelta(days=rng.randrange((date(last, 12, 31) - start).days + 1))


def near_dates(day: date) -> Iterator[date]:
    """Dates that a miscount gives: a day or two off, a month off, a month end forgotten, a week off."""
    for days in (1, -1, 2, -2):
        yield day + timedelta(days=days)
    for step in (1, -1):
        month = day.month - 1 + step
        year = day.year + month // 12
        if day.day <= length(year, month % 12 + 1):
            yield date(year, month % 12 + 1, day.day)
    for days in (3, -3, 7, -7, 10, -10):
        yield day + timedelta(days=days)
