"""Answers to the questions of `dates`, worked out from their text.

Dates become day numbers by `day_numbers`; working days come from NumPy, clocks from tzdata by the name of the place,
counts and cycles from trying each day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import numpy as np
from bundled.hard.answers.dates.clocks_shown import DATE, clocks
from bundled.hard.answers.dates.dates_long import long
from bundled.hard.answers.dates.day_numbers import (
    MONTHS,
    SIZES,
    calendar_of,
    gregorian,
    julian,
    leap,
    number,
    orthodox,
    western,
)
from bundled.hard.answers.dates.old_dates import haab, long_count, roman, tzolkin

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
NTH = ["first", "second", "third", "fourth", "fifth"]
ANY = r"(\d+ [A-Z].*? (?:\d+|Year [IVX]+))"
DAY = rf"({'|'.join(DAYS)})"
UNIX = gregorian(1970, 1, 1)
WORK = "Working days are Monday to Friday, without holidays. "
FEASTS = {"Easter Sunday": 0, "Ash Wednesday": -46, "Good Friday": -2}
FEASTS |= {"Ascension Day (Thursday)": 39, "Whit Sunday (Pentecost)": 49}
Solved = tuple[object, Callable[[str], object]]
"""The answer, and how to read a choice as one."""


def named_day(text: str) -> tuple[int, int]:
    day, month = text.split()
    return MONTHS.index(month) + 1, int(day)


def spans(text: str) -> tuple[int, int]:
    return tuple(map(int, re.findall(r"\d{4}", text)))[-2:]  # type: ignore[return-value]


def days_of(years: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Each day of the years: year, month, day and weekday from 0 for Monday."""
    n = gregorian(years[0], 1, 1)
    for year in range(years[0], years[1] + 1):
        for month, size in enumerate(SIZES, start=1):
            for day in range(1, size + (month == 2 and leap(year)) + 1):
                yield year, month, day, n % 7
                n += 1


def iso(year: int, week: int, day: int) -> int:
    fourth = gregorian(year, 1, 4)
    return fourth - fourth % 7 + 7 * (week - 1) + day - 1


def read_iso(text: str) -> int:
    year, week, day = map(int, re.fullmatch(r"(\d+)-W(\d\d)-(\d)", text).groups())  # type: ignore[union-attr]
    return iso(year, week, day)


def moment(text: str) -> int:
    return int(datetime.strptime(f"{text} +0000", "%d %B %Y, %H:%M:%S %z").timestamp())


def numpy_day(text: str) -> Any:
    return np.datetime64(datetime.strptime(text, "%d %B %Y").date(), "D")


def counted(q: str) -> int:
    years = spans(q)
    if "Fridays the 13th" in q:
        return sum(d == 13 and w == 4 for _, _, d, w in days_of(years))
    if m := re.match(rf"How many times is day (\d+) of a month a {DAY} ", q):
        return sum(d == int(m[1]) and w == DAYS.index(m[2]) for _, _, d, w in days_of(years))
    if m := re.match(rf"How many times does (\d+ \w+) fall on a {DAY} ", q):
        return sum((mo, d) == named_day(m[1]) and w == DAYS.index(m[2]) for _, mo, d, w in days_of(years))
    if m := re.match(rf"How many {DAY}s are there ", q):
        return sum(w == DAYS.index(m[1]) for *_, w in days_of(years))
    if "with a week 53" in q:
        return sum(iso(y + 1, 1, 1) - iso(y, 1, 1) == 371 for y in range(years[0], years[1] + 1))
    days = [western(y) - gregorian(y, 3, 1) + 1 for y in range(years[0], years[1] + 1)]
    tests: dict[str, Callable[[int], bool]] = {
        "in March?": lambda d: d < 32,
        "in the first ten days of April?": lambda d: 31 < d < 42,
        "after 18 April?": lambda d: d > 49,
    }
    (fits,) = [test for end, test in tests.items() if q.endswith(end)]
    return sum(map(fits, days))


