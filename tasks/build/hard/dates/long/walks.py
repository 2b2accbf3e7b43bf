"""Short rules repeated: each date or year says how far it is to the next, so that there is no way around the steps.

The wrong answers are dates or years a few rounds before or after the end of the same walk: every one of them is met.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date

from build.hard.dates.counting import RULE
from build.hard.dates.numbering import GREGORIAN
from build.hard.dates.pools import both, counts
from build.hard.dates.tables import CALENDARS, START, easters, month_days
from build.hard.dates.weekdays import day_in
from build.making import Question
from build.wording import DAYS, MONTHS

ORDINAL = 1721425
"""From `datetime`'s ordinals to day numbers."""

Far = Callable[[date], int]
Test = Callable[[date], bool]


def _sum(number: int) -> int:
    return sum(map(int, str(number)))


def _digits(day: date) -> int:
    return _sum(day.day) + _sum(day.month) + _sum(day.year)


STEPS: tuple[tuple[str, Far], ...] = (
    ("the sum of all digits of its day, month and year written as numbers", _digits),
    (
        "the number of its day in the month plus the sum of the digits of its year",
        lambda d: d.day + _sum(d.year),
    ),
    (
        "three times the number of its weekday (Monday 1 to Sunday 7) plus the sum of the digits of its year",
        lambda d: 3 * d.isoweekday() + _sum(d.year),
    ),
    (
        "the larger of the number of its day in the month and the sum of the digits of its year",
        lambda d: max(d.day, _sum(d.year)),
    ),
    (
        "the number of its month (1 to 12) plus the sum of the digits of its year",
        lambda d: d.month + _sum(d.year),
    ),
)
"""Each with the year's digits: without them a walk would soon go round with the calendar."""


def _condition(rng: random.Random) -> tuple[str, Test]:
    wanted, by = rng.randrange(7), rng.choice((3, 4, 5, 7))
    choices: tuple[tuple[str, Test], ...] = (
        (f"is a {DAYS[wanted]}", lambda d: d.weekday() == wanted),
        (f"has a day number in its month that is divisible by {by}", lambda d: d.day % by == 0),
        ("lies in a month of 30 days", lambda d: d.month in (4, 6, 9, 11)),
    )
    return rng.choice(choices)


def _walked(start: date, far: Far, test: Test, more: int, rounds: int) -> list[date]:
    days, ordinal = [start], start.toordinal()
    for _ in range(rounds):
        ordinal += far(days[-1])
        day = date.fromordinal(ordinal)
        if test(day):
            ordinal += more
            day = date.fromordinal(ordinal)
        days.append(day)
    return days


def around(rng: random.Random, path: Sequence[str], end: int) -> tuple[str, ...]:
    """What stands a few rounds before and after the end of a walk, more on one side."""
    below = rng.randrange(4)
    near = [path[end + step] for step in (*range(-2 * below, 0), *range(1, 7 - 2 * below))]
    rng.shuffle(near)
    return tuple(near)


def _rounds(rng: random.Random, level: int) -> int:
    return rng.randrange(*{8: (25, 60), 9: (250, 700), 10: (2500, 7000)}[level])


def _rule(rng: random.Random, rounds: int) -> tuple[str, list[date]]:
    start = date.fromordinal(day_in(rng, 1801, 2100) - ORDINAL)
    (how, far), (when, test), more = rng.choice(STEPS), _condition(rng), rng.randrange(2, 20)
    text = (
        f"Start at {spoken(start)} and do this {rounds} times: from the date reached, go forward as many days as "
        f"{how}; if the new date {when}, go forward another {more} days."
    )
    return text, _walked(start, far, test, more, rounds + 7)


