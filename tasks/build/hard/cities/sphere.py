"""Distances and directions on a sphere of the Earth's mean radius."""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, atan2, cos, degrees, radians, sin, sqrt

Point = tuple[float, float]
"""Latitude and longitude in degrees, north and east positive."""

RADIUS = 6371.0
"""km"""

WINDS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
SIXTEEN = (
    *("north", "north-north-east", "north-east", "east-north-east"),
    *("east", "east-south-east", "south-east", "south-south-east"),
    *("south", "south-south-west", "south-west", "west-south-west"),
    *("west", "west-north-west", "north-west", "north-north-west"),
)


def distance(one: Point, other: Point) -> float:
    """The great circle's length in km, by the haversine formula."""
    a, b, c, d = radians(one[0]), radians(one[1]), radians(other[0]), radians(other[1])
    return 2 * RADIUS * asin(sqrt(sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2))


def bearing(one: Point, other: Point) -> float:
    """The great circle's direction at its start, in [0, 360) degrees clockwise from north."""
    (a, b), (c, d) = (tuple(map(radians, point)) for point in (one, other))
    return degrees(atan2(sin(d - b) * cos(c), cos(a) * sin(c) - sin(a) * cos(c) * cos(d - b))) % 360


def wind(one: Point, other: Point, winds: Sequence[str]) -> tuple[str, float]:
    """The nearest of the winds, and how far off its middle the other point lies, in [0, 1] from there to the edge."""
    angle, width = bearing(one, other), 360 / len(winds)
    sector = round(angle / width)
    return winds[sector % len(winds)], abs(angle - width * sector) / (width / 2)


def halfway(one: Point, other: Point) -> Point:
    """The middle of the great circle between two points."""
    (a, b), (c, d) = (tuple(map(radians, point)) for point in (one, other))
    x, y = cos(c) * cos(d - b), cos(c) * sin(d - b)
    north = atan2(sin(a) + sin(c), sqrt((cos(a) + x) ** 2 + y**2))
    return degrees(north), degrees(b + atan2(y, cos(a) + x))


def from_there(point: Point, course: float, km: float) -> Point:
    """Where one comes who sets out at a bearing, in degrees, along a great circle."""
    (a, b), turn, arc = map(radians, point), radians(course), km / RADIUS
    north = asin(max(-1.0, min(1.0, sin(a) * cos(arc) + cos(a) * sin(arc) * cos(turn))))
    east = b + atan2(sin(turn) * sin(arc) * cos(a), cos(arc) - sin(a) * sin(north))
    return degrees(north), (degrees(east) + 180) % 360 - 180
