"""Time zones: their standard offsets from UTC, from tzdata."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

from build.drafting import Draft, capped, shuffled
from build.places.countries import COUNTRIES
from build.places.tables import NO_ZONE, OLD_ZONES


def offset(minutes: int) -> str:
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def standard(zone: str) -> int | None:
    """Minutes ahead of UTC outside summer time; None when that changed between 2016 and 2027."""
    path = files("tzdata") / "zoneinfo"
    for part in zone.split("/"):
        path = path / part
    with path.open("rb") as stream:
        info = ZoneInfo.from_file(stream)
    found = set()
    for year in range(2016, 2028):
        for month in range(1, 13):
            at = datetime(year, month, 15, 12, tzinfo=info)
            ahead, summer = at.utcoffset(), at.dst()
            assert ahead is not None
            assert summer is not None
            found.add((ahead - summer) // timedelta(minutes=1))
    return found.pop() if len(found) == 1 else None


def zones(rng: random.Random) -> Iterator[Draft]:
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    listed = [line.split("\t")[:3] for line in table.splitlines() if not line.startswith("#")]
    inside = {code: [zone for other, _, zone in listed if other == code] for code in COUNTRIES}
    for code, names in inside.items():
        for zone in sorted(names)[:12]:
            minutes, c = standard(zone), COUNTRIES[code]
            if minutes is None or code in NO_ZONE or zone in OLD_ZONES or zone.count("/") > 1:
                continue
            city = zone.split("/")[1].replace("_", " ")
            obscure = c.fame + (city != c.capital) + bool(minutes % 60)
            around = [minutes + step for step in (-180, -120, -60, 60, 120, 180)]
            halves = [minutes + step for step in (-30, 30, -90, 90)] if minutes % 60 else []
            steps = [m for m in shuffled_numbers(rng, around, halves) if -720 <= m <= 840]
            question = f"What is the standard time offset of the time zone {zone}?"
            statement = f"The standard time offset of the time zone {zone} is {{}}."
            pool = tuple(offset(m) for m in steps)
            yield Draft(f"zone {zone}", "time zone", capped(obscure + 1), question, statement, offset(minutes), pool)
            hour = rng.choice([h for h in range(24) if 0 <= h * 60 + minutes < 1440])
            question = f"When it is {hour:02d}:00 UTC, what is the standard time in the time zone {zone}?"
            statement = f"When it is {hour:02d}:00 UTC, the standard time in the time zone {zone} is {{}}."
            wrong = [hour * 60 + m for m in (-minutes, *steps)]
            pool = tuple(dict.fromkeys(clock(m) for m in wrong if 0 <= m < 1440 and m != hour * 60 + minutes))
            if minutes and len(pool) > 2:
                answer = clock(hour * 60 + minutes)
                yield Draft(f"zone {zone}", "clock", capped(obscure + 2), question, statement, answer, pool)


def shuffled_numbers(rng: random.Random, *groups: list[int]) -> list[int]:
    return [int(text) for text in shuffled(rng, *(map(str, group) for group in groups))]


def clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
