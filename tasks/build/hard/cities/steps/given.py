"""Exact work on points given in the question: lengths, areas, shortest trips and networks, counts and chains.

Nothing need be remembered. The options are so near each other that only the exact result tells. Sizes are 8 to 10; the
smallest makes questions of level 7, the others of level 8.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from math import pi

from build.hard.cities.sphere import RADIUS, Point, bearing, distance, from_there
from build.making import Question

N_DRAFTS = 6
"""Of a topic and size."""

EARTH = "on a sphere of radius 6,371 km"
DEGREES = "(latitude and longitude in degrees, north and east positive)"

Result = tuple[str, str, str, tuple[str, ...]]
"""Question, statement, answer and pool."""


def _scattered(rng: random.Random, n: int) -> list[Point]:
    """Points to a tenth of a degree in a part of the world, none of them within two degrees of another."""
    south, west = rng.uniform(-55, -5), rng.uniform(-170, 90)
    high, wide = rng.uniform(40, 55), rng.uniform(55, 75)
    points: list[Point] = []
    least = 150.0 if n > 20 else 400.0
    while len(points) < n:
        point = (round(south + high * rng.random(), 1), round(west + wide * rng.random(), 1))
        if all(distance(point, other) > least for other in points):
            points.append(point)
    return points


def _shown(points: Sequence[Point]) -> str:
    """'12.3 -45.6, 7.8 9.0'."""
    return ", ".join(f"{north} {east}" for north, east in points)


def _numbered(points: Sequence[Point]) -> str:
    return ", ".join(f"{i}: {north} {east}" for i, (north, east) in enumerate(points, 1))


def _ladder(rng: random.Random, value: float, step: float, unit: str) -> tuple[str, tuple[str, ...]]:
    """The value and a pool of others of the same kind, on both sides at multiples of a ratio."""
    pool = [
        f"{value * (1 + step * k) * (1 + 0.12 * step * rng.uniform(-1, 1)):.0f} {unit}" for k in (-3, -2, -1, 1, 2, 3)
    ]
    rng.shuffle(pool)
    return f"{value:.0f} {unit}", tuple(pool)


def closed(points: Sequence[Point]) -> float:
    """Length in km of the way through the points and back to the first."""
    return sum(distance(one, other) for one, other in pairwise([*points, points[0]]))


def tour(rng: random.Random, level: int) -> Result:
    n, step = {8: (5, 0.012), 9: (14, 0.0012), 10: (36, 0.0003)}[level]
    points = _scattered(rng, n)
    answer, pool = _ladder(rng, closed(points), step, "km")
    ask = (
        f"How long is the way along great circles, {EARTH}, through these {n} points {DEGREES} in this order and back "
        f"to the first: {_shown(points)}?"
    )
    said = f"The way along great circles, {EARTH}, through {_shown(points)} and back to the first is {{}} long."
    return ask, said, answer, pool


def excess(points: Sequence[Point]) -> float:
    """The area in km² of a polygon with these corners, clockwise: the excess of its angles."""
    n, angles = len(points), 0.0
    for i, point in enumerate(points):
        angles += (bearing(point, points[i - 1]) - bearing(point, points[(i + 1) % n])) % 360
    return (angles / 180 - (n - 2)) * pi * RADIUS**2


def area(rng: random.Random, level: int) -> Result:
    n, step = {8: (4, 0.03), 9: (10, 0.003), 10: (32, 0.0006)}[level]
    middle = (rng.uniform(-40, 40), rng.uniform(-140, 140))
    turns = [360 * (i + rng.uniform(0.15, 0.85)) / n for i in range(n)]
    corners = [from_there(middle, turn, rng.uniform(1300, 3200)) for turn in turns]
    points = [(round(north, 1), round(east, 1)) for north, east in corners]
    answer, pool = _ladder(rng, excess(points), step, "km²")
    ask = (
        f"{EARTH.capitalize()}, the corners of a polygon with great circles as sides are, in order, {_shown(points)} "
        f"{DEGREES}. What is its area?"
    )
    said = f"{EARTH.capitalize()}, the area of the polygon with the corners {_shown(points)} is {{}}."
    return ask, said, answer, pool


def shortest(points: Sequence[Point]) -> float:
    """Length of the shortest way through all points and back, by Held and Karp's dynamic programme."""
    n = len(points) - 1
    far = [[distance(one, other) for other in points] for one in points]
    best: dict[int, list[float]] = {1 << i: [far[n][i] if j == i else 1e9 for j in range(n)] for i in range(n)}
    for mask in range(1, 1 << n):
        if mask in best:
            continue
        inside = [i for i in range(n) if mask >> i & 1]
        row = [1e9] * n
        for last in inside:
            before, to_last = best[mask ^ (1 << last)], far[last]
            row[last] = min([before[i] + to_last[i] for i in inside if i != last])
        best[mask] = row
    return min(length + far[n][i] for i, length in enumerate(best[(1 << n) - 1]))


