"""Days between dates and after them, Julian day numbers, Unix time, cycles that meet."""

from __future__ import annotations

import random
from itertools import combinations
from math import lcm

from build.hard.dates.numbering import GREGORIAN, HEBREW, ISLAMIC, JULIAN
from build.hard.dates.pools import both, counts, dates, sided
from build.hard.dates.weekdays import day_in, sentence
from build.making import Question
from build.wording import listed

UNIX_DAY = 2440588
"""The day number of 1 January 1970."""

RULE = (
    "In the tabular Islamic calendar of civil epoch, 1 Muharram 1 is 16 July 622 of the Julian calendar, odd months "
    "have 30 days and even ones 29, and Dhu al-Hijja has 30 in years 2, 5, 7, 10, 13, 16, 18, 21, 24, 26 and 29 of "
    "each 30-year cycle."
)
"""What makes an answer in the tabular Islamic calendar certain."""


def _spans(rng: random.Random, level: int) -> tuple[int, str, int, str]:
    """Two days and how they are named."""
    if level < 9:
        start = day_in(rng, *{6: (1980, 2050), 7: (1900, 2040), 8: (1590, 2100)}[level])
        end = start + rng.randrange(*{6: (3100, 6000), 7: (8000, 25000), 8: (45000, 200000)}[level])
        named = " (Gregorian)" if level == 8 else ""
        return start, GREGORIAN.text(start) + named, end, GREGORIAN.text(end) + named
    start, end = day_in(rng, 300, 1500, JULIAN), day_in(rng, 1700, 2400)
    if level == 9:
        return start, f"{JULIAN.text(start)} (Julian)", end, f"{GREGORIAN.text(end)} (Gregorian)"
    end = day_in(rng, 1800, 2200)
    return start, f"{JULIAN.text(start)} (Julian)", end, f"{HEBREW.text(end)} (Hebrew)"


def days(rng: random.Random, level: int) -> Question:
    """Between two dates, or the date so many days on; 9 and 10 across two calendars."""
    slips = both(1, 2, 10, 11, 9, 12, 30, 31) if level > 7 else both(1, 2, 3, 30, 31, 29, 10)
    if level in (7, 8) and rng.randrange(2):
        start = day_in(rng, *((1930, 2030) if level == 7 else (1590, 2100)))
        step = rng.randrange(*((6000, 20000) if level == 7 else (45000, 200000)))
        sign = rng.choice((1, -1)) if level == 7 else 1
        gregorian = " in the Gregorian calendar" if level == 8 else ""
        text = f"{step} days {'after' if sign > 0 else 'before'} {GREGORIAN.text(start)}{gregorian}"
        number = start + sign * step
        pool = dates(rng, GREGORIAN, number, both(1, 2, 3, 4, 30, 31, 29))
        return Question(
            f"days {text}",
            "days",
            level,
            f"Which date is {text}?",
            f"The date {text} is {{}}.",
            GREGORIAN.text(number),
            pool,
        )
    start, first, end, last = _spans(rng, level)
    text = f"from {first} to {last}"
    question = f"How many days is it {text}, counting only one of the two dates?"
    statement = f"The number of days {text}, counting only one of the two dates, is {{}}."
    return Question(
        f"days {text}", "days", level, question, statement, str(end - start), counts(rng, end - start, slips)
    )


def day_number(rng: random.Random, level: int) -> Question:
    """The Julian day number of a date, or the other way about; at 10 of Hebrew and Islamic dates."""
    calendar, name = (GREGORIAN, "Gregorian") if level == 8 or rng.randrange(2) else (JULIAN, "Julian")
    number = day_in(
        rng, *((1850, 2150) if level == 8 else (1583, 2600) if calendar is GREGORIAN else (200, 1580)), calendar
    )
    lead = ""
    if level == 10:
        calendar, name = rng.choice(((HEBREW, "Hebrew"), (ISLAMIC, "tabular Islamic")))
        number = day_in(rng, 1100, 2150)
        lead = f"{RULE} " if calendar is ISLAMIC else ""
    text = f"{calendar.text(number)} of the {name} calendar"
    fact = f"day number {number}"
    if level == 9 or (level == 10 and rng.randrange(2)):
        question = f"{lead}On which date of the {name} calendar does noon begin Julian day {number}?"
        statement = f"The date of the {name} calendar at whose noon Julian day {number} begins is {{}}."
        return Question(
            fact, "day numbers", level, question, statement, calendar.text(number), dates(rng, calendar, number)
        )
    question = f"{lead}Which Julian day number begins at noon of {text}?"
    statement = f"The Julian day number that begins at noon of {text} is {{}}."
    pool = counts(rng, number, both(1, 2, 3, 30, 31, 29, 10, 11))
    return Question(fact, "day numbers", level, question, statement, str(number), pool)


