"""Where a ship is after many legs, each of whose bearings depends on the latitude that the leg before reached."""

from __future__ import annotations

import random
from collections.abc import Iterator

from build.hard.cities.sphere import Point, distance, from_there
from build.making import Question

N_DRAFTS = 8
LEGS = {8: 4, 9: 18}
APART = {8: (150.0, 600.0), 9: (60.0, 400.0)}
"""km between neighbouring options: they come of a start that is a trifle off."""

LENGTH = 1000
TURN = 10
"""By how many times the latitude the ship turns: enough that a small error grows from leg to leg."""


def sailed(start: Point, course: float, legs: int) -> Point:
    at = start
    for leg in range(legs):
        if leg:
            course += TURN * at[0]
        at = from_there(at, course, LENGTH)
    return at


def _growth(start: Point, course: float, legs: int) -> float:
    """By how many km the end moves for each degree of the first bearing, when that moves very little."""
    return distance(sailed(start, course, legs), sailed(start, course + 1e-9, legs)) / 1e-9


def _degrees(point: Point) -> str:
    north, east = point
    return f"{abs(north):.1f}° {'N' if north >= 0 else 'S'}, {abs(east):.1f}° {'E' if east >= 0 else 'W'}"


def _others(rng: random.Random, start: Point, course: float, level: int, below: int) -> list[Point]:
    """Three ends of courses a trifle off, so many of them on the one side; fewer where there are none so far apart."""
    legs, (low, high) = LEGS[level], APART[level]
    found: list[Point] = []
    end = sailed(start, course, legs)
    grown = _growth(start, course, legs)
    for side, n in ((-1, below), (1, 3 - below)):
        off, last = 0.3 * low / grown, end
        while n and off < 30:
            off *= 1.15
            other = sailed(start, course + side * off, legs)
            if low < distance(other, last) < high and all(distance(other, kept) > low for kept in (end, *found)):
                found.append(other)
                last = other
                n -= 1
    rng.shuffle(found)
    return found


def sailing(rng: random.Random) -> Iterator[Question]:
    for level, legs in LEGS.items():
        made = 0
        while made < N_DRAFTS:
            start = (round(rng.uniform(-50, 50), 1), round(rng.uniform(-170, 170), 1))
            course = rng.randrange(5, 360)
            end = sailed(start, course, legs)
            tiny = sailed((start[0] + 1e-12, start[1]), course + 1e-12, legs)
            if distance(end, tiny) > 0.05 or abs(end[0]) > 75 or min(abs(end[0]), abs(end[1])) < 0.2:
                continue
            if any(abs(10 * value % 1 - 0.5) < 0.05 for value in end):
                continue
            others = _others(rng, start, course, level, made % 4)
            if len(others) < 3 or any(abs(north) > 80 or abs(east) > 179 for north, east in others):
                continue
            made += 1
            way = (
                f"A ship starts at {_degrees(start)} and sails legs of 1,000 km along great circles on a sphere of "
                f"radius 6,371 km, over land too. The first sets out at a bearing of {course}°. Each later leg sets "
                f"out at the bearing at which the leg before set out, plus {TURN} times the latitude just "
                f"reached (in degrees, unrounded, south negative)"
            )
            ask, said = f"{way}. Where is it after {legs} legs?", f"{way}. After {legs} legs it is at {{}}."
            pool = tuple(_degrees(other) for other in others)
            yield Question(f"sailing {level} {made}", "sailing", level, ask, said, _degrees(end), pool)
