"""Small towns in dense country by their coordinates in GeoNames, what its list counts.

The source and its month are named in the question, since it defines the answer.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import cos, radians

from build.hard.cities.exclusions import DISPUTED, MOVED
from build.hard.cities.gazetteer import CALLED, CITIES, country_name, plain, usual
from build.hard.cities.sphere import Point, distance
from build.making import Question
from build.wording import listed

COUNTRIES = "IN BR ID IT DE MX US ES FR GB JP PH PL DZ RO NG"
REACH = 160
"""km around the first town of a set."""

MOST = 60_000
N_DRAFTS = 5
"""Of a kind and size: 8 the easiest, 10 the hardest; all make questions of level 8."""
SOURCE = "GeoNames (November 2021)"
BY = f"by their coordinates in {SOURCE}"

Draft = Callable[[random.Random, int, "list[Place]"], "Question | None"]


@dataclass(frozen=True, eq=False)
class Place:
    name: str
    country: str
    place: Point


def _places() -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {country: [] for country in COUNTRIES.split()}
    for city in CITIES:
        country, name = city["countrycode"], unicodedata.normalize("NFC", city["name"])
        if country not in found or f"{country} {city['admin1code']}" in DISPUTED or int(city["geonameid"]) in MOVED:
            continue
        if usual(name) and CALLED[plain(name)] == 1 and 15_000 <= city["population"] < MOST:
            point = (city["latitude"], city["longitude"])
            found[country].append(Place(name, country, point))
    return found


PLACES = _places()


def _sets(rng: random.Random, n: int) -> Iterator[list[Place]]:
    """Without end: so many towns near each other, none of them twice before all others."""
    used: Counter[str] = Counter()
    while True:
        group = PLACES[rng.choice(sorted(PLACES))]
        first = rng.choice(group)
        near = [place for place in group if used[place.name] < 3 and _is_near(first.place, place.place)]
        if len(near) >= n + 3:
            towns = rng.sample(near, n)
            yield towns
            used.update(town.name for town in towns)


def _is_near(one: Point, other: Point) -> bool:
    return abs(one[0] - other[0]) < 1.5 and abs(one[1] - other[1]) < 3 and distance(one, other) < REACH


def _made(rng: random.Random, level: int, n: int, draft: Draft) -> Iterator[Question]:
    made, used = 0, Counter[str]()
    for towns in _sets(rng, n):
        if any(used[town.name] for town in towns):
            continue
        question = draft(rng, level, towns)
        if question is not None:
            used.update(town.name for town in towns)
            made += 1
            yield question
        if made == N_DRAFTS:
            return


def _here(towns: Sequence[Place]) -> str:
    return f"the places {listed([town.name for town in towns])} in {country_name(towns[0].country)}"


WINDS = {"north": (0, -1), "south": (0, 1), "east": (1, -1), "west": (1, 1)}


def _along(towns: Sequence[Place], wind: str) -> list[tuple[float, Place]]:
    """The towns from the furthest on, with their places in degrees of a great circle."""
    axis, sign = WINDS[wind]
    scale = cos(radians(sum(town.place[0] for town in towns) / len(towns))) if axis else 1
    return sorted(((sign * town.place[axis] * scale, town) for town in towns), key=lambda row: (row[0], row[1].name))


GAPS = {9: (0.05, 0.12), 10: (0.03, 0.06)}


def _order(rng: random.Random, level: int, towns: list[Place]) -> Question | None:
    """Two pairs of neighbours in the order are close; the options have each of them either way round."""
    wind = rng.choice(("west", "north"))
    ordered = _along(towns, wind)
    gaps = [after - before for (before, _), (after, _) in pairwise(ordered)]
    low, high = GAPS[level]
    close = sorted(range(len(gaps)), key=lambda i: gaps[i])[:2]
    first, second = sorted(close)
    if min(gaps) < low or max(gaps[i] for i in close) > high or second - first < 2:
        return None
    names = [town.name for _, town in ordered]

    def swapped(*places: int) -> str:
        turned = list(names)
        for i in places:
            turned[i], turned[i + 1] = turned[i + 1], turned[i]
        return ", ".join(turned)

    way = {"west": "from west to east", "north": "from north to south"}[wind]
    here = _here(sorted(towns, key=lambda town: town.name))
    ask = f"In which order do {here} lie, going {way}, {BY}?"
    said = f"Going {way}, {here} lie in this order, {BY}: {{}}."
    pool = (swapped(first), swapped(second), swapped(first, second))
    return Question(
        f"order {' '.join(sorted(names))}", "order of small towns", level, ask, said, ", ".join(names), pool
    )


def _outermost(rng: random.Random, level: int, towns: list[Place]) -> Question | None:
    wind = rng.choice(sorted(WINDS))
    ordered = _along(towns, wind)
    low, high = {8: (0.12, 0.3), 9: (0.05, 0.1)}[level]
    if not low < ordered[1][0] - ordered[0][0] < high or ordered[4][0] - ordered[0][0] > 5 * high:
        return None
    names = [town.name for _, town in ordered]
    here = _here(sorted(towns, key=lambda town: town.name))
    ask = f"Which of {here} lies furthest {wind}, {BY}?"
    said = f"Of {here}, the one furthest {wind}, {BY}, is {{}}."
    fact = f"outermost {wind} {' '.join(sorted(names))}"
    return Question(fact, "outermost small town", level, ask, said, names[0], tuple(names[1:6]))


RATIOS = {8: (1.3, 1.6), 9: (1.1, 1.25), 10: (1.05, 1.12)}


def _closest(rng: random.Random, level: int, towns: list[Place]) -> Question | None:
    by_name = sorted(towns, key=lambda town: town.name)
    pairs = sorted((distance(a.place, b.place), a.name, b.name) for a, b in combinations(by_name, 2))
    low, high = RATIOS[level]
    if not low < pairs[1][0] / pairs[0][0] < high or pairs[0][0] < 6:
        return None
    here = _here(by_name)
    answer, *pool = (f"{one} and {other}" for _, one, other in pairs[: 6 if level == 10 else 8])
    ask = f"Which two of {here} are nearest to each other in a straight line, {BY}?"
    said = f"Of {here}, the two nearest to each other in a straight line, {BY}, are {{}}."
    fact = f"closest {' '.join(sorted(town.name for town in towns))}"
    return Question(fact, "closest small towns", level, ask, said, answer, tuple(pool))


def _beside(rng: random.Random, level: int, towns: list[Place]) -> Question | None:
    hub, *others = towns
    ordered = sorted((distance(hub.place, town.place), town.name) for town in others)
    low, high = RATIOS[level]
    if not low < ordered[1][0] / ordered[0][0] < high or ordered[0][0] < 10 or ordered[3][0] > 2.2 * ordered[0][0]:
        return None
    here = _here(sorted(others, key=lambda town: town.name))
    names = [name for _, name in ordered]
    ask = f"Which of {here} is nearest to {hub.name} in a straight line, {BY}?"
    said = f"Of {here}, the one nearest to {hub.name} in a straight line, {BY}, is {{}}."
    fact = f"beside {hub.name} {' '.join(sorted(names))}"
    return Question(fact, "beside a small town", level, ask, said, names[0], tuple(names[1:]))


DRAFTS: tuple[tuple[Draft, dict[int, int]], ...] = (
    (_order, {9: 6, 10: 8}),
    (_outermost, {8: 6, 9: 7}),
    (_closest, {8: 5, 9: 6, 10: 8}),
    (_beside, {8: 5, 9: 7}),
)
"""How many towns there are, by level."""


def compared(rng: random.Random) -> Iterator[Question]:
    for draft, levels in DRAFTS:
        for level, n in levels.items():
            yield from _made(rng, level, n, draft)


LIST = "the list cities15000 of GeoNames (November 2021)"


def _counted(rng: random.Random) -> tuple[str, int]:
    """A condition on the list's entries, and how many fulfil it."""
    kind = rng.randrange(4)
    if kind == 0:
        south = rng.randrange(-340, 540) / 10
        band = rng.choice((0.4, 0.6, 0.8))
        fit = [city for city in CITIES if south < city["latitude"] < south + band]
        return f"lie between latitudes {south:.1f}° and {south + band:.1f}° (north positive)", len(fit)
    if kind == 1:
        west = rng.randrange(-1100, 1200) / 10
        band = rng.choice((0.5, 0.7, 0.9))
        fit = [city for city in CITIES if west < city["longitude"] < west + band]
        return f"lie between longitudes {west:.1f}° and {west + band:.1f}° (east positive)", len(fit)
    if kind == 2:
        least, wide = rng.randrange(160, 900) * 100, rng.choice((500, 800, 1200))
        fit = [city for city in CITIES if least <= city["population"] < least + wide]
        return f"have a population of at least {least:,} and less than {least + wide:,} there", len(fit)
    country = rng.choice(sorted(PLACES))
    least = rng.randrange(18, 60) * 1000
    fit = [city for city in CITIES if city["countrycode"] == country and least <= city["population"] < 2 * least]
    return f"are in {country_name(country)} and have a population of {least:,} to {2 * least - 1:,} there", len(fit)


def counts(rng: random.Random) -> Iterator[Question]:
    for level, step in ((9, 1.28), (10, 1.12)):
        made = 0
        while made < N_DRAFTS:
            said, n = _counted(rng)
            if not 40 < n < 600:
                continue
            made += 1
            pool = [round(n * step**k * rng.uniform(0.985, 1.015)) for k in (-3, -2, -1, 1, 2, 3)]
            rng.shuffle(pool)
            ask = f"How many entries of {LIST} {said}?"
            texts = tuple(map(str, pool))
            yield Question(f"count {said}", "count", level, ask, f"Of {LIST}, {{}} entries {said}.", str(n), texts)