def moment(seconds: int) -> str:
    """A Unix time as date and time."""
    day, rest = divmod(seconds, 86400)
    return f"{GREGORIAN.text(UNIX_DAY + day)}, {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def unix(rng: random.Random, level: int) -> Question:
    """7: the day of a time; 8: with the time of day, or the other way about; 9: before 1970 and far ahead."""
    span = (1975, 2040) if level < 9 else rng.choice(((1880, 1965), (2060, 2400)))
    seconds = (day_in(rng, *span) - UNIX_DAY) * 86400 + rng.randrange(86400)
    fact = f"unix {seconds}"
    if level == 7:
        text = f"On which date (UTC) does Unix time {seconds} fall?"
        number = UNIX_DAY + seconds // 86400
        pool = dates(rng, GREGORIAN, number, both(1, 2, 3, 30, 31, 29))
        return Question(
            fact,
            "Unix time",
            level,
            text,
            f"The date (UTC) of Unix time {seconds} is {{}}.",
            GREGORIAN.text(number),
            pool,
        )
    steps = both(3600, 86400, 82800, 90000, 7200, 2 * 86400, 30 * 86400)
    if rng.randrange(2):
        question, statement = (
            f"Which date and time in UTC is Unix time {seconds}?",
            f"Unix time {seconds} is {{}} in UTC.",
        )
        return Question(
            fact,
            "Unix time",
            level,
            question,
            statement,
            moment(seconds),
            tuple(moment(seconds + s) for s in sided(rng, steps)),
        )
    question = f"What is the Unix time of {moment(seconds)} UTC?"
    statement = f"The Unix time of {moment(seconds)} UTC is {{}}."
    return Question(
        fact, "Unix time", level, question, statement, str(seconds), tuple(str(seconds + s) for s in sided(rng, steps))
    )


THINGS = (
    *("a ferry sails", "a market is held", "a well is cleaned", "a filter is changed", "a pump is tested"),
    *("a newsletter appears", "a bus is washed", "a choir meets", "a satellite passes", "a lamp is trimmed"),
)


def cycles(rng: random.Random, level: int) -> Question | None:
    """Two or three things that meet again: at 6 and 7 from one day on, from 8 on each from its own."""
    n_things = 3 - (level in (6, 8))
    low, high = {6: (12, 40), 7: (8, 40), 8: (9, 30), 9: (5, 18), 10: (11, 34)}[level]
    sizes = sorted(rng.sample(range(low, high), n_things))
    whole, most = lcm(*sizes), {6: 700, 7: 2500, 8: 800, 9: 3000, 10: 14000}[level]
    pairs = [lcm(a, b) for a, b in combinations(sizes, 2) if n_things == 3]
    if not most // 4 < whole <= most or whole in (*sizes, *pairs):
        return None
    start = day_in(rng, 2026, 2060)
    parts = [f"{thing} every {size} days" for thing, size in zip(rng.sample(THINGS, n_things), sizes, strict=True)]
    every = f"{sentence(listed(parts))}"
    all_of_them = "both" if n_things == 2 else "all three"
    if level < 8:
        number = start + whole
        when = f"{all_of_them.capitalize()} happen on {GREGORIAN.text(start)}."
        asked = f"the next date on which {all_of_them} happen"
        slips = both(1, 2, 3, sizes[0], sizes[1], sizes[0] + 1, 30)
    else:
        last = [start - rng.randrange(size) for size in sizes]
        days_on = zip(last, sizes, strict=True)
        number = next((n for n in range(start + 1, start + whole + 1) if _due(n, last, sizes)), 0)
        if number < start + whole // 3 or len(set(last)) < n_things:
            return None
        when = f"They last happened on {listed([GREGORIAN.text(at) for at, _ in days_on])}, in this order."
        asked = f"the first date after {GREGORIAN.text(start)} on which {all_of_them} happen"
        steps = [*sizes, *(2 * size for size in sizes), sizes[0] + sizes[-1], *pairs, 1, sizes[0] + 1]
        slips = both(*dict.fromkeys(steps))
    fits = [step for step in slips if step % whole and number + step > start]
    pool = dates(rng, GREGORIAN, number, fits)
    text = f"{every}. {when}"
    question, statement = f"{text} What is {asked}?", f"{text} {sentence(asked)} is {{}}."
    return Question(f"cycles {text}", "cycles", level, question, statement, GREGORIAN.text(number), pool)


def _due(number: int, last: list[int], sizes: list[int]) -> bool:
    return all((number - at) % size == 0 for at, size in zip(last, sizes, strict=True))
