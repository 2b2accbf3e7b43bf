"""Which of four towns lies furthest north, nearest to another, halfway, on another's parallel; and their order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise, permutations
from math import cos, radians

from build.hard.cities.gazetteer import Town
from build.hard.cities.sets import GRADES, N_DRAFTS, Sets, kind, named
from build.hard.cities.sphere import Point, distance, halfway
from build.making import Question

MARGIN = {5: (4.0, 40.0), 6: (1.0, 5.0), 7: (0.6, 2.5), 8: (0.4, 1.0), 9: (0.3, 0.6), 10: (0.25, 0.45)}
"""Degrees of a great circle between the answer and the next: at least, at most."""

RATIO = {5: (1.7, 8.0), 6: (1.4, 2.5), 7: (1.3, 2.0), 8: (1.2, 1.5), 9: (1.17, 1.35), 10: (1.15, 1.25)}
"""Of the second smallest distance to the smallest."""

ENDS = {"north": (0, -1), "south": (0, 1), "east": (1, -1), "west": (1, 1)}
"""Which of latitude and longitude, and the sign by which the furthest is the least."""


def _along(point: Point, axis: int, scale: float) -> float:
    return point[axis] * (scale if axis else 1.0)


def _least(towns: list[Town], key: Callable[[Town], tuple[float, float]]) -> tuple[list[Town], float, bool]:
    """The towns by a key, how far the first is ahead, and whether the second source has the same first.

    key: the value by GeoNames and by the airports.
    """
    ordered = sorted(towns, key=lambda town: (key(town)[0], town.name))
    lead = key(ordered[1])[0] - key(ordered[0])[0]
    return ordered, lead, min(towns, key=lambda town: key(town)[1]) is ordered[0]


def _question(rng: random.Random, grade: int, topic: str, key: str, towns: list[Town], ask: str, said: str) -> Question:
    """towns: the answer first. ask and said have {} for the four in random order."""
    mentioned = list(towns)
    rng.shuffle(mentioned)
    fact = f"{topic} {key} {' '.join(sorted(town.name for town in towns))}"
    distractors = tuple(town.name for town in towns[1:])
    question = ask.format(named(mentioned, grade))
    statement = said.replace("{}", named(mentioned, grade), 1).replace("[]", "{}")
    return Question(fact, topic, grade, question, statement, towns[0].name, distractors)


def furthest(rng: random.Random, sets: Sets) -> Iterator[Question]:
    def make(grade: int, towns: list[Town]) -> Question | None:
        wind = rng.choice(sorted(ENDS))
        axis, sign = ENDS[wind]
        scale = cos(radians(sum(town.place[0] for town in towns) / 4))
        low, high = MARGIN[grade]
        ordered, lead, agreed = _least(
            towns, lambda town: (sign * _along(town.place, axis, scale), sign * _along(town.airport, axis, scale))
        )
        if not agreed or not low <= lead <= high:
            return None
        ask = f"Of the {kind(grade)} {{}}, which lies furthest {wind}?"
        return _question(
            rng, grade, "furthest", wind, ordered, ask, f"Of the {kind(grade)} {{}}, the one furthest {wind} is []."
        )

    for grade in GRADES:
        yield from sets.made(grade, N_DRAFTS, 4, make)


def nearest(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """Which of four is nearest to a fifth, or farthest from it."""

    def make(grade: int, towns: list[Town]) -> Question | None:
        hub, *four = towns
        end, sign = rng.choice((("nearest to", 1), ("farthest from", -1)))
        ordered, _, agreed = _least(
            four, lambda town: (sign * distance(hub.place, town.place), sign * distance(hub.airport, town.airport))
        )
        first, second = (distance(hub.place, town.place) for town in ordered[:2])
        low, high = RATIO[grade]
        ratio = (second / first) ** sign
        if not agreed or not low <= ratio <= high or min(first, second) < 25:
            return None
        ask = f"Of the {kind(grade)} {{}}, which is {end} {hub.name}, in a straight line?"
        said = f"Of the {kind(grade)} {{}}, the one {end} {hub.name} in a straight line is []."
        return _question(rng, grade, "nearest", f"{end} {hub.name}", ordered, ask, said)

    for grade in GRADES:
        yield from sets.made(grade, N_DRAFTS, 5, make)


def middle(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """Which of four is nearest to the point halfway between two others."""

    def make(grade: int, towns: list[Town]) -> Question | None:
        one, other, *four = towns
        point, second_point = halfway(one.place, other.place), halfway(one.airport, other.airport)
        ordered, lead, agreed = _least(
            four, lambda town: (distance(point, town.place), distance(second_point, town.airport))
        )
        nearest_km = distance(point, ordered[0].place)
        if not agreed or lead < 30 or not RATIO[grade][0] + 0.1 <= (nearest_km + lead) / nearest_km <= 3:
            return None
        if nearest_km > 0.35 * distance(one.place, other.place) or nearest_km < 10:
            return None
        there = f"nearest to the point halfway between {one.name} and {other.name}"
        ask = f"Of the {kind(grade)} {{}}, which is {there}?"
        said = f"Of the {kind(grade)} {{}}, the one {there} is []."
        return _question(rng, grade, "halfway", f"{one.name} {other.name}", ordered, ask, said)

    for grade in GRADES[3:]:
        yield from sets.made(grade, N_DRAFTS, 6, make)


def order(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """Four or five towns from west to east or from north to south; the options are orders."""

    def make(grade: int, towns: list[Town]) -> Question | None:
        axis, sign, way = rng.choice(((1, 1, "west to east"), (0, -1, "north to south")))
        scale = cos(radians(sum(town.place[0] for town in towns) / len(towns)))
        places, others = (
            sorted((sign * _along(place, axis, scale), town.name) for town, place in zip(towns, points, strict=True))
            for points in ([town.place for town in towns], [town.airport for town in towns])
        )
        names = [name for _, name in places]
        least = min(after - before for (before, _), (after, _) in pairwise(places))
        low, high = MARGIN[grade]
        if names != [name for _, name in others] or not (2.5 if grade == 5 else min(low, 0.6)) <= least <= high:
            return None
        mentioned = list(towns)
        rng.shuffle(mentioned)
        wrong = [found for found in permutations(names) if 0 < _swaps(names, found) < 5]
        rng.shuffle(wrong)
        wrong.sort(key=lambda found: _swaps(names, found) > 3)
        fact = f"order {axis} {' '.join(sorted(names))}"
        ask = f"In which order do the {kind(grade)} {named(mentioned, grade)} lie, going from {way}?"
        said = f"Going from {way}, the {kind(grade)} {named(mentioned, grade)} lie in the order {{}}."
        pool = tuple(", ".join(found) for found in wrong[:8])
        return Question(fact, "order", grade, ask, said, ", ".join(names), pool)

    for grade in GRADES:
        yield from sets.made(grade, N_DRAFTS, 5 if grade > 8 else 4, make)


def _swaps(names: list[str], found: tuple[str, ...]) -> int:
    """How many pairs stand the other way round."""
    ranks = [names.index(name) for name in found]
    return sum(a > b for i, a in enumerate(ranks) for b in ranks[i + 1 :])


def parallel(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """Which of four lies nearest to the latitude of a fifth, or its longitude."""

    def make(grade: int, towns: list[Town]) -> Question | None:
        hub, *four = towns
        axis, word = rng.choice(((0, "latitude"), (1, "longitude")))
        scale = cos(radians(hub.place[0]))
        ordered, lead, agreed = _least(
            four,
            lambda town: (
                abs(_along(town.place, axis, scale) - _along(hub.place, axis, scale)),
                abs(_along(town.airport, axis, scale) - _along(hub.airport, axis, scale)),
            ),
        )
        off = abs(_along(ordered[0].place, axis, scale) - _along(hub.place, axis, scale))
        low, high = MARGIN[grade]
        if not agreed or not low + 0.1 <= lead <= high or off > lead:
            return None
        ask = f"Of the {kind(grade)} {{}}, which is nearest in {word} to {hub.name}?"
        said = f"Of the {kind(grade)} {{}}, the one nearest in {word} to {hub.name} is []."
        return _question(rng, grade, "parallel", f"{word} {hub.name}", ordered, ask, said)

    for grade in GRADES:
        yield from sets.made(grade, N_DRAFTS, 5, make)


NTH = {1: "second", 2: "third", 3: "fourth"}


def ranked(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """Which of five towns is the second, third or fourth from one end."""

    def make(grade: int, towns: list[Town]) -> Question | None:
        wind = rng.choice(sorted(ENDS))
        axis, sign = ENDS[wind]
        scale = cos(radians(sum(town.place[0] for town in towns) / len(towns)))
        ordered = sorted(towns, key=lambda town: (sign * town.place[axis], town.name))
        values = [sign * _along(town.place, axis, scale) for town in ordered]
        others = [sign * _along(town.airport, axis, scale) for town in ordered]
        place = rng.choice(sorted(NTH))
        gap = min(values[place] - values[place - 1], values[place + 1] - values[place])
        agreed = max(others[:place]) < others[place] < min(others[place + 1 :])
        if not agreed or not MARGIN[grade][0] <= gap <= MARGIN[grade][1]:
            return None
        answer = ordered.pop(place)
        rng.shuffle(ordered)
        ends = f"{NTH[place]} furthest {wind}"
        mentioned = [answer, *ordered]
        rng.shuffle(mentioned)
        fact = f"ranked {ends} {' '.join(sorted(town.name for town in towns))}"
        ask = f"Of the {kind(grade)} {named(mentioned, grade)}, which lies {ends}?"
        said = f"Of the {kind(grade)} {named(mentioned, grade)}, the one {ends} is {{}}."
        return Question(fact, "ranked", grade, ask, said, answer.name, tuple(town.name for town in ordered))

    for grade in GRADES[2:]:
        yield from sets.made(grade, N_DRAFTS, 5, make)


def closest_pair(rng: random.Random, sets: Sets) -> Iterator[Question]:
    """Which two of four towns lie nearest to each other, or farthest apart; the options are pairs."""

    def make(grade: int, towns: list[Town]) -> Question | None:
        words, sign = rng.choice((("nearest to each other", 1), ("farthest apart", -1)))
        pairs = list(combinations(sorted(towns, key=lambda town: town.name), 2))
        pairs.sort(key=lambda pair: (sign * distance(pair[0].place, pair[1].place), pair[0].name, pair[1].name))
        first, second = (distance(one.place, other.place) for one, other in pairs[:2])
        agreed = min(pairs, key=lambda pair: sign * distance(pair[0].airport, pair[1].airport)) is pairs[0]
        low, high = RATIO[grade]
        if not agreed or not low <= (second / first) ** sign <= high or min(first, second) < 40:
            return None
        mentioned = list(towns)
        rng.shuffle(mentioned)
        answer, *wrong = (f"{one.name} and {other.name}" for one, other in pairs)
        rng.shuffle(wrong)
        fact = f"pair {words} {' '.join(sorted(town.name for town in towns))}"
        ask = f"Which two of the {kind(grade)} {named(mentioned, grade)} are {words}, in a straight line?"
        said = f"Of the {kind(grade)} {named(mentioned, grade)}, the two {words} in a straight line are {{}}."
        return Question(fact, "pair", grade, ask, said, answer, tuple(wrong))

    for grade in GRADES[2:]:
        yield from sets.made(grade, N_DRAFTS, 4, make)
