"""Weekdays of far dates, years in which a date falls on a weekday, nth weekdays, ISO weeks, working days, counts."""

from __future__ import annotations

import random
from datetime import date

from build.hard.dates.numbering import GREGORIAN, JULIAN, Calendar, is_leap
from build.hard.dates.pools import both, counts, dates, sided, weekdays
from build.making import Question
from build.wording import DAYS, MONTHS

ORDINALS = ("first", "second", "third", "fourth", "fifth")


def day_in(rng: random.Random, first: int, last: int, calendar: Calendar = GREGORIAN) -> int:
    """A day number of the years first to last."""
    return rng.randrange(calendar.start(first), calendar.start(last + 1))


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[0].upper() + text[1:]


def exists(year: int, month: int, day: int) -> bool:
    return (month, day) != (2, 29) or is_leap(year)


def weekday(rng: random.Random, level: int) -> Question:
    """6: some hundreds of days on; 7: one far date; 8: far in the Julian calendar."""
    if level == 6:
        start, step, sign = day_in(rng, 1990, 2060), rng.randrange(300, 5000), rng.choice((1, -1))
        number = start + sign * step
        place = f"the day that is {step} days {'after' if sign > 0 else 'before'} {GREGORIAN.text(start)}"
        question, statement = f"What day of the week is {place}?", f"The day of the week of {place} is {{}}."
    else:
        calendar, name = (
            rng.choice(((GREGORIAN, "Gregorian"), (JULIAN, "Julian"))) if level == 7 else (JULIAN, "Julian")
        )
        span = (2201, 4999) if calendar is GREGORIAN else (1050, 1581) if level == 7 else (150, 999)
        number = day_in(rng, *span, calendar)
        verb = "does" if span[0] > 2000 else "did"
        place = f"{calendar.text(number)} of the {name} calendar"
        question, statement = f"On which day of the week {verb} {place} fall?", f"{sentence(place)} is a {{}}."
    return Question(f"weekday {place}", "weekday", level, question, statement, DAYS[number % 7], weekdays(rng, number))


def next_year(rng: random.Random, level: int) -> Question:
    """6: any date; 7: the second to fourth time, or 29 February; 8: the same where a century year is no leap year."""
    start = (
        rng.randrange(1985, 2080)
        if level < 8
        else rng.choice((1700, 1800, 1900, 2100, 2200, 2300)) - rng.randrange(2, 12)
    )
    leap_day = level > 6 and rng.randrange(2) == 0
    month, day = (2, 29) if leap_day else (rng.randrange(1, 13), rng.randrange(1, 29))
    nth = 1 if level == 6 or leap_day else rng.randrange(2, 5)
    wanted = rng.randrange(7)
    years = [
        year
        for year in range(start + 1, start + 90)
        if exists(year, month, day) and GREGORIAN.number(year, month, day) % 7 == wanted
    ]
    answer = years[nth - 1]
    step = both(4, 8, 12, 16, 28, 24) if leap_day else both(1, 5, 6, 11, 2, 7, 10)
    which = ORDINALS[nth - 1]
    text = f"{day} {MONTHS[month - 1]} falls on a {DAYS[wanted]}"
    lead = f"the {which} year after {start} in which {text}"
    gregorian = "in the Gregorian calendar, " if start < 1924 else ""
    question, statement = f"{gregorian}which is {lead}?", f"{gregorian}{lead} is {{}}."
    fits = [s for s in step if answer + s > start and exists(answer + s, month, day)]
    pool = tuple(str(answer + s) for s in sided(rng, fits))
    return Question(f"{text} {answer}", "next year", level, sentence(question), sentence(statement), str(answer), pool)


def nth_weekday(rng: random.Random, level: int) -> Question:
    """6: the nth or last of a month to 2200; 7: farther, or the one after another weekday's."""
    year = rng.randrange(2061, 2201) if level == 6 else rng.randrange(2201, 4000)
    month, wanted = rng.randrange(1, 13), rng.randrange(7)
    size = GREGORIAN.months(year)[month - 1][1]
    nth = rng.choice((0, 1, 2, 3, -1))
    first_day = GREGORIAN.number(year, month, 1)
    of = f"of {MONTHS[month - 1]} {year}"
    if level == 7 and rng.randrange(2) and nth > 0:
        other = (wanted + rng.randrange(1, 7)) % 7
        low = next(d for d in range(1, 8) if (first_day + d - 1) % 7 == other) + 7 * (nth - 1) + 1
        text = f"the {DAYS[wanted]} after the {ORDINALS[nth - 1]} {DAYS[other]} {of}"
        low_fits, high_fits = 2 + 7 * (nth - 1), 7 * nth + 7
    else:
        low = 1 + 7 * nth if nth >= 0 else size - 6
        text = f"the {'last' if nth < 0 else ORDINALS[nth]} {DAYS[wanted]} {of}"
        low_fits, high_fits = low, low + 6
    number = next(n for n in range(first_day + low - 1, first_day + low + 6) if n % 7 == wanted)
    fits = range(first_day + low_fits - 1, first_day + min(high_fits, size))
    pool = dates(rng, GREGORIAN, number, both(1, 2, 3, 4, 5, 6), lambda n: n in fits)
    question, statement = f"On which date does {text} fall?", f"{sentence(text)} falls on {{}}."
    return Question(text, "nth weekday", level, question, statement, GREGORIAN.text(number), pool)


