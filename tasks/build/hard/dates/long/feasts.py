"""Easter of the Western and the Orthodox churches, and the days that are counted from it."""

from __future__ import annotations

import random

from build.hard.dates.numbering import GREGORIAN, HEBREW, JULIAN
from build.hard.dates.pools import both, counts, dates, sided
from build.hard.dates.weekdays import sentence
from build.making import Question
from build.wording import MONTHS

MOVABLE = {"Ash Wednesday": -46, "Good Friday": -2, "Ascension Day (Thursday)": 39, "Whit Sunday (Pentecost)": 49}
"""Days after Easter Sunday, in the Western churches."""


def western(year: int) -> int:
    """The day number of Easter Sunday in the Gregorian calendar, by the rule of Meeus, Jones and Butcher."""
    century, rest = divmod(year, 100)
    skipped = century - century // 4 - (century - (century + 8) // 25 + 1) // 3
    moon = (19 * (year % 19) + skipped + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    moved = (year % 19 + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * moved + 114, 31)
    return GREGORIAN.number(year, month, day + 1)


def orthodox(year: int) -> int:
    """The day number of Easter Sunday in the Julian calendar, by Meeus's rule."""
    moon = (19 * (year % 19) + 15) % 30
    sunday = (2 * (year % 4) + 4 * (year % 7) - moon + 34) % 7
    month, day = divmod(moon + sunday + 114, 31)
    return JULIAN.number(year, month, day + 1)


WEEKS = both(7, 14, 21, 28, 35)


def easter(rng: random.Random, level: int) -> Question | None:
    """7: Western of this age; 8: to 2199, Orthodox or movable; 9: other centuries; 10: years and counts."""
    if level == 10:
        return _years(rng) if rng.randrange(2) else _in_season(rng)
    spans = {7: (1950, 2060), 8: (2061, 2199), 9: rng.choice(((1583, 1899), (2200, 3400)))}
    year = rng.randrange(*spans[level])
    kind = rng.randrange(3) if level > 7 else 0
    if kind == 1:
        year = rng.randrange(*((1950, 2061) if level == 8 else (2101, 2300)))
        low = JULIAN.number(year, 3, 22)
        number = orthodox(year)
        text = f"Orthodox Easter (by the Julian calendar) of {year}"
        question = f"What is the Gregorian date of {text}?"
    else:
        number, low = western(year), GREGORIAN.number(year, 3, 22)
        name = "Easter Sunday"
        if kind == 2:
            name = rng.choice(sorted(MOVABLE))
            number, low = number + MOVABLE[name], low + MOVABLE[name]
        text = f"{name} of {year} in the Western churches"
        question = f"What is the date of {text}?"
        if year < 1900:
            question = f"By the Gregorian rules, what is the date of {text}?"
    pool = dates(rng, GREGORIAN, number, WEEKS, lambda n: low <= n < low + 35)
    if len(pool) < 3:
        return None
    return Question(
        f"{kind == 1} easter {year}",
        "Easter",
        level,
        question,
        f"The date of {text} is {{}}.",
        GREGORIAN.text(number),
        pool,
    )


def _years(rng: random.Random) -> Question:
    """The first year after another in which Easter falls on a day."""
    start = rng.randrange(2040, 2800)
    _, month, day = GREGORIAN.parts(western(rng.randrange(2000, 2900)))
    met = [year for year in range(start + 1, start + 400) if GREGORIAN.parts(western(year))[1:] == (month, day)]
    text = f"the first year after {start} in which Western Easter Sunday falls on {day} {MONTHS[month - 1]}"
    slips = [met[1] - met[0], met[2] - met[0], *both(11, 5, 6, 1, 8, 19, 3)]
    pool = tuple(str(met[0] + s) for s in sided(rng, [s for s in dict.fromkeys(slips) if met[0] + s > start]))
    return Question(text, "Easter", 10, f"Which is {text}?", f"{sentence(text)} is {{}}.", str(met[0]), pool)


SEASONS = (
    ("in March", (3, 22), (3, 31)),
    ("in the first ten days of April", (4, 1), (4, 10)),
    ("after 18 April", (4, 19), (4, 25)),
)


def _in_season(rng: random.Random) -> Question:
    first = rng.randrange(1600, 2800)
    last = first + rng.randrange(35, 120)
    where, low, high = rng.choice(SEASONS)
    number = sum(low <= GREGORIAN.parts(western(year))[1:] <= high for year in range(first, last + 1))
    text = f"from {first} to {last}, both included, in which Western Easter Sunday (Gregorian) falls {where}"
    question, statement = f"How many years are there {text}?", f"The number of years {text}, is {{}}."
    return Question(text, "Easter", 10, question, statement, str(number), counts(rng, number, both(1, 2, 3, 4, 5), 1))


HOLIDAYS = {
    "Rosh Hashanah (1 Tishri)": (1, 1, (0, 1, 3, 5)),
    "the first day of Passover (15 Nisan)": (-6, 15, (1, 3, 5, 6)),
    "Shavuot (6 Sivan)": (-4, 6, (0, 2, 4, 6)),
    "Yom Kippur (10 Tishri)": (1, 10, (0, 2, 3, 5)),
}
"""Month (from the end where below 0), day and the weekdays on which each can fall."""


def _held(name: str, year: int) -> int:
    """The day number of a holiday in a Hebrew year."""
    month, day, _ = HOLIDAYS[name]
    return HEBREW.number(year, month if month > 0 else len(HEBREW.months(year)) + month + 1, day)


def _shift(name: str, year: int) -> int:
    """The day of the Gregorian year on which a holiday falls."""
    number = _held(name, year)
    return number - GREGORIAN.start(GREGORIAN.parts(number)[0])


def holiday(rng: random.Random, level: int) -> Question:
    """The Gregorian date of a Jewish holiday, among days on which it may fall."""
    year, name = rng.randrange(5790, 5900), rng.choice(sorted(HOLIDAYS))
    allowed, number = HOLIDAYS[name][2], _held(name, year)
    text = f"{name} of the Hebrew year {year}"
    question = f"On which Gregorian date, in daylight, does {text} fall?"
    steps = both(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 28, 29, 30)
    season = [number + _shift(name, other) - _shift(name, year) for other in range(5780, 5910)]
    pool = dates(rng, GREGORIAN, number, steps, lambda n: n % 7 in allowed and min(season) <= n <= max(season))
    statement = f"In daylight, {text} falls on {{}}."
    return Question(f"holidays {year}", "Hebrew", level, question, statement, GREGORIAN.text(number), pool)
