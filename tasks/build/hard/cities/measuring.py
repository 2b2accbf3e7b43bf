"""How far apart two towns lie and in which direction, and where a town lies in degrees."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from itertools import islice
from math import log

from build.hard.cities.gazetteer import COUNTRY, Town, around, turns, within
from build.hard.cities.sets import GRADES, GROUPS, N_DRAFTS, Sets, kind
from build.hard.cities.sphere import SIXTEEN, WINDS, Point, distance, wind
from build.making import Question

STEP = {5: 1.7, 6: 1.4, 7: 1.33, 8: 1.25, 9: 1.2, 10: 1.2}
"""Ratio of neighbouring options for a distance."""

APART = {5: 6.0, 6: 2.0, 7: 1.0, 8: 0.6, 9: 0.4, 10: 0.35}
"""Degrees of a great circle by which coordinates among the options differ, at least."""

NUMBER = {8: "eight", 16: "sixteen"}


def _pair(one: Town, other: Town) -> str:
    """'A and B in Chad'; large cities of different countries go without."""
    where = f" in {COUNTRY[one.country]}" if one.country == other.country else ""
    return f"{one.name} and {other.name}{where}"


def _said(one: Town) -> str:
    return f"{one.name}, {COUNTRY[one.country]}"


def apart(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """The distance in km; the options are a ladder of equal ratios, the answer anywhere on it."""

    def make(grade: int, towns: list[Town]) -> Question | None:
        one, other = towns
        km, by_air = distance(one.place, other.place), distance(one.airport, other.airport)
        step = STEP[grade]
        if km < 130 or abs(km / by_air - 1) > 0.3 * (step - 1):
            return None
        unit = 10 if km < 1000 else 50
        answer = unit * round(km / unit)
        ladder = [answer * step**k * rng.uniform(0.99, 1.01) for k in (-3, -2, -1, 1, 2, 3)]
        rungs = [unit * round(rung / unit) for rung in ladder]
        pool = [f"{rung} km" for rung in rungs if abs(log(rung / km)) > 0.9 * log(step)]
        if len(pool) < 5:
            return None
        rng.shuffle(pool)
        fact = f"apart {' '.join(sorted((one.name, other.name)))}"
        ask = f"About how far apart are {_pair(one, other)}, in a straight line?"
        said = f"In a straight line, {_pair(one, other)} are about {{}} apart."
        return Question(fact, "distance", grade, ask, said, f"{answer} km", tuple(pool))

    for grade in GRADES:
        yield from sets.made(grade, N_DRAFTS, 2, make)


def direction(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """Which of the eight winds; from grade 8 on of the sixteen; each is the answer equally often."""

    def make(due: str, grade: int, towns: list[Town]) -> Question | None:
        one, other = towns
        winds = WINDS if grade < 8 else SIXTEEN
        (way, off), (second, second_off) = (
            wind(one.place, other.place, winds),
            wind(one.airport, other.airport, winds),
        )
        back, back_off = wind(other.place, one.place, winds)
        straight = winds.index(back) == (winds.index(way) + len(winds) // 2) % len(winds)
        if way != due or way != second or not straight or max(off, back_off) > 0.5 or second_off > 0.8:
            return None
        if distance(one.place, other.place) < 60:
            return None
        fact = f"direction {' '.join(sorted((one.name, other.name)))}"
        ask = f"In which of the {NUMBER[len(winds)]} compass directions does {_said(other)}, lie from {_said(one)}?"
        said = f"Seen from {_said(one)}, {_said(other)}, lies to the {{}}."
        if one.country == other.country:
            where = COUNTRY[one.country]
            compass = f"of the {NUMBER[len(winds)]} compass directions"
            ask = f"In which {compass} from {one.name} does {other.name}, {where}, lie?"
            said = f"Seen from {one.name}, {other.name}, {where}, lies to the {{}}."
        turn = winds.index(way)
        pool = [winds[(turn + k) % len(winds)] for k in (1, -1, 2, -2, 3, -3, 4, -4)]
        return Question(fact, "direction", grade, ask, said, way, tuple(dict.fromkeys(pool)))

    for grade in GRADES:
        for due in rng.sample(WINDS * 2 if grade < 8 else SIXTEEN, 16):
            yield from sets.made(grade, 1, 2, partial(make, due))


def degrees(point: Point) -> str:
    """'12.3° N, 45.6° W'."""
    north, east = point
    return f"{abs(north):.1f}° {'N' if north >= 0 else 'S'}, {abs(east):.1f}° {'E' if east >= 0 else 'W'}"


FIELD = {5: 8000, 6: 2500, 7: 1200, 8: 400, 9: 250, 10: 200}
"""km around a town from which the other options for its coordinates come."""


def coordinates(rng: random.Random) -> Iterator[Question]:
    """At which coordinates a town lies, or which town lies there; the options are others of the country."""
    taken: set[str] = set()
    wide = within(3, 7, lambda town: town.country)
    for grade in GRADES:
        n = 0
        for group in islice(turns(rng, GROUPS[grade]), 500):
            town = rng.choice(group)
            if town.name in taken:
                continue
            pool = [town]
            for other in around(town, wide[town.country] if grade > 7 else group, FIELD[grade]):
                if all(distance(other.place, kept.place) > 111 * APART[grade] for kept in pool):
                    pool.append(other)
            if len(pool) < 6:
                continue
            taken.add(town.name)
            n += 1
            pool = pool[1:8]
            rng.shuffle(pool)
            fact, what, country = f"place {town.name}", kind(grade), COUNTRY[town.country]
            if n % 2:
                ask, said = (
                    f"At about which coordinates does {town.name}, {country}, lie?",
                    f"{_said(town)}, lies at about {{}}.",
                )
                others = tuple(degrees(other.place) for other in pool)
                yield Question(fact, "coordinates", grade, ask, said, degrees(town.place), others)
            else:
                where = f" in {country}" if grade > 6 else ""
                ask = f"Which of these {what}{where} lies at about {degrees(town.place)}?"
                said = f"The {'city' if what == 'cities' else 'town'}{where} at about {degrees(town.place)} is {{}}."
                others = tuple(other.name for other in pool)
                yield Question(fact, "located", grade, ask, said, town.name, others)
            if n == 2 * N_DRAFTS:
                break
