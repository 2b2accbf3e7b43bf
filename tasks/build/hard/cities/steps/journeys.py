"""Journeys of which each leg follows from where, when or how often one has been before, in whole numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from math import prod

from build.hard.cities.steps.ladders import Result, ladder, others

Voyage = list[tuple[int, int]]


def voyage_of(start: tuple[int, int], factors: Sequence[int], modulus: int, legs: int) -> Voyage:
    """Degrees north of 60° S and degrees east of the 180th meridian, after each leg."""
    (u, v), (a, b, c, d) = start, factors
    found = [start]
    for leg in range(1, legs + 1):
        k = (a * u * u + b * u * v + c * v + d * leg) % modulus
        north = k % 23 - 11
        u = u + north if 0 <= u + north <= 120 else u - north
        v = (v + k // 23 - 20) % 360
        found.append((u, v))
    return found


def voyage(rng: random.Random, level: int) -> Result:
    legs = {9: 300, 10: 1500}[level]
    while True:
        start = (rng.randrange(20, 100), rng.randrange(20, 340))
        factors = [rng.randrange(2, 40) for _ in range(4)]
        modulus = rng.choice((941, 947, 953, 967, 971, 977, 983, 991, 997))
        way = voyage_of(start, factors, modulus, legs)
        if len({(place, leg % modulus) for leg, place in enumerate(way)}) == len(way):
            break
    a, b, c, d = factors
    rule = (
        f"On a globe of whole degrees a ship is u degrees north of 60° S and v degrees east of the 180th meridian; at "
        f"first u = {start[0]} and v = {start[1]}. For leg number i (1, 2, 3 and so on) let k be the remainder of "
        f"{a}·u² + {b}·u·v "
        f"+ {c}·v + {d}·i divided by {modulus}. Let s be the remainder of k divided by 23, less 11, and t the whole "
        f"part of "
        f"k/23, less 20. The leg changes u by s, or by −s where s would bring it below 0 or above 120, and v by t, "
        f"where v goes on from 359 to 0 and the other way round"
    )
    kind = rng.randrange(3)
    end = way[-1]
    if kind == 0:
        ask, said = f"What are u and v after leg {legs:,}?", f"After leg {legs:,} they are {{}}."
        near = [voyage_of((start[0], start[1] + k), factors, modulus, legs)[-1] for k in range(1, 9)]
        shown = [f"u = {u}, v = {v}" for u, v in (end, *near)]
        return f"{rule}. {ask}", f"{rule}. {said}", shown[0], others(rng, shown[0], shown)
    if kind == 1:
        value = sum((one[0] - 60) * (other[0] - 60) < 0 for one, other in pairwise(way))
        ask = f"How many of the first {legs:,} legs lead over the equator (u from below 60 to above 60 or back)?"
        said = f"{{}} of the first {legs:,} legs lead over the equator (u from below 60 to above 60 or back)."
        return f"{rule}. {ask}", f"{rule}. {said}", str(value), ladder(rng, value)
    wide = {9: 20, 10: 5}[level]
    value = len({(u // wide, v // wide) for u, v in way})
    count = f"different pairs of the whole parts of u/{wide} and v/{wide}"
    ask = f"How many {count} occur at the start and after the first {legs:,} legs?"
    said = f"{{}} {count} occur at the start and after the first {legs:,} legs."
    return f"{rule}. {ask}", f"{rule}. {said}", str(value), ladder(rng, value)


def deliveries(rng: random.Random, level: int) -> Result:
    n = {9: 60, 10: 400}[level]
    size = {9: (197, 199, 211, 223), 10: (499, 503, 509, 521)}[level]
    one, other = rng.sample(size, 2)
    a, b, c, d = (rng.randrange(3, 60) for _ in range(4))
    places = [((a * i * i + b * i) % one, (c * i**3 + d * i) % other) for i in range(1, n + 1)]
    at, length, visited = 0, 0, [0]
    left = list(range(1, n))
    while left:
        x, y = places[at]
        far, at = min((abs(places[i][0] - x) + abs(places[i][1] - y), i) for i in left)
        left.remove(at)
        visited.append(at)
        length += far
    rule = (
        f"Of {n} places, number i (1 to {n}) lies at x = the remainder of {a}·i² + {b}·i divided by {one} and y = the "
        f"remainder of {c}·i³ + {d}·i divided by {other}. Distances go along the axes: the difference in x plus the "
        f"one in y. "
        f"A van starts at place 1 and goes each time to the nearest place not yet visited (of equally near ones to "
        f"that of the lowest number)"
    )
    if rng.random() < 0.4:
        ask, said = "Which place does it visit last", "The place it visits last is number {}"
        late = [i + 1 for i in visited[-max(9, n // 8) : -1]]
        return f"{rule}. {ask}?", f"{rule}. {said}.", str(at + 1), others(rng, at + 1, late)
    ask, said = f"How long is its way until all {n} are visited", f"Its way until all {n} are visited is {{}} long"
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(length), ladder(rng, length, {9: 4, 10: 14}[level])


def traveller(rng: random.Random, level: int) -> Result:
    steps, n = {9: (300, 6), 10: (2000, 7)}[level]
    names = "ABCDEFG"[:n]
    while True:
        pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
        far = dict(zip(pairs, rng.sample(range(120, 990), len(pairs)), strict=True))
        far |= {(j, i): km for (i, j), km in far.items()}
        modulus = rng.choice((83, 89, 97, 101, 103))
        at, length, visits = 0, 0, [1] + [0] * (n - 1)
        seen = set()
        for _ in range(steps):
            seen.add((at, *(count % modulus for count in visits)))
            to = min((far[at, j] * (visits[j] + 1) ** 2 % modulus, j) for j in range(n) if j != at)[1]
            length += far[at, to]
            visits[to] += 1
            at = to
        if len(seen) == steps:
            break
    table = ", ".join(f"{names[i]}{names[j]} {far[i, j]}" for i, j in pairs)
    rule = (
        f"The distances in km between {n} towns are {table}. A traveller starts in A, which counts as one visit to "
        f"A. Each time the "
        f"next town is the one, other than the present town, for which the remainder of D·W² divided by {modulus} is "
        f"least, "
        f"where D is its distance from the present town and W its visits so far plus 1 (of equal ones the "
        f"first in the alphabet)"
    )
    if rng.random() < 0.5:
        ask = f"How many km has the traveller gone after {steps:,} journeys"
        said = f"After {steps:,} journeys the traveller has gone {{}} km"
        return f"{rule}. {ask}?", f"{rule}. {said}.", str(length), ladder(rng, length, {9: 97, 10: 607}[level])
    town = rng.randrange(1, n)
    ask = f"How many visits has {names[town]} had after {steps:,} journeys"
    said = f"After {steps:,} journeys {names[town]} has had {{}} visits"
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(visits[town]), ladder(rng, visits[town])


Line = tuple[int, int, int]
"""Period, remainder and minutes."""


def arrivals(lines: Sequence[Line], at: int, minute: int, changes: int) -> list[tuple[int, int]]:
    """Station and minute at first and after each train."""
    n = len(lines)
    found = [(at, minute)]
    for _ in range(changes):
        period, offset, minutes = lines[at]
        leaves = minute + 5
        leaves += (offset - leaves) % period
        minute = leaves + minutes + leaves % 41
        at = (at + 1 + leaves // period % (n - 1)) % n
        found.append((at, minute))
    return found


def trains(rng: random.Random, level: int) -> Result:
    """The options are arrivals of the trains before and after: that a train can come then tells nothing."""
    changes, n = {9: (250, 6), 10: (1500, 7)}[level]
    while True:
        periods = rng.sample((11, 13, 17, 19, 23, 29, 31, 37), n)
        lines = [(period, rng.randrange(period), rng.randrange(12, 60)) for period in periods]
        way = arrivals(lines, 0, 0, changes + 5)
        cycle = 41 * (n - 1) * prod(periods)
        if len({(at, minute % cycle) for at, minute in way}) == len(way):
            break
    minute, near = way[changes][1], [minute for _, minute in way[changes - 5 :]]
    table = "; ".join(f"{s}: {period}, {offset}, {minutes}" for s, (period, offset, minutes) in enumerate(lines))
    rule = (
        f"There are {n} stations with numbers s, periods p, remainders q and minutes m (s: p, q, m): {table}. From "
        f"station s a train "
        f"leaves at every minute t (0, 1, 2 and so on, without end) whose remainder divided by p is q. It takes m "
        f"minutes plus the "
        f"remainder of t divided by 41, and goes to the station whose number is the remainder of s + 1 + w divided "
        f"by {n}, "
        f"where w is the remainder of the whole part of t/p divided by {n - 1}. A passenger comes to station 0 at "
        f"minute 0 and "
        f"takes everywhere the first train that leaves 5 or more minutes after arrival"
    )
    ask = f"At which minute does train number {changes:,} of the journey arrive"
    said = f"Train number {changes:,} of the journey arrives at minute {{}}"
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(minute), others(rng, minute, near)
