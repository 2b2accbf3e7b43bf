"""A date carried through several calendars, some years on in each: each step needs a whole conversion."""

from __future__ import annotations

import random

from build.hard.dates.conversions import NAMES
from build.hard.dates.counting import RULE
from build.hard.dates.numbering import COPTIC, ETHIOPIAN, GREGORIAN, HEBREW, Calendar
from build.hard.dates.pools import both, dates
from build.hard.dates.weekdays import day_in
from build.making import Question

HOPS = NAMES[:6]
N_HOPS = {8: 4, 9: 14}


def _later(calendar: Calendar, number: int, years: int) -> int | None:
    """The day of the same day and month some years on; None for days that not every year has."""
    year, month, day = calendar.parts(number)
    name = calendar.months(year)[month - 1][0]
    names = [other for other, _ in calendar.months(year + years)]
    if day > 29 or name not in names or (name, day) == ("February", 29):
        return None
    if calendar in (COPTIC, ETHIOPIAN) and month > 12:
        return None
    return calendar.number(year + years, names.index(name) + 1, day)


def chain(rng: random.Random, level: int) -> Question | None:
    """Many hops; in the end the date in one more calendar."""
    start = day_in(rng, 1583 if level == 9 else 1800, 1899)
    number: int | None = start
    hops, last = [], None
    for _ in range(N_HOPS[level]):
        calendar, name = rng.choice([entry for entry in HOPS if entry[0] is not last])
        years = rng.randrange(7, 42)
        assert number is not None
        number, last = _later(calendar, number, years), calendar
        if number is None:
            return None
        hops.append(f"{years} years in the {name} calendar")
    own, called = rng.choice([entry for entry in HOPS if entry[0] is not last])
    if own in (COPTIC, ETHIOPIAN) and own.parts(number)[1] > 12:
        return None
    lead = f"{RULE} " if any("Islamic" in hop for hop in (*hops, called)) else ""
    text = (
        f"{lead}Dates are taken at noon; to go some years on in a calendar leads to its day of the same number in the "
        f"month of the same name so many years later. From {GREGORIAN.text(start)} (Gregorian), go "
        f"{', then '.join(hops)}."
    )
    asked = f"date of the {called} calendar"
    pool = dates(rng, own, number, both(1, 2, 3, 29, 30), lambda n: own.parts(n)[1] < 13 or own is HEBREW)
    question, statement = f"{text} Which {asked} is reached?", f"{text} The {asked} reached is {{}}."
    return Question(text, "chains", level, question, statement, own.text(number), pool)
