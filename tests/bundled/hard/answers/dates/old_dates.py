"""Maya long counts and cycles, and Roman dates, as the questions of `dates` write them."""

from __future__ import annotations

import re
from functools import cache

from bundled.hard.answers.dates.day_numbers import SIZES, roman_number


def long_count(text: str) -> int:
    baktun, katun, tun, uinal, kin = map(int, text.split("."))
    assert max(katun, tun, kin) < 20
    assert uinal < 18
    return (((baktun * 20 + katun) * 20 + tun) * 18 + uinal) * 20 + kin


TZOLKIN = [
    "Imix",
    "Ik",
    "Akbal",
    "Kan",
    "Chicchan",
    "Cimi",
    "Manik",
    "Lamat",
    "Muluc",
    "Oc",
    "Chuen",
    "Eb",
    "Ben",
    "Ix",
    "Men",
    "Cib",
    "Caban",
    "Etznab",
    "Cauac",
    "Ahau",
]
HAAB = [
    "Pop",
    "Uo",
    "Zip",
    "Zotz",
    "Tzec",
    "Xul",
    "Yaxkin",
    "Mol",
    "Chen",
    "Yax",
    "Zac",
    "Ceh",
    "Mac",
    "Kankin",
    "Muan",
    "Pax",
    "Kayab",
    "Cumku",
    "Uayeb",
]
SACRED = [f"{n % 13 + 1} {TZOLKIN[n % 20]}" for n in range(260)]
CIVIL = [f"{day} {month}" for month in HAAB for day in range(5 if month == "Uayeb" else 20)]


def tzolkin(days: int) -> str:
    return SACRED[(SACRED.index("4 Ahau") + days) % 260]


def haab(days: int) -> str:
    return CIVIL[(CIVIL.index("8 Cumku") + days) % 365]


@cache
def roman(text: str) -> tuple[int, int]:
    """Month and day of a Roman date, counting back from its mark, the mark itself included."""
    match = re.fullmatch(r"(?:(pridie) |ante diem ([IVX]+) )?(Kalend|Non|Id)\w+ (\w+)", text)
    assert match, text
    month = ["Ian", "Feb", "Mar", "Apr", "Mai", "Iun", "Iul", "Aug", "Sep", "Oct", "Nov", "Dec"].index(match[4][:3])
    late = month in (2, 4, 6, 9)
    mark = {"Kalend": 1, "Non": 7 if late else 5, "Id": 15 if late else 13}[match[3]]
    back = 1 if match[1] else roman_number(match[2]) - 1 if match[2] else 0
    day = sum(SIZES[:month]) + mark - back
    day += 365 if day < 1 else 0
    month = next(k for k in range(12) if sum(SIZES[:k]) < day <= sum(SIZES[: k + 1]))
    return month + 1, day - sum(SIZES[:month])
