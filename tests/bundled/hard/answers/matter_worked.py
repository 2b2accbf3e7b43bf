"""Items of `matter` that are computed from data in their text, worked out again by other ways than the builder's."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import expm

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
Item = dict[str, Any]


def percent(item: Item, value: float) -> str:
    """The choice that is a value to three decimals."""
    (found,) = [choice for choice in item["choices"] if abs(float(choice.rstrip("%")) - value) < 0.00051]
    return str(found)


def series(item: Item, lives: str, asked: str, hours: str) -> str:
    """By the exponential of the matrix of rates."""
    rates = [math.log(2) / float(life) for life in re.split(r", | and ", lives)]
    flow = np.zeros((len(rates) + 1, len(rates) + 1))
    for i, rate in enumerate(rates):
        flow[i, i], flow[i + 1, i] = -rate, rate
    return percent(item, 100 * expm(flow * float(hours))[:, 0]["ABCDEFGH".index(asked)])


def cluster(item: Item, given: str, counts: str, nucleons: str) -> str:
    """By the product of the elements' characteristic functions at the roots of unity, not by adding up the products."""
    size = 4096
    angles = np.exp(-2j * np.pi * np.arange(size) / size)
    wave = np.ones(size, dtype=complex)
    for part in given.split("; "):
        name, rest = part.split(" ", 1)
        shares = [(int(a), float(p)) for a, p in re.findall(r"(\d+) ([\d.]+)%", rest)]
        assert abs(sum(p for _, p in shares) - 100) < 1e-9
        (count,) = re.findall(rf"(\d+) {name} atoms", counts)
        wave *= sum(p / 100 * angles**a for a, p in shares) ** int(count)
    return percent(item, 100 * float(np.fft.ifft(wave).real[int(nucleons)]))


