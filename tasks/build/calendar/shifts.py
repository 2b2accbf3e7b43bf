"""Questions of `calendar` that count on from a day, a month or a date."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta

from build.calendar.dates import COMMON, any_date, evened, length, long, near_dates, short
from build.wording import DAYS, MONTHS

Draft = tuple[str, str, str, str, list[str]]
"""Fact, question, statement, answer, and a pool of distractors with the most plausible first."""


def numbers(answer: int, *more: int, least: int = 1) -> list[str]:
    """Counts that are a little off."""
    pool = [*more, answer + 1, answer - 1, answer + 2, answer - 2, answer + 7, answer - 7, answer + 10, answer - 10]
    return [str(n) for n in (*pool, answer + 3, answer - 3) if n >= least and n != answer]


def other_days(rng: random.Random, day: int, *more: int) -> list[str]:
    near = [day + 1, day - 1, day + 2, day - 2, day + 3, day - 3]
    rng.shuffle(near)
    return [DAYS[n % 7] for n in (*more, *near) if n % 7 != day % 7]


def weekday_shift(rng: random.Random, level: int) -> Draft:
    low, high = ((1, 7), (8, 31), (40, 151), (200, 1000))[level - 1]
    start, count, sign = rng.randrange(7), rng.randrange(low, high), rng.choice((1, -1))
    if count % 7 == 0:
        return weekday_shift(rng, level)
    end = (start + sign * count) % 7
    first, last = (start, end) if sign > 0 else (end, start)
    step = f"{count} day{'s' if count > 1 else ''} {'after' if sign > 0 else 'before'}"
    phrase = rng.choice(("What day of the week is {} a {}?", "Which weekday comes {} a {}?"))
    return (
        f"{count} days from {DAYS[first]} to {DAYS[last]}",
        phrase.format(step, DAYS[start]),
        f"The day {step} a {DAYS[start]} is a {{}}.",
        DAYS[end],
        [day for day in other_days(rng, end, start - sign * count) if level > 1 or day != DAYS[start]],
    )


def month_shift(rng: random.Random, level: int) -> Draft:
    low, high = ((1, 4), (4, 10), (13, 40))[level - 1]
    start, count, sign = rng.randrange(12), rng.randrange(low, high), rng.choice((1, -1))
    end = start + sign * count
    # Six months on, the wrong direction would lead to the right month.
    if count % 6 == 0 or (level == 1 and not 0 <= end < 12):
        return month_shift(rng, level)
    end %= 12
    first, last = (start, end) if sign > 0 else (end, start)
    step = f"{count} month{'s' if count > 1 else ''} {'after' if sign > 0 else 'before'}"
    near = [end + 1, end - 1, end + 2, end - 2, end + 3, end - 3]
    rng.shuffle(near)
    return (
        f"{count} months from {MONTHS[first]} to {MONTHS[last]}",
        f"Which month comes {step} {MONTHS[start]}?",
        f"The month {step} {MONTHS[start]} is {{}}.",
        MONTHS[end],
        [MONTHS[n % 12] for n in (start - sign * count, *near) if n % 12 not in (start, end)],
    )


def month_length(rng: random.Random, level: int) -> Draft:
    """Level 1: one month, as many with 30 days as with 31; then two months together, then three."""
    named = [0, 2, 3, 4, 5, 6, 8, 10] if level == 1 else [0, *range(2, 12)]
    year = ""
    if rng.randrange(4) == 0:
        year = rng.choice(("in an ordinary year", "in a leap year"))
        named.append(1)
    months = sorted(rng.sample(named, level))
    if year and 1 not in months:
        months[0] = 1
        months.sort()
    if len(set(months)) < level or (level > 1 and months[-1] - months[0] > 2 * level):
        return month_length(rng, level)
    sizes = [length(2024 if "leap" in year else COMMON, month + 1) for month in months]
    names = [MONTHS[month] for month in months]
    answer = sum(sizes)
    lead, end = (f"{year.capitalize()}, ", f" {year}") if year else ("", "")
    if level == 1:
        (name,) = names
        pool = [str(n) for n in (28, 29, 30, 31) if n != answer]
        return name + end, f"How many days does {name} have{end}?", f"{lead}{name} has {{}} days.", str(answer), pool
    text = ", ".join(names[:-1]) + f" and {names[-1]}"
    # Two months have 58 to 62 days; without February fewer numbers than four would be left, so it counts.
    least, most = 30 * level - 2 * (1 in months or level == 2), 31 * level
    pool = [str(answer + step) for step in (1, -1, 2, -2, 3, -3, 4, -4) if least <= answer + step <= most]
    statement = f"{lead}{text} together have {{}} days."
    return text + end, f"How many days do {text} have together{end}?", statement, str(answer), pool


def date_shift(rng: random.Random, level: int) -> Draft:
    low, high = ((2, 12), (8, 25), (32, 75), (100, 260), (300, 1200))[level - 1]
    start = any_date(rng, *((COMMON, COMMON), (2015, 2035), (1960, 2060))[(level > 2) + (level > 4)])
    count, sign = rng.randrange(low, high), rng.choice((1, -1))
    end = start + timedelta(days=sign * count)
    over_february = min(start, end).month <= 2 < max(start, end).month
    if evened(start, end):
        return date_shift(rng, level)
    if level < 3 and (start.year != end.year or over_february or (start.month == end.month) != (level == 1)):
        return date_shift(rng, level)
    show: Callable[[date], str] = short if level < 3 else long
    step = f"{count} days {'after' if sign > 0 else 'before'}"
    first, last = sorted((start, end))
    phrase = rng.choice(("What date is {} {}?", "Which date comes {} {}?"))
    return (
        f"{show(first)} to {show(last)}",
        phrase.format(step, show(start)),
        f"The date {step} {show(start)} is {{}}.",
        show(end),
        [show(day) for day in near_dates(end) if sign * (day - start).days > 0],
    )


def days_between(rng: random.Random, level: int) -> Draft:
    low, high = ((3, 24), (12, 50), (60, 160), (200, 700), (900, 3000))[level - 1]
    first = any_date(rng, *((COMMON, COMMON), (2015, 2035), (1950, 2050))[(level > 2) + (level > 4)])
    count = rng.randrange(low, high)
    last = first + timedelta(days=count)
    months = (last.year - first.year) * 12 + last.month - first.month
    if level < 3 and (first.year != last.year or first.month <= 2 < last.month or months != level - 1):
        return days_between(rng, level)
    show: Callable[[date], str] = short if level < 3 else long
    by_months = months * 30 + last.day - first.day
    years = last.year - first.year
    off = [by_months, months * 31 + last.day - first.day, 365 * years + by_months - 360 * years]
    if evened(first, last):
        return days_between(rng, level)
    # No two dates of a month are farther apart than 30 days, none of neighbouring months farther than 61.
    least, most = (28 * (months - 1) + 1 if months else 1), 31 * (months + 1) - 1
    question = rng.choice(("How many days after {0} is {1}?", "What is the difference in days between {0} and {1}?"))
    return (
        f"{show(first)} to {show(last)}",
        question.format(show(first), show(last)),
        f"The difference in days between {show(first)} and {show(last)} is {{}}.",
        str(count),
        [text for text in numbers(count, *(n for n in off if n != count)) if least <= int(text) <= most],
    )
