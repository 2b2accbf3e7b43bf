"""What clocks showed at a place on a day: from tzdata, never within days of a change of theirs."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from build.hard.dates.places import CITIES, HISTORIC
from build.hard.dates.pools import both, clock, clocks, sided
from build.making import Question
from build.wording import MONTHS

NOW = 2025
"""Whose offsets count as those of today."""

MARGIN = 4
"""Days before and after without a change."""


@cache
def zone(name: str) -> ZoneInfo:
    """From the package tzdata, not from the machine's own files."""
    path = files("tzdata") / "zoneinfo"
    for part in name.split("/"):
        path = path / part
    with path.open("rb") as stream:
        return ZoneInfo.from_file(stream)


def minutes(name: str, at: datetime) -> int:
    """Ahead of UTC."""
    ahead = at.replace(tzinfo=zone(name)).utcoffset()
    assert ahead is not None
    return ahead // timedelta(minutes=1)


def steady(name: str, at: datetime, margin: int = MARGIN) -> bool:
    """Whether the clocks were not changed some days before and after."""
    return len({minutes(name, at + timedelta(days=day)) for day in range(-margin, margin + 1)}) == 1


def summer(name: str, year: int) -> bool:
    """Whether the clocks were changed in a year."""
    return len({minutes(name, datetime(year, month, 15, 12)) for month in range(1, 13)}) > 1


def offset(ahead: int) -> str:
    """As ISO 8601 writes it: +05:30."""
    return f"{'-' if ahead < 0 else '+'}{abs(ahead) // 60:02d}:{abs(ahead) % 60:02d}"


def spoken(at: datetime) -> str:
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}"


def _day(rng: random.Random, first: int, last: int) -> datetime:
    return datetime(first, 1, 1, 12) + timedelta(days=rng.randrange((last - first + 1) * 365))


def _otherwise(name: str, at: datetime) -> bool:
    """Whether the offset is not today's at that time of the year."""
    return minutes(name, at) != minutes(name, at.replace(year=NOW, day=min(at.day, 28)))


def historic(rng: random.Random, level: int) -> Question | None:
    """The offset of a place, often when it was not today's; from 8 on also its time when another place has one."""
    _, name, place, first, last = rng.choice([entry for entry in HISTORIC if entry[0] == level])
    at = _day(rng, first, last)
    if not steady(name, at) or (rng.randrange(2) and not _otherwise(name, at)):
        return None
    ahead, day = minutes(name, at), spoken(at)
    known = {minutes(name, datetime(year, month, 15, 12)) for year in range(first - 8, last + 8) for month in (1, 7)}
    slips = [other - ahead for other in sorted(known | {minutes(name, datetime(NOW, 1, 15))}) if other != ahead]
    fact = f"zone {name}"
    if level > 7 and rng.randrange(2):
        _, other, elsewhere, *_ = rng.choice([entry for entry in HISTORIC if 7 < entry[0] <= level])
        away = minutes(other, at)
        if not steady(other, at) or away == ahead or other == name:
            return None
        start = rng.randrange(24 * 12) * 5
        wanted = start + ahead - away
        question = f"On {day}, when clocks in {elsewhere} showed {clock(start)}, what time did clocks in {place} show?"
        statement = f"On {day}, when clocks in {elsewhere} showed {clock(start)}, those in {place} showed {{}}."
        pool = clocks(rng, wanted, _more(slips))
        if not 0 <= wanted < 1440:
            return None
        return Question(fact, "zones", level, question, statement, clock(wanted), pool)
    phrase = rng.choice(
        ("Which offset from UTC did clocks in {} have on {}?", "How were clocks in {} set against UTC on {}?")
    )
    statement = f"On {day}, clocks in {place} were at {{}}."
    pool = tuple(offset(ahead + step) for step in sided(rng, _more(slips)) if -720 <= ahead + step <= 840)
    return Question(fact, "zones", level, phrase.format(place, day), statement, offset(ahead), pool)


def _more(slips: list[int]) -> list[int]:
    """Slips and others beside them, with halves of an hour where the history has some."""
    more = both(60, 30, 90, 120) if any(step % 60 for step in slips) else both(60, 120, 180)
    return list(dict.fromkeys([*(step for step in slips if abs(step) < 240), *more]))


def parcel(rng: random.Random, level: int) -> Question | None:
    """6: no summer time at either end; 7: at one, in a settled season; 8: near a change; 9: at both, or long ago."""
    (start, origin), (end, goal) = rng.sample(CITIES, 2)
    leaves = _day(rng, *{6: (2005, 2024), 7: (2008, 2024), 8: (1996, 2024), 9: (1985, 2006)}[level])
    leaves = leaves.replace(hour=0) + timedelta(minutes=5 * rng.randrange(288))
    lasts = rng.randrange(20 * 60, 60 * 60, 5)
    ahead, there = minutes(start, leaves), minutes(end, leaves)
    n_summer = summer(start, leaves.year) + summer(end, leaves.year)
    settled = all(steady(name, leaves, 30) for name in (start, end))
    fits = {6: n_summer == 0, 7: n_summer == 1 and settled, 8: n_summer > 0 and not settled, 9: n_summer == 2}[level]
    if not fits or ahead == there or not all(steady(name, leaves) for name in (start, end)):
        return None
    arrives = leaves.hour * 60 + leaves.minute - ahead + lasts + there
    hours = f"{lasts // 60} hours" + (f" {lasts % 60} minutes" if lasts % 60 else "")
    sent = f"A parcel is sent from {origin} at {leaves:%H:%M} local time on {spoken(leaves)}"
    text = f"{sent} and arrives in {goal} after {hours}."
    halves = ahead % 60 or there % 60
    pool = clocks(rng, arrives, both(60, 120, 30, 90, 180, 10) if halves else both(60, 120, 180, 10, 50, 240))
    question, statement = f"{text} What is the local time there?", f"{text} The local time there is {{}}."
    return Question(f"parcel {text}", "parcels", level, question, statement, clock(arrives), pool)
