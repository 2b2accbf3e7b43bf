"""What holds of each day or year over a long time, made once: days of the month, Easters, Hebrew years."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from build.hard.dates.long.feasts import orthodox, western
from build.hard.dates.maya import EPOCH
from build.hard.dates.numbering import GREGORIAN, HEBREW, ISLAMIC, JULIAN, Calendar

FIRST, LAST = 1700, 2600
"""Gregorian years of the tables of days."""

START, END = GREGORIAN.start(FIRST), GREGORIAN.start(LAST + 1)
CALENDARS: dict[str, Calendar] = {
    "Gregorian": GREGORIAN,
    "Julian": JULIAN,
    "Hebrew": HEBREW,
    "tabular Islamic": ISLAMIC,
}
TZOLKIN = "tzolkin"


@cache
def month_days(name: str) -> Sequence[int]:
    """The number of the day in its month for each day from START on; of the tzolkin, its number from 1 to 13."""
    if name == TZOLKIN:
        return [(number - EPOCH + 3) % 13 + 1 for number in range(START, END)]
    calendar = CALENDARS[name]
    year = calendar.parts(START)[0]
    first = calendar.start(year)
    found: list[int] = []
    while first + len(found) < END:
        for _, size in calendar.months(year):
            found += range(1, size + 1)
        year += 1
    return found[START - first : END - first]


@cache
def easters(year: int) -> tuple[int, int]:
    """Day numbers of the Western and of the Orthodox Easter Sunday."""
    return western(year), orthodox(year)


@cache
def new_year(year: int) -> int:
    """The day number of 1 Tishri."""
    return HEBREW.start(year)