def round_trip(rng: random.Random, level: int) -> Result:
    n, step = {8: (7, 0.01), 9: (9, 0.004)}[level]
    points = _scattered(rng, n)
    answer, pool = _ladder(rng, shortest(points), step, "km")
    ask = (
        f"How long is the shortest round trip along great circles, {EARTH}, through all of these {n} points {DEGREES}, "
        f"in the best order: {_shown(points)}?"
    )
    said = f"The shortest round trip along great circles, {EARTH}, through all of {_shown(points)} is {{}} long."
    return ask, said, answer, pool


def joined(points: Sequence[Point]) -> float:
    """Length of the shortest network of great circles between the points that joins all, by Prim's method."""
    outside = {point: distance(points[0], point) for point in points[1:]}
    total = 0.0
    while outside:
        point = min(outside, key=lambda point: (outside[point], point))
        total += outside.pop(point)
        outside = {other: min(far, distance(point, other)) for other, far in outside.items()}
    return total


def network(rng: random.Random, level: int) -> Result:
    n, step = {8: (5, 0.015), 9: (13, 0.0015), 10: (36, 0.0004)}[level]
    points = _scattered(rng, n)
    answer, pool = _ladder(rng, joined(points), step, "km")
    ask = (
        f"{EARTH.capitalize()}, cables are laid along great circles from point to point so that all {n} points are "
        f"joined, directly or through others. What is the least length of cable, for the points {_shown(points)} "
        f"{DEGREES}?"
    )
    said = (
        f"{EARTH.capitalize()}, the least length of cable, laid from point to point, that joins all of the points "
        f"{_shown(points)} is {{}}."
    )
    return ask, said, answer, pool


def within_reach(rng: random.Random, level: int) -> Result:
    n, spread = {8: (7, 3), 9: (16, 4), 10: (36, 7)}[level]
    while True:
        points = _scattered(rng, n)
        lengths = sorted(distance(one, other) for one, other in combinations(points, 2))
        limit = 50 * round(lengths[int(len(lengths) * rng.uniform(0.3, 0.6))] / 50)
        if min(abs(length - limit) for length in lengths) > 1:
            break
    count = sum(length < limit for length in lengths)
    pool = [str(count + k) for k in range(-spread, spread + 1) if k]
    rng.shuffle(pool)
    ask = (
        f"How many pairs of these {n} points {DEGREES} are less than {limit} km apart along a great circle, {EARTH}: "
        f"{_shown(points)}?"
    )
    said = f"Of the points {_shown(points)}, {{}} pairs are less than {limit} km apart along a great circle, {EARTH}."
    return ask, said, str(count), tuple(pool[:8])


NTH = {1: "nearest", 2: "second nearest", 3: "third nearest"}


def chain(points: Sequence[Point], nth: int) -> tuple[list[int], float]:
    """The points' numbers as visited from the first on, and the least difference in km by which a choice was made."""
    left, at, least = list(range(1, len(points))), 0, 1e9
    visited = [0]
    while left:
        ranked = sorted((distance(points[at], points[i]), i) for i in left)
        k = min(nth, len(ranked)) - 1
        gaps = [abs(ranked[j][0] - ranked[k][0]) for j in (k - 1, k + 1) if 0 <= j < len(ranked)]
        least = min([least, *gaps])
        at = ranked[k][1]
        visited.append(at)
        left.remove(at)
    return visited, least


def onward(rng: random.Random, level: int) -> Result:
    n, nth = {8: (8, 1), 9: (18, 2), 10: (30, 3)}[level]
    least = 0.0
    while least < 3:
        points = _scattered(rng, n)
        visited, least = chain(points, nth)
    place = n - rng.randrange(1, 4 if level == 8 else 7)
    others = [i for i in visited[n // 3 + 1 :] if i != visited[place]]
    others.sort(key=lambda i: (abs(visited.index(i) - place), i))
    pool = [str(i + 1) for i in others[:8]]
    rng.shuffle(pool)
    rule = f"to the {NTH[nth]} of the points not yet visited"
    rule += "" if nth == 1 else ", or to the farthest once there are fewer left"
    start = f"From point 1 of the {n} points {_numbered(points)}"
    ask = f"{start} {DEGREES}, one goes each time {rule}, {EARTH}. Which point is the {place + 1}th, "
    ask += "point 1 being the first?"
    said = f"{start}, if one goes each time {rule}, {EARTH}, the {place + 1}th point is number {{}}."
    return ask, said, str(visited[place] + 1), tuple(pool)


KINDS: dict[str, tuple[Callable[[random.Random, int], Result], tuple[int, ...]]] = {
    "tour": (tour, (8, 9, 10)),
    "area": (area, (8, 9, 10)),
    "round trip": (round_trip, (8, 9)),
    "network": (network, (8, 9, 10)),
    "pairs within": (within_reach, (8, 9, 10)),
    "chain": (onward, (8, 9, 10)),
}


def exact(rng: random.Random) -> Iterator[Question]:
    for topic, (make, levels) in KINDS.items():
        for level in levels:
            for i in range(N_DRAFTS):
                ask, said, answer, pool = make(rng, level)
                yield Question(f"{topic} {level} {i}", topic, level, ask, said, answer, pool)