def met(q: str) -> int:
    """The first common day of the cycles, day after day."""
    sizes = [int(n) for n in re.findall(r"every (\d+) days", q)]
    *last, start = re.findall(DATE, q) if "last happened" in q else re.findall(DATE, q) * (len(sizes) + 1)
    marks = [number(text) for text in last]
    assert len(marks) == len(sizes) == (2 if "both" in q else 3)
    first = number(start)
    assert all(0 <= first - mark < size for mark, size in zip(marks, sizes, strict=True))
    n = first + 1
    while any((n - mark) % size for mark, size in zip(marks, sizes, strict=True)):
        n += 1
    return n


def year_met(q: str) -> int:
    m = re.search(r"the (\w+) year after (\d+) in which (.+) falls on (?:a )?(.+)\?", q)
    assert m, q
    found = []
    for year in range(int(m[2]) + 1, int(m[2]) + 500):
        if m[3] == "Western Easter Sunday":
            month, day = named_day(m[4])
            fits = western(year) == gregorian(year, month, day)
        else:
            month, day = named_day(m[3])
            fits = (month, day) != (2, 29) or leap(year)
            fits = fits and DAYS[gregorian(year, month, day) % 7] == m[4]
        found += [year] if fits else []
    return found[NTH.index(m[1])]


def month_day(q: str) -> int:
    m = re.search(rf"the (?:{DAY} after the )?(last|{'|'.join(NTH)}) {DAY} of (\w+) (\d+) fall", q)
    assert m, q
    month, year = MONTHS.index(m[4]) + 1, int(m[5])
    size = SIZES[month - 1] + (month == 2 and leap(year))
    found = [n for d in range(1, size + 1) if DAYS[(n := gregorian(year, month, d)) % 7] == m[3]]
    day = found[-1 if m[2] == "last" else NTH.index(m[2])]
    return next(n for n in range(day + 1, day + 8) if DAYS[n % 7] == m[1]) if m[1] else day


def holiday(name: str, year: str) -> int:
    day, month = re.search(r"\((\d+) (\w+)\)", name).groups()  # type: ignore[union-attr]
    return number(f"{day} {month} {year}")


