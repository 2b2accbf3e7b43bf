"""Counts and sums over many years: both Easters, Hebrew years, working days, days alike in several calendars.

Wrong answers lie nearer than any mean value tells: only the whole count decides between them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate

from build.hard.dates.counting import RULE
from build.hard.dates.maya import EPOCH
from build.hard.dates.numbering import GREGORIAN, is_leap
from build.hard.dates.pools import both, counts, dates
from build.hard.dates.tables import CALENDARS, START, TZOLKIN, easters, month_days, new_year
from build.hard.dates.weekdays import day_in, sentence
from build.making import Question
from build.wording import DAYS, listed

NEAR = both(1, 2, 3, 4, 5, 6)
CHURCHES = "Western Easter is taken by the Gregorian rules and Orthodox Easter by the Julian ones."
WEEKS = ("", "one week", "two weeks", "three weeks", "four weeks", "five weeks")
Fits = Callable[[int], bool]
"""Whether a year meets a condition."""


def _easter_day(year: int) -> tuple[int, int]:
    """Month and day of Western Easter Sunday."""
    return GREGORIAN.parts(easters(year)[0])[1:]


def _first_day(year: int) -> int:
    return GREGORIAN.start(year) % 7


def gap(rng: random.Random) -> tuple[str, Fits]:
    """How long Orthodox Easter falls after the Western one."""
    weeks = rng.choice((0, 1, 1, 4, 5))
    text = f"exactly {WEEKS[weeks]} after" if weeks else "on the same day as"
    return (
        f"Orthodox Easter falls {text} Western Easter",
        lambda year: easters(year)[1] - easters(year)[0] == 7 * weeks,
    )


def _second(rng: random.Random) -> tuple[str, Fits]:
    """A condition that has little to do with the first."""
    wanted = rng.randrange(7)
    choices: tuple[tuple[str, Fits], ...] = (
        (f"1 January (Gregorian) is a {DAYS[wanted]}", lambda year: _first_day(year) == wanted),
        ("the year is a Gregorian leap year", is_leap),
        ("Western Easter falls in March", lambda year: _easter_day(year)[0] == 3),
        ("Western Easter falls on an odd day of its month", lambda year: _easter_day(year)[1] % 2 == 1),
        ("the number of the year is divisible by 3", lambda year: year % 3 == 0),
    )
    return rng.choice(choices)


def _met(rng: random.Random) -> tuple[str, Fits]:
    one, first = gap(rng)
    other, second = _second(rng)
    return f"{one} and {other}", lambda year: first(year) and second(year)


def easter_tally(rng: random.Random, level: int) -> Question | None:
    """8: some 80 years and one condition; 9: some 400, one or two; 10: some thousands, two."""
    first = rng.randrange(1600, 1900)
    last = first + rng.randrange(*{8: (60, 110), 9: (250, 600), 10: (1200, 4500)}[level])
    one, fits = gap(rng) if level == 8 or (level == 9 and rng.randrange(2)) else _met(rng)
    number = sum(map(fits, range(first, last + 1)))
    if number < 8:
        return None
    span = f"from {first} to {last}, both included"
    question = f"{CHURCHES} In how many of the years {span}, is it true that {one}?"
    statement = f"{CHURCHES} The number of years {span}, in which {one}, is {{}}."
    pool = counts(rng, number, NEAR if level > 8 else both(1, 2, 3), 1)
    return Question(f"tally {one} {span}", "Easter tallies", level, question, statement, str(number), pool)


def nth_easter(rng: random.Random, level: int) -> Question | None:
    """The nth year that meets two conditions; wrong are others that meet them."""
    one, fits = gap(rng) if level == 9 else _met(rng)
    start = rng.randrange(1582, 2000)
    nth = rng.randrange(60, 120) if level == 9 else rng.randrange(120, 300)
    years, year = [], start
    while len(years) < nth + 8:
        year += 1
        if year > 9000:
            return None
        if fits(year):
            years.append(year)
    below = rng.randrange(4)
    near = [years[nth - 1 + step] for step in (*range(-2 * below, 0), *range(1, 7 - 2 * below))]
    rng.shuffle(near)
    text = f"number {nth} among the years after {start} in which {one}"
    question = f"{CHURCHES} Which year is {text}?"
    statement = f"{CHURCHES} Year {{}} is {text}."
    return Question(text, "nth Easter", level, question, statement, str(years[nth - 1]), tuple(map(str, near)))


def sums(rng: random.Random, level: int) -> Question:
    """Of days or weeks of Easter over the years."""
    first = rng.randrange(1583, 2000)
    last = first + rng.randrange(*{8: (24, 45), 9: (180, 400), 10: (900, 4000)}[level])
    kind, steps = rng.randrange(3), both(3, 7, 10, 13, 20, 21, 1)
    span = f"each year from {first} to {last}, both included"
    years = range(first, last + 1)
    if kind == 0:
        what = "the number of days from 21 March to Western Easter"
        number = sum(easters(y)[0] - GREGORIAN.number(y, 3, 21) for y in years)
    elif kind == 1:
        what = "the number of the day in its month (1 to 31) on which Western Easter falls"
        number = sum(_easter_day(y)[1] for y in years)
    else:
        what, steps = "the number of weeks from Western to Orthodox Easter", both(4, 5, 10, 9, 3, 1, 6)
        number = sum((easters(y)[1] - easters(y)[0]) // 7 for y in years)
    question = f"{CHURCHES} For {span}, take {what}. What is the sum of all these numbers?"
    statement = f"{CHURCHES} For {span}, {what} is taken; the sum of all these numbers is {{}}."
    pool = counts(rng, number, steps)
    return Question(f"sum {what} {span}", "sums", level, question, statement, str(number), pool)


def hebrew_tally(rng: random.Random, level: int) -> Question | None:
    """Hebrew years of a length, or a first weekday, or both: how many; from 9 on the sum of their first days in ours.

    The mean share of such years tells their number but for one or two, and says little of the sum.
    """
    first = rng.randrange(5350, 5700)
    last = first + rng.randrange(*{8: (50, 100), 9: (250, 500), 10: (1500, 4000)}[level])
    size, wanted, kind = rng.choice((353, 354, 355, 383, 384, 385)), rng.choice((0, 1, 3, 5)), rng.randrange(2)
    years, parts = list(range(first, last + 1)), []
    if kind == 0 or level == 10:
        years = [y for y in years if new_year(y + 1) - new_year(y) == size]
        parts.append(f"has {size} days")
    if kind == 1 or level == 10:
        years = [y for y in years if new_year(y) % 7 == wanted]
        parts.append(f"begins on a {DAYS[wanted]}")
    if len(years) < (6 if level == 8 else 25):
        return None
    lead = "1 Tishri, in daylight, counts as the day on which a Hebrew year begins."
    span, all_of = f"from {first} to {last}, both included,", listed(parts)
    number, pool = len(years), counts(rng, len(years), both(1, 2, 3))
    question = f"{lead} In how many of the Hebrew years {span} is it true that the year {all_of}?"
    statement = f"{lead} The number of Hebrew years {span} of which it is true that the year {all_of}, is {{}}."
    if level > 8:
        number = sum(GREGORIAN.parts(new_year(year))[2] for year in years)
        pool = counts(rng, number, both(1, 2, 3, 4, 5, 7, 10))
        rule = f"{lead} For each Hebrew year {span} that {all_of}, take the number of the day in its Gregorian month"
        rule = f"{rule} on which the year begins."
        question, statement = f"{rule} What is the sum of all these numbers?", f"{rule} Their sum is {{}}."
    return Question(question, "Hebrew tallies", level, question, statement, str(number), pool)


FREE = (
    "Working days are Monday to Friday, except 1 January, Good Friday, Easter Monday, 1 May, Ascension Day, Whit "
    "Monday, and 25 and 26 December (Western churches, Gregorian calendar)."
)


def _free(year: int) -> set[int]:
    sunday = easters(year)[0]
    fixed = (GREGORIAN.number(year, month, day) for month, day in ((1, 1), (5, 1), (12, 25), (12, 26)))
    return {*fixed, sunday - 2, sunday + 1, sunday + 39, sunday + 50}


def offices(rng: random.Random, level: int) -> Question:
    """Working days with holidays: how many there are over centuries, or the last of so many."""
    start = day_in(rng, 1990, 2060)
    end = start + rng.randrange(80000, 220000)
    year, last = GREGORIAN.parts(start)[0], GREGORIAN.parts(end)[0]
    free = set().union(*(_free(y) for y in range(year, last + 2)))
    while end % 7 > 4 or end in free:
        end += 1
    working = [n for n in range(start, end + 1) if n % 7 < 5 and n not in free]
    if rng.randrange(2):
        text = f"from {GREGORIAN.text(start)} to {GREGORIAN.text(end)}, both included"
        question, statement = f"{FREE} How many are there {text}?", f"{FREE} Their number {text}, is {{}}."
        pool = counts(rng, len(working), both(1, 2, 3, 4, 5))
        return Question(f"free {text}", "holidays", level, question, statement, str(len(working)), pool)
    text = f"working day number {len(working)} from {GREGORIAN.text(start)} on, that date included"
    question, statement = f"{FREE} On which date falls {text}?", f"{FREE} {sentence(text)}, falls on {{}}."
    pool = dates(rng, GREGORIAN, end, both(1, 2, 3, 4, 5, 6, 7), lambda n: n % 7 < 5 and n not in free)
    return Question(f"free {text}", "holidays", level, question, statement, GREGORIAN.text(end), pool)


def coincidences(rng: random.Random, level: int) -> Question | None:
    """Days with one number in several calendars. 9: two over some years; 10: three over centuries."""
    solar, moon = rng.choice(("Gregorian", "Julian")), rng.choice(("Hebrew", "tabular Islamic"))
    names = [solar, moon]
    if level == 10:
        names = [solar, *rng.choice((["Hebrew", "tabular Islamic"], [moon, TZOLKIN], ["Hebrew", "tabular Islamic"]))]
    wanted = rng.randrange(7) if level == 9 or rng.randrange(2) else None
    first = rng.randrange(1701, 2000)
    last = first + (rng.randrange(25, 60) if level == 9 else rng.randrange(200, 600))
    start, end = GREGORIAN.start(first), GREGORIAN.start(last + 1)
    columns = [month_days(name)[start - START : end - START] for name in names]
    days = [n for n, (a, *rest) in enumerate(zip(*columns, strict=True), start) if all(a == b for b in rest)]
    number = len(days) if wanted is None else sum(n % 7 == wanted for n in days)
    plain = [name for name in names if name in CALENDARS]
    same = f"does the day have the same number in its month in the {listed(plain)} calendars"
    lead = f"{RULE} " if "tabular Islamic" in names else ""
    if TZOLKIN in names:
        lead += f"The tzolkin number runs from 1 to 13 and round again, a day each, and is 4 on Julian day {EPOCH}. "
        same += ", which is also its tzolkin number"
    day_kind = "days" if wanted is None else f"{DAYS[wanted]}s"
    span = f"from 1 January {first} to 31 December {last} (Gregorian), both included"
    question = f"{lead}Days are compared at noon. On how many {day_kind} {span}, {same}?"
    statement = f"{lead}Days are compared at noon. The number of {day_kind} {span}, on which this is so, is {{}}: "
    statement += f"{same.replace('does the day have', 'the day has')}."
    pool = counts(rng, number, NEAR, 1)
    return Question(f"{day_kind} {names} {span}", "coincidences", level, question, statement, str(number), pool)


def lengths(first: int, rule: Callable[[int], int], n_years: int) -> list[int]:
    """The first days of years whose lengths follow from the numbers of their first days."""
    return list(accumulate(range(n_years), lambda day, _: day + rule(day), initial=first))


def invented(rng: random.Random, level: int) -> Question:
    """A calendar whose years' lengths hang on the digits of the days on which they begin."""
    base, more, by = rng.randrange(340, 380), rng.randrange(11, 40), rng.choice((4, 5, 7, 8))
    n_years = rng.randrange(*{8: (40, 80), 9: (250, 600), 10: (2000, 6000)}[level])
    first = rng.randrange(1, 400)
    starts = lengths(first, lambda day: base + more * (sum(map(int, str(day))) % by == 0), n_years)
    rule = (
        f"In an invented calendar days are numbered and year 1 begins on day {first}. A year has {base} days, but "
        f"{base + more} if the digits of the number of its first day add up to a multiple of {by}."
    )
    asked = f"year {n_years + 1} begin"
    question, statement = f"{rule} On which day does {asked}?", f"{rule} The day on which {asked}s is number {{}}."
    question = question.replace("which day", "the day of which number")
    statement = statement.replace(f"{asked}s", f"year {n_years + 1} begins")
    pool = counts(rng, starts[-1], [more * step for step in both(1, 2, 3, 4, 5)])
    return Question(rule, "invented calendars", level, question, statement, str(starts[-1]), pool)
