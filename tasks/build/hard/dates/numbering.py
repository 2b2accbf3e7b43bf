"""Calendars whose years have a first day and months of known lengths, all counted in Julian day numbers.

A day number is that of the noon of a day (the daylight part, where a calendar's day begins at sunset).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from build.wording import MONTHS

Months = list[tuple[str, int]]
"""The months of a year in order: name and number of days."""


@dataclass(frozen=True)
class Calendar:
    """A calendar by its rules.

    start: the day number of a year's first day. months: of a year. mean: days of a mean year.
    """

    start: Callable[[int], int]
    months: Callable[[int], Months]
    mean: float
    year_text: Callable[[int], str] = str

    def number(self, year: int, month: int, day: int) -> int:
        """The day number of the month's nth day, months counted from 1."""
        return self.start(year) + sum(days for _, days in self.months(year)[: month - 1]) + day - 1

    def parts(self, number: int) -> tuple[int, int, int]:
        """Year, month (from 1) and day of a day number."""
        year = int((number - self.start(1)) / self.mean) + 1
        while self.start(year) > number:
            year -= 1
        while self.start(year + 1) <= number:
            year += 1
        rest, month = number - self.start(year), 1
        for _, days in self.months(year):
            if rest < days:
                break
            rest, month = rest - days, month + 1
        return year, month, rest + 1

    def text(self, number: int) -> str:
        """The date as written: 14 Tevet 5803."""
        year, month, day = self.parts(number)
        return f"{day} {self.months(year)[month - 1][0]} {self.year_text(year)}"


def _english(leap: bool) -> Months:
    sizes = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return list(zip(MONTHS, sizes, strict=True))


def is_leap(year: int) -> bool:
    """Of the Gregorian calendar."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


GREGORIAN = Calendar(lambda year: date(year, 1, 1).toordinal() + 1721425, lambda y: _english(is_leap(y)), 365.2425)
JULIAN = Calendar(lambda y: 1721424 + 365 * (y - 1) + (y - 1) // 4, lambda y: _english(y % 4 == 0), 365.25)

_ISLAMIC_TEXT = (
    "Muharram,Safar,Rabi I,Rabi II,Jumada I,Jumada II,Rajab,Sha'ban,Ramadan,Shawwal,Dhu al-Qa'da,Dhu al-Hijja"
)
_ISLAMIC = _ISLAMIC_TEXT.split(",")
ISLAMIC = Calendar(
    lambda year: 1948440 + 354 * (year - 1) + (11 * year + 3) // 30,
    lambda year: [(m, 30 - k % 2 + (k == 11 and (11 * year + 14) % 30 < 11)) for k, m in enumerate(_ISLAMIC)],
    354 + 11 / 30,
)
"""Tabular, civil epoch (16 July 622 Julian), leap years 2, 5, 7, 10, 13, 16, 18, 21, 24, 26 and 29 of each 30."""


def _thirties(names: str) -> Callable[[int], Months]:
    """Twelve months of 30 days and a short one, of 6 days in the year before one that is divisible by 4."""
    *full, short = names.split()
    return lambda year: [*((name, 30) for name in full), (short, 6 if year % 4 == 3 else 5)]


COPTIC = Calendar(
    lambda year: 1825030 + 365 * (year - 1) + year // 4,
    _thirties("Thout Paopi Hathor Koiak Tobi Meshir Paremhat Parmouti Pashons Paoni Epip Mesori Nasie"),
    365.25,
)
ETHIOPIAN = Calendar(
    lambda year: 1724221 + 365 * (year - 1) + year // 4,
    _thirties("Meskerem Tikimt Hidar Tahsas Tir Yekatit Megabit Miyazya Ginbot Sene Hamle Nehase Pagume"),
    365.25,
)

ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV")
_REPUBLICAN = (
    "Vendémiaire Brumaire Frimaire Nivôse Pluviôse Ventôse Germinal Floréal Prairial Messidor Thermidor Fructidor"
)
REPUBLICAN = Calendar(
    lambda year: 2375840 + 365 * (year - 1) + year // 4,
    _thirties(f"{_REPUBLICAN} complémentaire"),
    365.25,
    lambda year: f"Year {ROMAN[year]}",
)
"""As it was in use, the years I to XIV: III, VII and XI had a sixth complementary day."""
REPUBLICAN_DAYS = range(2375840, GREGORIAN.number(1806, 1, 1))

_SAKA = "Chaitra Vaisakha Jyaistha Ashadha Shravana Bhadra Ashvina Kartika Agrahayana Pausha Magha Phalguna"
SAKA = Calendar(
    lambda year: GREGORIAN.number(year + 78, 3, 21 if is_leap(year + 78) else 22),
    lambda year: [
        (name, 30 + (k in range(1, 6) or (k == 0 and is_leap(year + 78)))) for k, name in enumerate(_SAKA.split())
    ],
    365.2425,
)
"""The Indian national calendar."""

_HEBREW = "Tishri Heshvan Kislev Tevet Shevat Adar Nisan Iyar Sivan Tammuz Av Elul"


def _molad_day(year: int) -> int:
    """Days from the epoch to the new year, as the mean new moon and the weekday rule give it."""
    months = (235 * year - 234) // 19
    day = 29 * months + (12084 + 13753 * months) // 25920
    return day + (3 * (day + 1) % 7 < 3)


def _hebrew_start(year: int) -> int:
    before, this, after = (_molad_day(year + step) for step in (-1, 0, 1))
    put_off = 2 if after - this == 356 else int(this - before == 382)
    return 347998 + this + put_off


def _hebrew_months(year: int) -> Months:
    length = _hebrew_start(year + 1) - _hebrew_start(year)
    sizes = [30, 29 + (length % 10 == 5), 29 + (length % 10 != 3), 29, 30, 29, 30, 29, 30, 29, 30, 29]
    months = list(zip(_HEBREW.split(), sizes, strict=True))
    return [*months[:5], ("Adar I", 30), ("Adar II", 29), *months[6:]] if length > 380 else months


HEBREW = Calendar(_hebrew_start, _hebrew_months, 35975351 / 98496)