def solved(q: str) -> Solved:
    q = re.sub(r"In the tabular Islamic calendar of civil epoch, .*? cycle\. ", "", q)
    if (found := long(q)) is not None:
        return found
    if m := re.fullmatch(rf"What day of the week is the day that is (\d+) days (after|before) {DATE}\?", q):
        return DAYS[(number(m[3]) + int(m[1]) * (1 if m[2] == "after" else -1)) % 7], str
    if m := re.fullmatch(rf"On which day of the week (?:does|did) {DATE} of the (\w+) calendar fall\?", q):
        return DAYS[number(m[1], m[2]) % 7], str
    if re.search(r"which is the \w+ year after", q, re.IGNORECASE):
        return year_met(q), int
    if re.match(rf"On which date does the (?:{DAY}|last|{'|'.join(NTH)}) ", q):
        return month_day(q), number
    if m := re.fullmatch(rf"What is {DATE} as an ISO 8601 week date \(year, week, weekday\)\?", q):
        return number(m[1]), read_iso
    if m := re.fullmatch(r"Which calendar date is the ISO 8601 week date (\S+)\?", q):
        return read_iso(m[1]), number
    if m := re.fullmatch(rf"{WORK}Which date is (\d+) working days after (?:{DAY} )?{DATE}\?", q):
        assert m[2] in (None, DAYS[number(m[3]) % 7])
        return np.busday_offset(numpy_day(m[3]), int(m[1])), numpy_day
    if m := re.fullmatch(rf"{WORK}How many working days are there from {DATE} to {DATE}, both included\?", q):
        return int(np.busday_count(numpy_day(m[1]), numpy_day(m[2]) + 1)), int
    if m := re.fullmatch(r"How many .+ from \d+ to \d+, both (years )?included.*\?", q):
        return counted(q), int
    if m := re.fullmatch(rf"Which date is (\d+) days (after|before) {DATE}(?: in the Gregorian calendar)?\?", q):
        return number(m[3]) + int(m[1]) * (1 if m[2] == "after" else -1), number
    only = "counting only one of the two"
    if m := re.fullmatch(rf"How many days is it from {ANY}(?: \((\w+)\))? to {ANY}(?: \((\w+)\))?, {only} dates\?", q):
        return number(m[3], m[4] or "Gregorian") - number(m[1], m[2] or "Gregorian"), int
    common = "in one common year of the Julian calendar"
    if m := re.fullmatch(rf"How many days is it from (.+) to (.+), {common}, {only} days\?", q):
        return julian(1501, *roman(m[2])) - julian(1501, *roman(m[1])), int
    if m := re.fullmatch(r"On which date of the (.+) calendar does noon begin Julian day (\d+)\?", q):
        return int(m[2]), lambda choice: number(choice, m[1])
    if m := re.fullmatch(rf"Which Julian day number begins at noon of {ANY} of the (.+) calendar\?", q):
        return number(m[1], calendar_of(m[2])), int
    if m := re.fullmatch(r"On which date \(UTC\) does Unix time (\d+) fall\?", q):
        return datetime.fromtimestamp(int(m[1]), timezone.utc).toordinal() + 1721425, number
    if m := re.fullmatch(r"Which date and time in UTC is Unix time (-?\d+)\?", q):
        return int(m[1]), moment
    if m := re.fullmatch(r"What is the Unix time of (.+) UTC\?", q):
        return moment(m[1]), int
    if " every " in q:
        return met(q), number
    if m := re.fullmatch(r"What is the Gregorian date of Orthodox Easter \(by the Julian calendar\) of (\d+)\?", q):
        return orthodox(int(m[1])), number
    rules = r"(?:By the Gregorian rules, w|W)hat is the date of"
    if m := re.fullmatch(rf"{rules} (.+) of (\d+) in the Western churches\?", q):
        return western(int(m[2])) + FEASTS[m[1]], number
    if m := re.fullmatch(r"On which Gregorian date, in daylight, does (.+) of the Hebrew year (\d+) fall\?", q):
        return holiday(m[1], m[2]), number
    if m := re.fullmatch(rf"Which date of the (.+) calendar is {ANY} of the (.+?) calendar(?:, both as at noon)?\?", q):
        return number(m[2], calendar_of(m[3])), lambda choice: number(choice, calendar_of(m[1]))
    if m := re.fullmatch(r"How many days is it from the Maya long count 0.0.0.0.0 to (\S+)\?", q):
        return long_count(m[1]), int
    if m := re.fullmatch(r"Which Maya long count is (\d+) days (after|before) (\S+)\?", q):
        return long_count(m[3]) + int(m[1]) * (1 if m[2] == "after" else -1), long_count
    if m := re.search(r"what is the tzolkin day \(number and name\) of the Maya long count (\S+)\?", q):
        assert "If 0.0.0.0.0 is 4 Ahau," in q
        return tzolkin(long_count(m[1])), str
    if m := re.search(r"what is the haab day \(number and month\) of the Maya long count (\S+)\?", q):
        assert "If 0.0.0.0.0 is 8 Cumku," in q
        return haab(long_count(m[1])), str
    if "is Julian day 584283" in q:
        if m := re.search(r"which (?:proleptic )?Gregorian date is (\S+)\?", q):
            return long_count(m[1]) + 584283, number
        m = re.search(rf"{DATE} of the (?:proleptic )?Gregorian calendar\?", q)
        assert m, q
        days = number(m[1]) - 584283
        return (days, long_count) if "which long count" in q else (f"{tzolkin(days)} {haab(days)}", str)
    if m := re.fullmatch(r"Which day of the year \(day and month\) is the Roman date (.+)\?", q):
        return roman(m[1]), named_day
    if m := re.fullmatch(r"How is (.+) written as a Roman date\?", q):
        return named_day(m[1]), roman
    if m := re.fullmatch(
        r"On which day of the week in the Julian calendar falls (.+), in year (\d+) from the founding of Rome .+\?", q
    ):
        return DAYS[julian(int(m[2]) - 753, *roman(m[1])) % 7], str
    return clocks(q), str
