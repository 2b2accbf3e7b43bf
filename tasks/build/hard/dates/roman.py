"""Roman dates: days before the kalends, nones and ides, in the Julian months, counted with both ends."""

from __future__ import annotations

import random

from build.hard.dates.numbering import JULIAN
from build.hard.dates.pools import both, counts, sided, weekdays
from build.making import Question
from build.wording import DAYS, MONTHS

_NAMES_TEXT = (
    "Ianuariis Februariis Martiis Aprilibus Maiis Iuniis Iuliis Augustis Septembribus Octobribus "
    "Novembribus Decembribus"
)
_NAMES = _NAMES_TEXT.split()
_NUMERALS_TEXT = "I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX"
_NUMERALS = _NUMERALS_TEXT.split()
COMMON = 1501
"""A year of the Julian calendar without 29 February."""


def _accusative(name: str) -> str:
    for ending, other in (("ribus", "res"), ("libus", "les"), ("iis", "ias"), ("stis", "stas")):
        name = name.replace(ending, other)
    return name


def latin(month: int, day: int) -> str:
    """A date of a common year: 'Idibus Martiis', 'pridie Nonas Iulias', 'ante diem III Kalendas Maias'."""
    late = month in (3, 5, 7, 10)
    nones, ides = (7, 15) if late else (5, 13)
    size = JULIAN.months(COMMON)[month - 1][1]
    marks = ((1, "Kalend", month), (nones, "Non", month), (ides, "Id", month), (size + 1, "Kalend", month % 12 + 1))
    mark, stem, named = next(entry for entry in marks if day <= entry[0])
    ahead = mark - day
    if not ahead:
        return f"{stem}{'ibus' if stem == 'Id' else 'is'} {_NAMES[named - 1]}"
    before = "pridie" if ahead == 1 else f"ante diem {_NUMERALS[ahead]}"
    return f"{before} {stem}{'us' if stem == 'Id' else 'as'} {_accusative(_NAMES[named - 1])}"


def _day(rng: random.Random) -> int:
    """A day number of the common year, not in the half of February on which leap years differ."""
    number = JULIAN.start(COMMON) + rng.randrange(365)
    return _day(rng) if _leaping(number) else number


def _leaping(number: int) -> bool:
    _, month, day = JULIAN.parts(number)
    return month == 2 and day > 13


def _short(number: int) -> str:
    _, month, day = JULIAN.parts(number)
    return f"{day} {MONTHS[month - 1]}"


def _roman(number: int) -> str:
    return latin(*JULIAN.parts(number)[1:])


def roman(rng: random.Random, level: int) -> Question | None:
    """6: a Roman date as ours; 7: ours as Roman; 8: the days between two, or the weekday of one with its year."""
    number = _day(rng)
    slips = [s for s in both(1, 2, 3, 29, 30, 31, 16) if not _leaping(number + s)]
    if level < 8:
        if "ante" not in _roman(number):
            return None
        if level == 6:
            question = f"Which day of the year (day and month) is the Roman date {_roman(number)}?"
            statement = f"The Roman date {_roman(number)} is {{}}."
            pool = tuple(_short(number + s) for s in sided(rng, slips))
            return Question(f"roman {number}", "Roman", level, question, statement, _short(number), pool)
        question = f"How is {_short(number)} written as a Roman date?"
        pool = tuple(_roman(number + s) for s in sided(rng, slips))
        statement = f"As a Roman date, {_short(number)} is written {{}}."
        return Question(f"roman {number}", "Roman", level, question, statement, _roman(number), pool)
    if rng.randrange(2):
        end = _day(rng)
        if not end - number > 40:
            return None
        text = f"from {_roman(number)} to {_roman(end)}, in one common year of the Julian calendar"
        question = f"How many days is it {text}, counting only one of the two days?"
        statement = f"The number of days {text}, counting only one of the two, is {{}}."
        pool = counts(rng, end - number, both(1, 2, 3, 30, 31, 29))
        return Question(f"roman {text}", "Roman", level, question, statement, str(end - number), pool)
    year = rng.randrange(800, 1229)
    _, month, day = JULIAN.parts(number)
    number = JULIAN.number(year - 753, month, day)
    text = f"{latin(month, day)}, in year {year} from the founding of Rome (year 754 is AD 1)"
    question = f"On which day of the week in the Julian calendar falls {text}?"
    statement = f"In the Julian calendar, {text}, is a {{}}."
    return Question(f"roman {text}", "Roman", level, question, statement, DAYS[number % 7], weekdays(rng, number))