def pile(item: Item, rows: str, columns: str, grains: str, row: str, column: str) -> str:
    """All the grains at once, every cell giving all it can: the order makes no difference."""
    table = np.zeros((int(rows) + 2, int(columns) + 2), dtype=int)
    table[int(row), int(column)] = int(grains.replace(",", ""))
    while (given := table[1:-1, 1:-1] // 4).any():
        table[1:-1, 1:-1] -= 4 * given
        for rim in (table[:-2, 1:-1], table[2:, 1:-1], table[1:-1, :-2], table[1:-1, 2:]):
            rim += given
    return str(table[1:-1, 1:-1].sum())


def numbers(start: str, factor: str, more: str, modulus: str, times: str) -> list[int]:
    """r after 1, 2, ... steps, each by a power of its own, not from the one before."""
    a, c, m, n = int(factor), int(more), int(modulus), int(times.replace(",", ""))
    found, power, total = [], 1, 0
    for _ in range(n):
        total, power = (total + power) % m, power * a % m
        found.append((power * int(start) + c * total) % m)
    return found


def particle(
    item: Item, start: str, middle: str, top: str, times: str, factor: str, more: str, modulus: str, wall: str
) -> str:
    place, count = int(middle), {"left": 0, "right": 0}
    for r in numbers(start, factor, more, modulus, times):
        up = r // 7 % 5 < (3 if place > int(middle) else 2)
        place = place + 1 if up else place - 1
        if place == -1:
            place, count["left"] = 2, count["left"] + 1
        if place == int(top) + 1:
            place, count["right"] = int(top) - 2, count["right"] + 1
    return str(count[wall])


def deposit(
    item: Item, start: str, grains: str, columns: str, factor: str, more: str, modulus: str, column: str
) -> str:
    """By the level at which each grain comes to lie, not by a list of heights."""
    n = int(columns)
    fallen: list[tuple[int, int]] = []
    last: dict[int, int] = {}
    for r in numbers(start, factor, more, modulus, grains):
        c = r % n
        level = max(last.get(c, 0) + 1, last.get((c - 1) % n, 0), last.get((c + 1) % n, 0))
        last[c] = level
        fallen.append((c, level))
    return f"{max((level for c, level in fallen if c == int(column)), default=0):,}"


def orbit(item: Item, starts: str, scale: str, asked: str, steps: str) -> str:
    """With the true floor of fractions written as remainders taken off."""
    x, y, u, v = (int(text.replace(",", "")) for text in re.split(r", | and ", starts))
    unit = int(scale.replace(",", ""))

    def down(value: int, by: int) -> int:
        return (value - value % by) // by

    for _ in range(int(steps.replace(",", ""))):
        x += down(u, 8)
        y += down(v, 8)
        u -= down(x + down(2 * x * y, unit), 8)
        v -= down(y + down((x + y) * (x - y), unit), 8)
    return f"{x if asked == 'x' else y:,}"


# The Moon and Jupiter's moons by the series in Meeus's Astronomical Algorithms, chapters 44 and 47.

DISTANCE = (
    *((-20905.355, 0, 0, 1, 0), (-3699.111, 2, 0, -1, 0), (-2955.968, 2, 0, 0, 0), (-569.925, 0, 0, 2, 0)),
    *((48.888, 0, 1, 0, 0), (-3.149, 0, 0, 0, 2), (246.158, 2, 0, -2, 0), (-152.138, 2, -1, -1, 0)),
    *((-170.733, 2, 0, 1, 0), (-204.586, 2, -1, 0, 0), (-129.620, 0, 1, -1, 0), (108.743, 1, 0, 0, 0)),
    *((104.755, 0, 1, 1, 0), (10.321, 2, 0, 0, -2), (79.661, 0, 0, 1, -2), (-34.782, 4, 0, -1, 0)),
    *((-23.210, 0, 0, 3, 0), (-21.636, 4, 0, -2, 0), (24.208, 2, 1, -1, 0), (30.824, 2, 1, 0, 0)),
    *((-8.379, 1, 0, -1, 0), (-16.675, 1, 1, 0, 0), (-12.831, 2, -1, 1, 0), (-10.445, 2, 0, 2, 0)),
    *((-11.650, 4, 0, 0, 0), (14.403, 2, 0, -3, 0)),
)
LONGITUDE = (
    *((6.288774, 0, 0, 1, 0), (1.274027, 2, 0, -1, 0), (0.658314, 2, 0, 0, 0), (0.213618, 0, 0, 2, 0)),
    *((-0.185116, 0, 1, 0, 0), (-0.114332, 0, 0, 0, 2), (0.058793, 2, 0, -2, 0), (0.057066, 2, -1, -1, 0)),
    *((0.053322, 2, 0, 1, 0), (0.045758, 2, -1, 0, 0), (-0.040923, 0, 1, -1, 0), (-0.034720, 1, 0, 0, 0)),
)
LATITUDE = (
    *((5.128122, 0, 0, 0, 1), (0.280602, 0, 0, 1, 1), (0.277693, 0, 0, 1, -1), (0.173237, 2, 0, 0, -1)),
    *((0.055413, 2, 0, -1, 1), (0.046271, 2, 0, -1, -1), (0.032573, 2, 0, 0, 1)),
)


def days(text: str) -> float:
    """Since noon of the first day of 2000, at 0 h; Gregorian."""
    day, month, year = text.split()
    ordinal = np.datetime64(f"{year}-{MONTHS.index(month) + 1:02d}-{int(day):02d}") - np.datetime64("2000-01-01")
    return float(ordinal.astype(int)) - 0.5


def _moon(t: float) -> tuple[float, tuple[float, float, float, float]]:
    mean = 218.3164477 + 481267.88123421 * t - 0.0015786 * t * t
    return mean, (
        297.8501921 + 445267.1114034 * t - 0.0018819 * t * t,
        357.5291092 + 35999.0502909 * t - 0.0001536 * t * t,
        134.9633964 + 477198.8675055 * t + 0.0087414 * t * t,
        93.2720950 + 483202.0175233 * t - 0.0036539 * t * t,
    )


def _sum(terms: tuple[tuple[float, ...], ...], angles: tuple[float, ...], wave: Any) -> float:
    return float(
        sum(
            size * wave(math.radians(sum(k * angle for k, angle in zip(times, angles, strict=True))))
            for size, *times in terms
        )
    )


def moon_distance(date: str) -> float:
    """Kilometres from the Earth's centre."""
    return 385000.56 + _sum(DISTANCE, _moon(days(date) / 36525)[1], math.cos)


def moon_place(date: str) -> tuple[float, float]:
    """Right ascension in hours and declination in degrees, for the equinox of 2000."""
    t = days(date) / 36525
    mean, angles = _moon(t)
    a = math.radians(mean + _sum(LONGITUDE, angles, math.sin) - 1.39697 * t - 0.0003 * t * t)
    b, tilt = math.radians(_sum(LATITUDE, angles, math.sin)), math.radians(23.4393)
    x, y = math.cos(b) * math.cos(a), math.cos(b) * math.sin(a) * math.cos(tilt) - math.sin(b) * math.sin(tilt)
    up = math.cos(b) * math.sin(a) * math.sin(tilt) + math.sin(b) * math.cos(tilt)
    return math.degrees(math.atan2(y, x)) / 15 % 24, math.degrees(math.asin(up))


def nearest_moon(item: Item, listing: str, text: str) -> str:
    assert sorted(re.split(r", | and ", listing)) == sorted(item["choices"])
    ranked = sorted(item["choices"], key=moon_distance)
    first, second = ranked[:2] if text.startswith("near") else (ranked[3], ranked[2])
    assert abs(moon_distance(first) - moon_distance(second)) > 250
    return str(first)


def jovian(date: str) -> dict[str, float]:
    """How far east of Jupiter each moon stands, in radii."""
    d = days(date)

    def sine(degrees: float) -> float:
        return math.sin(math.radians(degrees))

    def cosine(degrees: float) -> float:
        return math.cos(math.radians(degrees))

    wobble = 0.329 * sine(172.74 + 0.00111588 * d)
    earth, own = 357.529 + 0.9856003 * d, 20.020 + 0.0830853 * d + wobble
    a = 1.915 * sine(earth) + 0.020 * sine(2 * earth)
    b = 5.555 * sine(own) + 0.168 * sine(2 * own)
    k = 66.115 + 0.9025179 * d - wobble + a - b
    near, far = 1.00014 - 0.01671 * cosine(earth), 5.20872 - 0.25208 * cosine(own) - 0.00611 * cosine(2 * own)
    apart = math.sqrt(far**2 + near**2 - 2 * far * near * cosine(k))
    turn = math.degrees(math.asin(near / apart * sine(k))) - b
    then = d - apart / 173
    one, two = 163.8069 + 203.4058646 * then + turn, 358.4140 + 101.2916335 * then + turn
    three, four = 5.7176 + 50.2345180 * then + turn, 224.8092 + 21.4879800 * then + turn
    g, h = 331.18 + 50.310482 * then, 87.45 + 21.569231 * then
    places = {
        "Io": (one + 0.473 * sine(2 * (one - two)), 5.9057),
        "Europa": (two + 1.065 * sine(2 * (two - three)), 9.3966),
        "Ganymede": (three + 0.165 * sine(g), 14.9883),
        "Callisto": (four + 0.843 * sine(h), 26.3627),
    }
    return {name: -radius * sine(angle) for name, (angle, radius) in places.items()}


def moons(item: Item, listing: str, date: str) -> str:
    east = jovian(date)
    assert sorted(re.split(r", | and ", listing)) == sorted(east)
    names = sorted(east, key=lambda name: -east[name])
    assert all(east[one] - east[other] > 0.7 for one, other in pairwise(names)), (item["id"], east)
    return ", ".join(names)
