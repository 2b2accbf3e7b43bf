"""A date of one calendar in another."""

from __future__ import annotations

import random

from build.hard.dates.counting import RULE
from build.hard.dates.numbering import (
    COPTIC,
    ETHIOPIAN,
    GREGORIAN,
    HEBREW,
    ISLAMIC,
    JULIAN,
    REPUBLICAN,
    REPUBLICAN_DAYS,
    SAKA,
    Calendar,
)
from build.hard.dates.pools import DAY_SLIPS, both, dates
from build.hard.dates.weekdays import day_in
from build.making import Question

NAMES = (
    (GREGORIAN, "Gregorian"),
    (JULIAN, "Julian"),
    (HEBREW, "Hebrew"),
    (ISLAMIC, "tabular Islamic"),
    (COPTIC, "Coptic"),
    (ETHIOPIAN, "Ethiopian"),
    (REPUBLICAN, "French Republican"),
    (SAKA, "Indian national (Saka)"),
)


def name_of(calendar: Calendar, number: int) -> str:
    """With a word for Gregorian dates from before that calendar."""
    early = calendar is GREGORIAN and number < GREGORIAN.start(1583)
    return "proleptic Gregorian" if early else next(name for one, name in NAMES if one is calendar)


def named(calendar: Calendar, number: int) -> bool:
    """Whether a day has a month: the short days at the end of some calendars' years are not asked for."""
    if calendar is REPUBLICAN and number not in REPUBLICAN_DAYS:
        return False
    return calendar not in (COPTIC, ETHIOPIAN, REPUBLICAN) or calendar.parts(number)[1] < 13


def converted(
    rng: random.Random, level: int, topic: str, source: Calendar, target: Calendar, number: int, steps: list[int]
) -> Question | None:
    """The date of a day number in the target calendar, asked from the source."""
    if not named(source, number) or not named(target, number):
        return None
    text = f"{source.text(number)} of the {name_of(source, number)} calendar"
    wanted = name_of(target, number)
    noon = ", both as at noon" if HEBREW in (source, target) or ISLAMIC in (source, target) else ""
    lead = f"{RULE} " if ISLAMIC in (source, target) else ""
    question = f"{lead}Which date of the {wanted} calendar is {text}{noon}?"
    statement = f"{lead}{text} is {{}} in the {wanted} calendar{noon}."
    pool = dates(rng, target, number, steps, lambda n: named(target, n))
    return Question(f"{topic} {number}", topic, level, question, statement, target.text(number), pool)


def _either(rng: random.Random, one: Calendar, other: Calendar) -> tuple[Calendar, Calendar]:
    return (one, other) if rng.randrange(2) else (other, one)


def julian(rng: random.Random, level: int) -> Question | None:
    """7: since the reform; 8: the Middle Ages; 9: far on either side."""
    span = {7: (1600, 2090), 8: (550, 1500), 9: rng.choice(((30, 500), (2300, 5900)))}[level]
    number = day_in(rng, *span)
    steps = both(1, 2, 3, 10, 13, 12, 7, 6)
    return converted(rng, level, "Julian calendar", *_either(rng, JULIAN, GREGORIAN), number, steps)


def hebrew(rng: random.Random, level: int) -> Question | None:
    """9: to Gregorian dates of this age; 10: from those, and in older Julian ones or other calendars."""
    if level == 9:
        return converted(rng, level, "Hebrew", HEBREW, GREGORIAN, day_in(rng, 1900, 2140), DAY_SLIPS)
    others = (GREGORIAN, JULIAN, ISLAMIC, COPTIC)
    other = rng.choice(others)
    number = day_in(rng, *((900, 1580) if other is JULIAN else (1850, 2200)))
    source, target = (other, HEBREW) if other is GREGORIAN else _either(rng, HEBREW, other)
    return converted(rng, level, "Hebrew", source, target, number, DAY_SLIPS)


def islamic(rng: random.Random, level: int) -> Question | None:
    if level == 9:
        return converted(rng, level, "Islamic", ISLAMIC, GREGORIAN, day_in(rng, 1900, 2140), DAY_SLIPS)
    other = rng.choice((GREGORIAN, JULIAN, COPTIC, ETHIOPIAN))
    number = day_in(rng, *((640, 1580) if other is JULIAN else (1700, 2300)))
    source, target = (other, ISLAMIC) if other is GREGORIAN else _either(rng, ISLAMIC, other)
    return converted(rng, level, "Islamic", source, target, number, DAY_SLIPS)


def _near(target: Calendar) -> list[int]:
    """Slips in calendars that follow the sun: a month off is seen at once where the months are ours."""
    return both(1, 2, 3, 4, 5) if target in (GREGORIAN, JULIAN) else both(1, 2, 3, 4, 30, 29, 31)


def egyptian(rng: random.Random, level: int) -> Question | None:
    """Coptic and Ethiopian dates. 8: of this age; 9: Julian or far; 10: as Indian or Republican ones."""
    own = rng.choice((COPTIC, ETHIOPIAN))
    if level == 8:
        source, target, number = *_either(rng, own, GREGORIAN), day_in(rng, 1901, 2099)
    elif level == 9:
        other, span = rng.choice(((JULIAN, (400, 1500)), (GREGORIAN, (2101, 2999)), (GREGORIAN, (1583, 1899))))
        source, target, number = *_either(rng, own, other), day_in(rng, *span)
    else:
        other, span = rng.choice(((SAKA, (2000, 2300)), (REPUBLICAN, (1793, 1805))))
        source, target, number = *_either(rng, own, other), day_in(rng, *span)
    return converted(rng, level, "solar calendars", source, target, number, _near(target))


def republican(rng: random.Random, level: int) -> Question | None:
    """8: to Gregorian; 9: from Gregorian; 10: against the Julian or the Hebrew calendar."""
    number = rng.choice(REPUBLICAN_DAYS)
    source, target = {
        8: (REPUBLICAN, GREGORIAN),
        9: (GREGORIAN, REPUBLICAN),
        10: _either(rng, REPUBLICAN, rng.choice((JULIAN, HEBREW))),
    }[level]
    return converted(rng, level, "Republican", source, target, number, _near(target))


def saka(rng: random.Random, level: int) -> Question | None:
    """The Indian national calendar, since its adoption in 1957."""
    source, target = _either(rng, SAKA, GREGORIAN)
    return converted(rng, level, "solar calendars", source, target, day_in(rng, 1960, 2090), both(1, 2, 30, 31, 29, 3))