def iso(number: int) -> str:
    year, week, day = date.fromordinal(number - 1721425).isocalendar()
    return f"{year}-W{week:02d}-{day}"


def iso_week(rng: random.Random, level: int) -> Question | None:
    """6: the ISO date of a date near; 7: of a far one; also the date of an ISO date, at 8 of a far year's ends."""
    near = level == 6 or (level == 7 and rng.randrange(2) == 0)
    number = day_in(rng, *((1985, 2060) if near else (2101, 2999)))
    if level == 8:
        number = GREGORIAN.start(rng.randrange(2101, 2999)) + rng.randrange(-10, 12)
    name, plain = iso(number), GREGORIAN.text(number)
    if level == 6 or (level == 7 and not near):
        question = f"What is {plain} as an ISO 8601 week date (year, week, weekday)?"
        steps = sided(rng, both(7, 1, 6, 8, 14, 13))
        pool = tuple(text for step in steps if (text := iso(number + step))[:4] == name[:4])
        return (
            Question(
                f"iso {name}", "ISO week", level, question, f"As an ISO 8601 week date {plain} is {{}}.", name, pool
            )
            if len(pool) > 3
            else None
        )
    pool = dates(rng, GREGORIAN, number, both(1, 7, 6, 8, 2, 5))
    question = f"Which calendar date is the ISO 8601 week date {name}?"
    return Question(f"iso {name}", "ISO week", level, question, f"The ISO 8601 week date {name} is {{}}.", plain, pool)


def works(number: int) -> bool:
    return number % 7 < 5


def working_days(rng: random.Random, level: int) -> Question:
    """6: some weeks on, the weekday given; 7: some months, not given; 8: a count over years; 9: some years on."""
    rule = "Working days are Monday to Friday, without holidays."
    if level == 8:
        start = day_in(rng, 2031, 2090)
        end = start + rng.randrange(250, 1500)
        number = sum(map(works, range(start, end + 1)))
        text = f"from {GREGORIAN.text(start)} to {GREGORIAN.text(end)}, both included"
        question, statement = (
            f"{rule} How many working days are there {text}?",
            f"The number of days from Monday to Friday {text}, is {{}}.",
        )
        return Question(
            f"working {text}",
            "working days",
            level,
            question,
            statement,
            str(number),
            counts(rng, number, both(1, 2, 3, 4, 5, 6)),
        )
    start = day_in(rng, 2028, 2090)
    while not works(start):
        start += 1
    n_days = rng.randrange(*{6: (18, 60), 7: (90, 240), 9: (900, 2600)}[level])
    number = start
    for _ in range(n_days):
        number += 1
        while not works(number):
            number += 1
    given = f"{DAYS[start % 7]} {GREGORIAN.text(start)}" if level == 6 else GREGORIAN.text(start)
    text = f"{n_days} working days after {given}"
    pool = dates(rng, GREGORIAN, number, both(1, 2, 3, 4, 7, 5, 6, 8), works)
    question = f"{rule} Which date is {text}?"
    statement = f"With Monday to Friday as working days, {text} is {{}}."
    return Question(f"working {text}", "working days", level, question, statement, GREGORIAN.text(number), pool)


def count(rng: random.Random, level: int) -> Question:
    """Over some years at 8, decades at 9, centuries at 10."""
    first = rng.randrange(2001, 2120)
    last = first + rng.randrange(*{8: (5, 10), 9: (28, 75), 10: (130, 390)}[level])
    years, span = range(first, last + 1), f"from {first} to {last}, both years included"
    kind = rng.randrange(4 if level > 8 else 3)
    wanted = rng.randrange(7)
    if kind == 0:
        things, what = "Fridays the 13th are there", "Fridays the 13th"
        number = sum(GREGORIAN.number(y, m, 13) % 7 == 4 for y in years for m in range(1, 13))
    elif kind == 1:
        day = rng.choice((1, 2, 3, 5, 9, 19, 20, 24, 27))
        things = f"times is day {day} of a month a {DAYS[wanted]}"
        what = f"times that day {day} of a month is a {DAYS[wanted]}"
        number = sum(GREGORIAN.number(y, m, day) % 7 == wanted for y in years for m in range(1, 13))
    elif kind == 2 and level == 8:
        things, what = f"{DAYS[wanted]}s are there", f"{DAYS[wanted]}s"
        number = sum(n % 7 == wanted for n in range(GREGORIAN.start(first), GREGORIAN.start(last + 1)))
    elif kind == 2:
        month, day = rng.randrange(1, 13), rng.randrange(1, 29)
        things = f"times does {day} {MONTHS[month - 1]} fall on a {DAYS[wanted]}"
        what = f"times that {day} {MONTHS[month - 1]} falls on a {DAYS[wanted]}"
        number = sum(GREGORIAN.number(y, month, day) % 7 == wanted for y in years)
    else:
        things, what = "years with a week 53 (ISO 8601) are there", "years with a week 53 (ISO 8601)"
        number = sum(date(y, 12, 28).isocalendar()[1] == 53 for y in years)
    pool = counts(rng, number, both(1, 2, 3, 4, 5), least=1)
    return Question(
        f"count {what} {span}",
        "counts",
        level,
        f"How many {things} {span}?",
        f"The number of {what} {span}, is {{}}.",
        str(number),
        pool,
    )
