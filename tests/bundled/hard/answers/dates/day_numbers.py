"""Julian day numbers of dates as the questions of `dates` write them, by other ways than the builder's.

Gregorian and Julian dates by integer formulas (Fliegel and Van Flandern, Communications of the ACM 11, 657, 1968, and
the same without centuries), Hebrew ones by pyluach, the others by counting from their epoch year by year.
"""

from __future__ import annotations

import re

from pyluach.dates import HebrewDate
from pyluach.hebrewcal import Year

_MONTHS = "January February March April May June July August September October November December"
MONTHS = _MONTHS.split()
SIZES = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HEBREW = "Nisan Iyar Sivan Tammuz Av Elul Tishri Heshvan Kislev Tevet Shevat Adar"
HEBREW = _HEBREW.split()
ISLAMIC = "Muharram|Safar|Rabi I|Rabi II|Jumada I|Jumada II|Rajab|Sha'ban|Ramadan|Shawwal|Dhu al-Qa'da|Dhu al-Hijja"
_COPTIC = "Thout Paopi Hathor Koiak Tobi Meshir Paremhat Parmouti Pashons Paoni Epip Mesori"
COPTIC = _COPTIC.split()
_ETHIOPIAN = "Meskerem Tikimt Hidar Tahsas Tir Yekatit Megabit Miyazya Ginbot Sene Hamle Nehase"
ETHIOPIAN = _ETHIOPIAN.split()
_REVOLUTION = "Vendémiaire Brumaire Frimaire Nivôse Pluviôse Ventôse Germinal Floréal Prairial Messidor"
REPUBLICAN = [*_REVOLUTION.split(" "), "Thermidor", "Fructidor"]
_SAKA = "Chaitra Vaisakha Jyaistha Ashadha Shravana Bhadra Ashvina Kartika Agrahayana Pausha Magha Phalguna"
SAKA = _SAKA.split()


def roman_number(text: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10}[letter] for letter in text]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def leap(year: int) -> bool:
    return year % 400 == 0 or (year % 4 == 0 and year % 100 != 0)


def gregorian(year: int, month: int, day: int) -> int:
    assert 1 <= day <= SIZES[month - 1] + (month == 2 and leap(year)), (year, month, day)
    shift = -((14 - month) // 12)
    return (
        (1461 * (year + 4800 + shift)) // 4
        + (367 * (month - 2 - 12 * shift)) // 12
        - (3 * ((year + 4900 + shift) // 100)) // 4
        + day
        - 32075
    )


def julian(year: int, month: int, day: int) -> int:
    assert 1 <= day <= SIZES[month - 1] + (month == 2 and year % 4 == 0), (year, month, day)
    return 367 * year - (7 * (year + 5001 - (month < 3))) // 4 + (275 * month) // 9 + day + 1729777


_EAST: dict[int, int] = {1: julian(622, 7, 16)}


def _islamic(year: int, month: int, day: int) -> int:
    """By the rule that the questions state, year after year."""
    long = (2, 5, 7, 10, 13, 16, 18, 21, 24, 26, 29)
    for y in range(len(_EAST) + 1, year + 1):
        _EAST[y] = _EAST[y - 1] + 354 + ((y - 1) % 30 in long)
    last = 30 if year % 30 in long else 29
    sizes = [30, 29] * 5 + [30, last]
    assert 1 <= day <= sizes[month - 1]
    return _EAST[year] + sum(sizes[: month - 1]) + day - 1


def _thirties(epoch: int, year: int, month: int, day: int, shift: int = 0) -> int:
    """Twelve months of 30 days and 5 more, 6 in every fourth year. shift: added to a year to make those divisible."""
    assert 1 <= day <= 30
    return epoch + sum(366 if (y + shift) % 4 == 0 else 365 for y in range(1, year)) + 30 * (month - 1) + day - 1


def _saka(year: int, month: int, day: int) -> int:
    start, first = (21, 31) if leap(year + 78) else (22, 30)
    sizes = [first, *[31] * 5, *[30] * 6]
    assert 1 <= day <= sizes[month - 1]
    return gregorian(year + 78, 3, start) + sum(sizes[: month - 1]) + day - 1


def _hebrew(year: int, name: str, day: int) -> int:
    month = 13 if name == "Adar II" else 12 if name == "Adar I" else HEBREW.index(name) + 1
    assert (name in ("Adar I", "Adar II")) == (month > 11 and Year(year).leap)
    return HebrewDate(year, month, day).to_pydate().toordinal() + 1721425


def number(text: str, calendar: str = "Gregorian") -> int:
    """The day number of a date; English months are of the calendar named. Raises AssertionError for no date."""
    match = re.fullmatch(r"(\d+) (.+?) (?:Year )?(\w+)", text)
    assert match, text
    day, month = int(match[1]), match[2]
    if month in REPUBLICAN:
        assert match[3] in ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV"]
        return _thirties(gregorian(1792, 9, 22), roman_number(match[3]), REPUBLICAN.index(month) + 1, day, shift=1)
    year = int(match[3])
    if month in MONTHS:
        return {"Gregorian": gregorian, "Julian": julian}[calendar](year, MONTHS.index(month) + 1, day)
    if month in ISLAMIC.split("|"):
        return _islamic(year, ISLAMIC.split("|").index(month) + 1, day)
    if month in COPTIC:
        return _thirties(julian(284, 8, 29), year, COPTIC.index(month) + 1, day, shift=1)
    if month in ETHIOPIAN:
        return _thirties(julian(8, 8, 29), year, ETHIOPIAN.index(month) + 1, day, shift=1)
    if month in SAKA:
        return _saka(year, SAKA.index(month) + 1, day)
    return _hebrew(year, month, day)


def calendar_of(text: str) -> str:
    """Which calendar a name such as 'proleptic Gregorian' or 'tabular Islamic' is."""
    return "Gregorian" if text.endswith("Gregorian") else text


_EPACT_MOONS = "5 April|25 March|13 April|2 April|22 March|10 April|30 March|18 April|7 April|27 March|15 April|4 April"
MOONS = [*_EPACT_MOONS.split("|"), *["24 March", "12 April", "1 April", "21 March", "9 April", "29 March", "17 April"]]
"""The paschal full moons of the Julian calendar by golden number."""


def orthodox(year: int) -> int:
    """The Sunday after the full moon of the table."""
    moon = number(f"{MOONS[year % 19]} {year}", "Julian")
    return moon + 7 - (moon + 1) % 7


def western(year: int) -> int:
    """The rule of Lilius and Clavius as in Knuth's Art of Computer Programming, 1.3.2, exercise 14."""
    golden, century = year % 19 + 1, year // 100 + 1
    no_leap, moon = 3 * century // 4 - 12, (8 * century + 5) // 25 - 5
    epact = (11 * golden + 20 + moon - no_leap) % 30
    if (epact == 25 and golden > 11) or epact == 24:
        epact += 1
    full = 44 - epact if 44 - epact >= 21 else 74 - epact
    full += 7 - (5 * year // 4 - no_leap - 10 + full) % 7
    return gregorian(year, 3, 1) + full - 1
