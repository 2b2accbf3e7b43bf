"""The Maya long count and calendar round, by the correlation in which 0.0.0.0.0 is Julian day 584283."""

from __future__ import annotations

import random

from build.hard.dates.numbering import GREGORIAN
from build.hard.dates.pools import DAY_SLIPS, both, counts, dates, sided
from build.hard.dates.weekdays import day_in
from build.making import Question

EPOCH = 584283
LEAD = "By the correlation in which the long count 0.0.0.0.0 is Julian day 584283,"
_DAYS_TEXT = "Imix Ik Akbal Kan Chicchan Cimi Manik Lamat Muluc Oc Chuen Eb Ben Ix Men Cib Caban Etznab Cauac Ahau"
_DAYS = _DAYS_TEXT.split()
_MONTHS_TEXT = "Pop Uo Zip Zotz Tzec Xul Yaxkin Mol Chen Yax Zac Ceh Mac Kankin Muan Pax Kayab Cumku Uayeb"
_MONTHS = _MONTHS_TEXT.split()


def long_count(days: int) -> str:
    baktun, rest = divmod(days, 144000)
    return f"{baktun}.{rest // 7200}.{rest // 360 % 20}.{rest // 20 % 18}.{rest % 20}"


def tzolkin(days: int) -> str:
    """The day's number and name; 0.0.0.0.0 is 4 Ahau."""
    return f"{(days + 3) % 13 + 1} {_DAYS[(days + 19) % 20]}"


def haab(days: int) -> str:
    """The day of the month, from 0, and the month; 0.0.0.0.0 is 8 Cumku."""
    place = (days + 348) % 365
    return f"{place % 20} {_MONTHS[place // 20]}"


def _classic(rng: random.Random) -> int:
    return rng.randrange(8 * 144000, 10 * 144000 + 7200 * 8)


def maya(rng: random.Random, level: int) -> Question:
    if level == 6:
        return _length(rng)
    if level == 7:
        return _sum(rng)
    if level in (8, 9) and (level == 8 or rng.randrange(2)):
        return _round(rng, level)
    return _correlated(rng, level)


_PLACES = both(20, 360, 380, 340, 7200, 40, 7220, 7560)
"""Slips in the higher places of a long count: the last stays as it is, since it is seen at once."""


def _length(rng: random.Random) -> Question:
    days = _classic(rng)
    text = f"the Maya long count 0.0.0.0.0 to {long_count(days)}"
    question = f"How many days is it from {text}?"
    pool = counts(rng, days, both(20, 360, 380, 340, 400, 40, 7200, 720))
    return Question(f"maya {days}", "Maya", 6, question, f"From {text} it is {{}} days.", str(days), pool)


def _sum(rng: random.Random) -> Question:
    days, step, sign = _classic(rng), rng.randrange(3000, 90000), rng.choice((1, -1))
    number = days + sign * step
    text = f"{step} days {'after' if sign > 0 else 'before'} {long_count(days)}"
    pool = tuple(long_count(number + slip) for slip in sided(rng, _PLACES))
    question, statement = f"Which Maya long count is {text}?", f"The Maya long count {text} is {{}}."
    return Question(f"maya {days}", "Maya", 7, question, statement, long_count(number), pool)


def _round(rng: random.Random, level: int) -> Question:
    """The tzolkin day, at 9 the haab day, of a long count."""
    days = _classic(rng)
    if level == 8:
        # The name is the last place's, so that only the number takes work: slips keep it, or miss it by one.
        text, answer = f"the tzolkin day (number and name) of the Maya long count {long_count(days)}", tzolkin(days)
        steps = both(20, 40, 60, 80, 1, 19, 21)
        pool = tuple(dict.fromkeys(tzolkin(days + step) for step in sided(rng, steps)))
        given = "0.0.0.0.0 is 4 Ahau"
    else:
        text, answer = f"the haab day (number and month) of the Maya long count {long_count(days)}", haab(days)
        pool = tuple(dict.fromkeys(haab(days + step) for step in sided(rng, both(1, 5, 20, 21, 19, 15, 25, 10))))
        given = "0.0.0.0.0 is 8 Cumku"
    question, statement = f"If {given}, what is {text}?", f"If {given}, {text} is {{}}."
    return Question(f"maya {days}", "Maya", level, question, statement, answer, pool)


def _correlated(rng: random.Random, level: int) -> Question:
    """9: the Gregorian date of a long count; 10: the other way about, or the calendar round."""
    number = day_in(rng, 1000, 2200)
    days, day = number - EPOCH, GREGORIAN.text(number)
    proleptic = "proleptic " if number < GREGORIAN.start(1583) else ""
    fact = f"maya {days}"
    if level == 9:
        question = f"{LEAD} which {proleptic}Gregorian date is {long_count(days)}?"
        statement = f"{LEAD} {long_count(days)} is {{}} in the {proleptic}Gregorian calendar."
        return Question(fact, "Maya", level, question, statement, day, dates(rng, GREGORIAN, number, DAY_SLIPS))
    if rng.randrange(2):
        question = f"{LEAD} which long count is {day} of the {proleptic}Gregorian calendar?"
        statement = f"{LEAD} {day} of the {proleptic}Gregorian calendar is {{}}."
        pool = tuple(long_count(days + step) for step in sided(rng, both(1, 2, 20, 21, 19, 5, 10, 360)))
        return Question(fact, "Maya", level, question, statement, long_count(days), pool)
    text = f"the Maya calendar round (tzolkin and haab day) of {day} of the {proleptic}Gregorian calendar"
    lead = f"{LEAD} and that day is 4 Ahau 8 Cumku,"
    slips = sided(rng, both(1, 2, 5, 20, 21, 10, 13))
    pool = tuple(f"{tzolkin(days + step)} {haab(days + step)}" for step in slips)
    answer = f"{tzolkin(days)} {haab(days)}"
    return Question(fact, "Maya", level, f"{lead} what is {text}?", f"{lead} {text} is {{}}.", answer, pool)
