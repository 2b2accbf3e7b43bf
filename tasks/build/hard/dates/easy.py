"""The easiest third of level 6: a few days, a few hours, a rule that many know."""

from __future__ import annotations

import random

from build.hard.dates.numbering import GREGORIAN, is_leap
from build.hard.dates.pools import both, clock, clocks, counts, dates, sided, weekdays
from build.hard.dates.weekdays import day_in, sentence
from build.making import Question
from build.wording import DAYS

LEVEL = 6


def weekday_on(rng: random.Random) -> Question:
    """A weekday some weeks and days from another."""
    start, step, sign = rng.randrange(7), rng.randrange(9, 100), rng.choice((1, -1))
    number = start + sign * step
    text = f"{step} days {'after' if sign > 0 else 'before'} a {DAYS[start]}"
    question, statement = f"Which day of the week is {text}?", f"The day of the week {text} is a {{}}."
    return Question(text, "weekday", LEVEL, question, statement, DAYS[number % 7], weekdays(rng, number))


def leap_year(rng: random.Random) -> Question:
    """The first or the last leap year after or before a year, now and then beside a century."""
    start = (
        rng.randrange(1901, 2099) if rng.randrange(3) else rng.choice((1700, 1800, 1900, 2100, 2200)) - rng.randrange(4)
    )
    sign = 1 if start % 100 > 95 else rng.choice((1, -1))
    year = start + sign
    while not is_leap(year):
        year += sign
    text = f"the {'first leap year after' if sign > 0 else 'last leap year before'} {start} in the Gregorian calendar"
    fits = [step for step in both(1, 2, 3, 4, 5) if (year + step - start) * sign > 0]
    pool = tuple(str(year + step) for step in sided(rng, fits))
    question, statement = f"Which is {text}?", f"{sentence(text)} is {{}}."
    return Question(text, "leap years", LEVEL, question, statement, str(year), pool)


def date_on(rng: random.Random) -> Question:
    """A date a few weeks on, in the next month or the one after."""
    start, step = day_in(rng, 2001, 2060), rng.randrange(15, 55)
    text = f"{step} days after {GREGORIAN.text(start)}"
    pool = dates(rng, GREGORIAN, start + step, both(1, 2, 3, 4, 10))
    question, statement = f"Which date is {text}?", f"The date {text} is {{}}."
    return Question(text, "days", LEVEL, question, statement, GREGORIAN.text(start + step), pool)


def days_between(rng: random.Random) -> Question:
    start, step = day_in(rng, 2001, 2060), rng.randrange(20, 75)
    text = f"from {GREGORIAN.text(start)} to {GREGORIAN.text(start + step)}"
    pool = counts(rng, step, both(1, 2, 3, 10))
    question = f"How many days is it {text}, counting only one of the two dates?"
    statement = f"The number of days {text}, counting only one of the two dates, is {{}}."
    return Question(text, "days", LEVEL, question, statement, str(step), pool)


def later(rng: random.Random) -> Question:
    """A time of day some hours and minutes on."""
    start, step = rng.randrange(2, 288) * 5, rng.randrange(7, 180) * 5
    text = f"{step // 60} hours {step % 60} minutes after {clock(start)}"
    question, statement = f"What time of day is {text}?", f"The time of day {text} is {{}}."
    pool = clocks(rng, start + step, both(60, 10, 5, 120, 30, 50))
    return Question(text, "time of day", LEVEL, question, statement, clock(start + step), pool)


def day_of_year(rng: random.Random) -> Question:
    """A date's place in its year."""
    number = day_in(rng, 2001, 2060)
    year, *_ = GREGORIAN.parts(number)
    nth, text = number - GREGORIAN.start(year) + 1, GREGORIAN.text(number)
    asked = f"if 1 January {year} is day 1 of that year, which day is {text}"
    statement = f"If 1 January {year} is day 1 of that year, {text} is day {{}}."
    pool = counts(rng, nth, both(1, 2, 3, 30, 31), least=1)
    return Question(text, "day of the year", LEVEL, f"{sentence(asked)}?", statement, str(nth), pool)


MAKERS = (weekday_on, leap_year, date_on, days_between, later, day_of_year)