def spoken(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def date_walk(rng: random.Random, level: int) -> Question:
    """The date at the end."""
    rounds = _rounds(rng, level)
    rule, days = _rule(rng, rounds)
    path = [spoken(day) for day in days]
    text = f"{rule} (All in the Gregorian calendar.)"
    question, statement = f"{text} Which date is reached in the end?", f"{text} The date reached in the end is {{}}."
    return Question(rule, "date walks", level, question, statement, path[rounds], around(rng, path, rounds))


def walk_tally(rng: random.Random, level: int) -> Question | None:
    """How many rounds end on a weekday or in a month."""
    rounds = _rounds(rng, level)
    rule, days = _rule(rng, rounds)
    ends = days[1 : rounds + 1]
    wanted, month = rng.randrange(7), rng.randrange(1, 13)
    if rng.randrange(2):
        where, number = f"on a {DAYS[wanted]}", sum(day.weekday() == wanted for day in ends)
    else:
        where, number = f"in {MONTHS[month - 1]}", sum(day.month == month for day in ends)
    if number < rounds // 30:
        return None
    text = f"{rule} (All in the Gregorian calendar.)"
    question = f"{text} How many of the {rounds} rounds end {where}?"
    statement = f"{text} Of the {rounds} rounds, the number that end {where} is {{}}."
    pool = counts(rng, number, both(1, 2, 3, 4, 5, 6), 1)
    return Question(f"{rule} {where}", "walk tallies", level, question, statement, str(number), pool)


def calendar_walk(rng: random.Random, level: int) -> Question:
    """Steps as the days of the month of two or three calendars say, in turn."""
    names = rng.choice(
        (
            ("Hebrew", "Gregorian"),
            ("tabular Islamic", "Julian"),
            ("Gregorian", "tabular Islamic"),
            ("Julian", "Hebrew"),
            ("Hebrew", "Gregorian", "tabular Islamic"),
            ("tabular Islamic", "Hebrew", "Julian"),
        )
    )
    rounds = rng.randrange(*{8: (5, 10), 9: (30, 80), 10: (1200, 2800)}[level])
    number = day_in(rng, 1750, 1950)
    first, columns = number, [month_days(name) for name in names]
    days = [number]
    for _ in range(rounds + 7):
        for column in columns:
            number += column[number - START]
        days.append(number)
    called = rng.choice(sorted(CALENDARS))
    own = CALENDARS[called]
    moves = ", then ".join(f"as many as the number of its day in the {name} month" for name in names)
    lead = f"{RULE} " if "tabular Islamic" in (*names, called) else ""
    text = (
        f"{lead}Dates are taken at noon. Start at {GREGORIAN.text(first)} (Gregorian) and do this {rounds} times: go "
        f"forward by some days, {moves}, always of the date reached."
    )
    asked = f"date of the {called} calendar"
    question, statement = f"{text} Which {asked} is reached in the end?", f"{text} The {asked} at the end is {{}}."
    path = [own.text(day) if abs(k - rounds) < 8 else "" for k, day in enumerate(days)]
    return Question(text, "calendar walks", level, question, statement, path[rounds], around(rng, path, rounds))


YEARS: tuple[tuple[str, Callable[[int], int]], ...] = (
    (
        "the number of the day in its month on which Western Easter falls in that year",
        lambda y: GREGORIAN.parts(easters(y)[0])[2],
    ),
    (
        "there are days from 21 March to Western Easter of that year",
        lambda y: easters(y)[0] - GREGORIAN.number(y, 3, 21),
    ),
    ("there are Sundays before Western Easter in that year", lambda y: _sundays(y)),
)


def _sundays(year: int) -> int:
    return (easters(year)[0] - GREGORIAN.start(year)) // 7


def year_walk(rng: random.Random, level: int) -> Question | None:
    """From year to year by their Easters."""
    rounds = rng.randrange(*{8: (8, 15), 9: (40, 90), 10: (220, 400)}[level])
    (how, far), start, more = rng.choice(YEARS), rng.randrange(1590, 2100), rng.randrange(1, 7)
    path = [start]
    for _ in range(rounds + 7):
        year = path[-1] + far(path[-1])
        path.append(year + more * (year % 4 == 0))
        if path[-1] > 9900:
            return None
    text = (
        f"Start with the year {start} and do this {rounds} times: from the year reached, go forward as many years as "
        f"{how}; if the number of the new year is divisible by 4, go forward another {more} years."
    ).replace("another 1 years", "another year")
    lead = "Western Easter is taken by the Gregorian rules."
    question, statement = f"{lead} {text} Which year is reached in the end?", f"{lead} {text} It ends in year {{}}."
    pool = around(rng, list(map(str, path)), rounds)
    return Question(text, "year walks", level, question, statement, str(path[rounds]), pool)
