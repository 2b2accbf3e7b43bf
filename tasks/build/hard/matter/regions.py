"""The sky in regions: which constellation a point is in, which of them touch, how far apart they are. By ephem."""

from __future__ import annotations

import math
from functools import cache, lru_cache

import ephem
import numpy as np

STEP = 1.0
"""Degrees between the points of the grid on which the sky is sampled."""

Point = tuple[float, float]


def _named(name: str) -> str:
    return "Serpens" if name.startswith("Serpens") else {"Bootes": "Boötes"}.get(name, name)


def constellation(point: Point) -> str:
    """At a right ascension and declination in degrees, J2000."""
    place = ephem.constellation((math.radians(point[0]), math.radians(point[1])), epoch=ephem.J2000)
    return _named(place[1])


def separation(one: Point, other: Point) -> float:
    """Degrees between two points of the sphere."""
    a, d, b, e = map(math.radians, (*one, *other))
    return math.degrees(math.acos(math.sin(d) * math.sin(e) + math.cos(d) * math.cos(e) * math.cos(a - b)))


@lru_cache(maxsize=1)
def grid() -> dict[tuple[int, int], str]:
    """Constellations at points a step apart in declination, and about as far in right ascension. Keys: row, place."""
    made = {}
    for row in range(int(176 / STEP)):
        declination = -87.75 + STEP * row
        n_places = places(row)
        for place in range(n_places):
            made[row, place] = constellation((360 * (place + 0.5) / n_places, declination))
    return made


def places(row: int) -> int:
    return max(12, round(360 / STEP * math.cos(math.radians(-87.75 + STEP * row))))


def _centre(cell: tuple[int, int]) -> Point:
    return 360 * (cell[1] + 0.5) / places(cell[0]), -87.75 + STEP * cell[0]


@lru_cache(maxsize=1)
def contacts() -> dict[str, dict[str, int]]:
    """How many pairs of neighbouring points lie in two constellations."""
    made: dict[str, dict[str, int]] = {}
    cells = grid()
    for (row, place), name in cells.items():
        right = cells[row, (place + 1) % places(row)]
        pairs = [right]
        if (row + 1, 0) in cells:
            above = int((place + 0.5) / places(row) * places(row + 1))
            pairs.append(cells[row + 1, above])
        for other in pairs:
            if other != name:
                for a, b in ((name, other), (other, name)):
                    counts = made.setdefault(a, {})
                    counts[b] = counts.get(b, 0) + 1
    return made


@lru_cache(maxsize=1)
def members() -> dict[str, list[Point]]:
    made: dict[str, list[Point]] = {}
    for cell, name in grid().items():
        made.setdefault(name, []).append(_centre(cell))
    return made


@lru_cache(maxsize=1)
def _rims() -> dict[str, list[Point]]:
    """The members with a neighbour in another constellation: from outside, the nearest is one of them."""
    made: dict[str, list[Point]] = {}
    cells = grid()
    for (row, place), name in cells.items():
        around = [cells[row, (place + step) % places(row)] for step in (-1, 1)]
        for other in (row - 1, row + 1):
            if (other, 0) in cells:
                middle = (place + 0.5) / places(row) * places(other)
                around += [cells[other, int(middle + step) % places(other)] for step in (-1, 0, 1)]
        if any(one != name for one in around):
            made.setdefault(name, []).append(_centre((row, place)))
    return made


def far(one: str, other: str) -> bool:
    """Whether no two sampled points of two constellations are within 2.5 degrees."""
    return bool((_vectors(one) @ _vectors(other).T).max() < math.cos(math.radians(2.5)))


@cache
def _vectors(name: str) -> np.ndarray:
    """Unit vectors to the sampled points along a constellation's border: (points, 3)."""
    a, d = np.radians(np.array(_rims()[name])).T
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)


def distance(point: Point, name: str) -> float:
    """Degrees from a point to the nearest sampled point of a constellation."""
    a, d = map(math.radians, point)
    vector = np.array([math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)])
    return math.degrees(math.acos(min(1.0, float((_vectors(name) @ vector).max()))))


def margin_of(point: Point, name: str) -> int:
    """How many degrees around a point (0, 1, 3 or 5) are all within a constellation."""
    for inner, radius in ((0, 1), (1, 3), (3, 5)):
        for angle in range(0, 360, 24):
            d = point[1] + radius * math.sin(math.radians(angle))
            a = point[0] + radius * math.cos(math.radians(angle)) / math.cos(math.radians(point[1]))
            if abs(d) > 88 or constellation((a % 360, d)) != name:
                return inner
    return 5
