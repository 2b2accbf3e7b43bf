"""The Gregorian calendar: weekdays, month lengths, dates, day numbers, leap years, ISO weeks.

Levels: 1 counting on one's fingers; 2 past the end of a month or a week; 3 some months, or a rule with an exception;
4 a whole year, or the weekday of a recent date; 5 several years, other centuries, weeks that belong to another year.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from build.calendar.dates import (
    COMMON,
    ORDINALS,
    any_date,
    calendar_named,
    evened,
    is_leap,
    length,
    long,
    near_dates,
    short,
)
from build.calendar.shifts import (
    Draft,
    date_shift,
    days_between,
    month_length,
    month_shift,
    numbers,
    other_days,
    weekday_shift,
)
from build.making import Question, distinct
from build.wording import DAYS, MONTHS


def leap_year(rng: random.Random, level: int) -> Draft:
    low, high = ((2001, 2060), (1830, 1999), (1680, 2310))[level - 1]
    start, forward = rng.randrange(low, high), rng.choice((True, False))
    if level == 3:  # near a year that is divisible by 4 and not a leap year
        start = rng.choice((1700, 1800, 1900, 2100, 2200, 2300)) + rng.choice((-1, 1)) * rng.randrange(1, 10)
    nth = 1 if level < 3 else rng.randrange(1, 5)
    years = range(start + 1, start + 60) if forward else range(start - 1, start - 60, -1)
    leaps = [year for year in years if is_leap(year)]
    answer = leaps[nth - 1]
    which = "last" if nth == 1 and not forward else ORDINALS[nth - 1]
    place = f"{which} leap year {'after' if forward else 'before'} {start}{calendar_named(start)}"
    off = [answer + 4, answer - 4, leaps[nth], *((answer + 2, answer - 2) if level < 3 else (answer + 8, answer - 8))]
    off += [answer + 12, answer - 12, answer + 6, answer - 6, answer + 16, answer - 16]
    # Even years on the side that the question names; the others are excluded by its words.
    pool = [str(n) for n in off if n % 2 == 0 and n != answer and (n > start) == forward]
    fact = f"leap year {answer} from {start}"
    return fact, f"Which is the {place}?", f"The {place} is {{}}.", str(answer), pool


def leap_count(rng: random.Random, level: int) -> Draft:
    first = rng.randrange(1890, 2030) if level == 4 else rng.randrange(1590, 2100)
    last = first + (rng.randrange(20, 90) if level == 4 else rng.randrange(150, 600))
    answer = sum(map(is_leap, range(first, last + 1)))
    naive = last // 4 - (first - 1) // 4
    n_years = last - first + 1
    off = [n for n in (naive, n_years // 4, -(-n_years // 4)) if n != answer]
    # A quarter of the years, give or take the exceptions: other numbers need no counting to be ruled out.
    reach = 3 + n_years // 80
    return (
        f"leap years {first} to {last}",
        f"How many leap years are there{calendar_named(first)} from {first} to {last}, both included?",
        f"The number of leap years{calendar_named(first)} from {first} to {last}, both included, is {{}}.",
        str(answer),
        [text for text in numbers(answer, *off) if abs(int(text) - n_years // 4) <= reach],
    )


def weekday_from(rng: random.Random, level: int) -> Draft:
    low, high = ((2, 25), (30, 130))[level - 2]
    first = any_date(rng, COMMON, COMMON)
    count = rng.randrange(low, high)
    last = first + timedelta(days=count)
    same_month = first.month == last.month
    if (
        count % 7 == 0
        or evened(first, last)
        or last.year > first.year
        or first.month <= 2 < last.month
        or same_month != (level == 2)
    ):
        return weekday_from(rng, level)
    start, wanted = (first, last) if rng.randrange(4) else (last, first)
    given = f"{short(start)} is a {DAYS[start.weekday()]}"
    end = wanted.weekday()
    return (
        f"{short(first)} {DAYS[first.weekday()]} {short(last)}",
        f"In a year in which {given}, what day of the week is {short(wanted)}?",
        f"In a year in which {given}, {short(wanted)} is a {{}}.",
        DAYS[end],
        other_days(rng, end),
    )


def weekday(rng: random.Random, level: int) -> Draft:
    spans = ((2000, 2035),) if level == 4 else ((1850, 1999), (2036, 2200), (1583, 1849), (900, 1582))
    day = any_date(rng, *rng.choices(spans, [1] if level == 4 else [4, 3, 3, 3])[0])
    named = long(day) + calendar_named(day.year)
    phrase = rng.choice(("What day of the week is {}{}?", "On which weekday does {} fall{}?"))
    question = phrase.format(long(day), calendar_named(day.year))
    number = day.weekday()
    statement = f"The weekday of {named} is {{}}."
    return f"weekday of {long(day)}", question, statement, DAYS[number], other_days(rng, number)


def day_of_year(rng: random.Random, level: int) -> Draft:
    day = any_date(rng, 1990, 2040)
    limits = ((), ((2, 1), (3, 15)), ((3, 16), (7, 31)), ((8, 1), (12, 31)))[level - 1]
    if not date(day.year, *limits[0]) <= day <= date(day.year, *limits[1]):
        return day_of_year(rng, level)
    number = day.timetuple().tm_yday
    full = day.month - 1
    if evened(date(day.year, 1, 1), day):
        return day_of_year(rng, level)
    least = sum(length(COMMON, month) for month in range(1, day.month)) + 1
    most = least + length(day.year, day.month)  # one more: whether the year is a leap year has to be seen
    off = [number - 1 if is_leap(day.year) else number + 1, 30 * full + day.day, 31 * full + day.day]
    return (
        f"day of year of {long(day)}",
        f"Which day of the year is {long(day)}, when 1 January is day 1?",
        f"When 1 January is day 1, {long(day)} is day {{}}.",
        str(number),
        [text for text in numbers(number, *(n for n in off if n != number)) if least <= int(text) <= most],
    )


def date_of_day(rng: random.Random, level: int) -> Draft:
    day = any_date(rng, 1990, 2040) if level == 4 else any_date(rng, 1930, 2120)
    number = day.timetuple().tm_yday
    if evened(date(day.year, 1, 1), day) or not (60 < number < 190 if level == 4 else number >= 190):
        return date_of_day(rng, level)
    return (
        f"day of year of {long(day)}",
        f"Which date is day {number} of the year {day.year}, when 1 January is day 1?",
        f"When 1 January is day 1, day {number} of the year {day.year} is {{}}.",
        short(day),
        [short(other) for other in near_dates(day) if other.year == day.year],
    )


def iso_week(rng: random.Random, level: int) -> Draft:
    day = any_date(rng, *((2010, 2035) if level == 4 else (1970, 2060)))
    if level == 5:
        day = date(rng.randrange(1970, 2061), 1, 1) + timedelta(days=rng.randrange(-4, 10))
    week = day.isocalendar()[1]
    # Sevenths of the year's days, counted from 1 January, must not give the week by accident.
    if (level == 4 and not 3 < week < 50) or week == (day.timetuple().tm_yday + 6) // 7:
        return iso_week(rng, level)
    of_month = {date(y, day.month, d).isocalendar()[1] for y in range(1970, 2061) for d in range(1, 29)}
    of_month |= {date(y, day.month, length(y, day.month)).isocalendar()[1] for y in range(1970, 2061)}
    near = sorted(of_month - {week}, key=lambda n: (min((n - week) % 53, (week - n) % 53), n))
    pool = [str(n) for n in near]
    question = f"Which ISO 8601 week number does {long(day)} have?"
    statement = f"The ISO 8601 week number of {long(day)} is {{}}."
    return f"week of {long(day)}", question, statement, str(week), pool


def nth_weekday(rng: random.Random, level: int) -> Draft:
    year, month = rng.randrange(*((2010, 2036) if level < 5 else (1925, 2100))), rng.randrange(1, 13)
    wanted, nth = rng.randrange(7), rng.randrange(1, 5)
    size = length(year, month)
    days = [n for n in range(1, size + 1) if date(year, month, n).weekday() == wanted]
    which, number = ORDINALS[nth - 1], days[nth - 1]
    if level == 5 and nth == 4:
        which, number = "last", days[-1]
    name = MONTHS[month - 1]
    # The first of a weekday is one of the month's first seven days, the last one of the last seven.
    start = size - 7 if which == "last" else 7 * (nth - 1)
    off = [number + step for step in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6)]
    pool = [f"{n} {name}" for n in off if start < n <= start + 7]
    if level == 3:
        first = DAYS[date(year, month, 1).weekday()]
        lead, text = f"In a year in which 1 {name} is a {first}", f"the date of the {which} {DAYS[wanted]} of {name}"
        return f"{text} {first}", f"{lead}, what is {text}?", f"{lead}, {text} is {{}}.", f"{number} {name}", pool
    text = f"the {which} {DAYS[wanted]} of {name} {year}"
    return text, f"What is the date of {text}?", f"The date of {text} is {{}}.", f"{number} {name}", pool


PLAN: dict[str, tuple[Callable[[random.Random, int], Draft], tuple[int, int, int, int, int]]] = {
    "weekday shift": (weekday_shift, (34, 20, 16, 10, 0)),
    "month shift": (month_shift, (22, 16, 12, 0, 0)),
    "month length": (month_length, (10, 14, 12, 0, 0)),
    "date shift": (date_shift, (24, 18, 18, 18, 18)),
    "days between": (days_between, (20, 18, 18, 18, 18)),
    "leap years": (leap_year, (16, 12, 14, 0, 0)),
    "leap year count": (leap_count, (0, 0, 0, 14, 18)),
    "weekday from another": (weekday_from, (0, 16, 14, 0, 0)),
    "weekday": (weekday, (0, 0, 0, 20, 26)),
    "day of the year": (day_of_year, (0, 12, 12, 12, 0)),
    "date of a day number": (date_of_day, (0, 0, 0, 10, 12)),
    "ISO week": (iso_week, (0, 0, 0, 12, 18)),
    "nth weekday": (nth_weekday, (0, 0, 10, 12, 16)),
}
"""Topic: its questions, and how many of each level."""


def questions(rng: random.Random) -> Iterator[Question]:
    """630 questions, 126 of each level."""
    seen: set[str] = set()
    for topic, (make, counts) in PLAN.items():
        for level, count in enumerate(counts, start=1):
            made = 0
            while made < count:
                fact, question, statement, answer, pool = make(rng, level)
                if fact in seen:
                    continue
                seen.add(fact)
                made += 1
                draft = Question(fact, topic, level, question, statement, answer, distinct(answer, pool))
                yield draft
