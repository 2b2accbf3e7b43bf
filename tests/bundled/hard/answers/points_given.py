"""Answers about points given in a question, from its text, by vectors and by other algorithms than the builder's."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import numpy as np

Row = dict[str, Any]
RADIUS = 6371.0


def vectors(degrees: np.ndarray) -> np.ndarray:
    north, east = np.radians(degrees.T)
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)


def points(text: str) -> np.ndarray:
    """(points, 3): those of the longest list of pairs in a text, numbered or not."""
    lists = re.findall(r"(?:(?:\d+: )?-?\d+\.\d -?\d+\.\d(?:, )?)+", text)
    pairs = re.findall(r"(-?\d+\.\d) (-?\d+\.\d)", max(lists, key=len))
    return vectors(np.array(pairs, dtype=float))


def lengths(found: np.ndarray) -> np.ndarray:
    """(points, points) in km."""
    cross = np.linalg.norm(np.cross(found[:, None], found[None]), axis=2)
    return RADIUS * np.arctan2(cross, found @ found.T)


def nearest_choice(row: Row, value: float, unit: str) -> str:
    """The choice equal to the value when rounded; the others are off by more than rounding could be."""
    offs = {choice: abs(int(choice.removesuffix(f" {unit}")) - value) for choice in row["choices"]}
    first, second = sorted(offs.values())[:2]
    assert first < 0.51, offs
    assert second > 3, offs
    return min(offs, key=offs.__getitem__)


def counted(row: Row, n: int) -> np.ndarray:
    found = points(row["question"])
    assert len(found) == n, row["question"]
    return found


def named_count(row: Row) -> int:
    match = re.search(r"(\d+) points", row["question"])
    assert match
    return int(match[1])


def tour(row: Row) -> str:
    found = counted(row, named_count(row))
    return nearest_choice(row, float(np.diag(lengths(found)[:, np.roll(np.arange(len(found)), -1)]).sum()), "km")


def area(row: Row) -> str:
    """By triangles from a point inside, each by van Oosterom and Strackee's formula."""
    found = points(row["question"])
    middle = found.mean(axis=0)
    middle /= np.linalg.norm(middle)
    total = 0.0
    for one, other in zip(found, np.roll(found, -1, axis=0), strict=True):
        above = np.linalg.det(np.stack([middle, one, other]))
        total += 2 * np.arctan2(above, 1 + middle @ one + one @ other + other @ middle)
    return nearest_choice(row, abs(total) * RADIUS**2, "km²")


def round_trip(row: Row) -> str:
    """By searching the orders in depth, where what is left costs at least a shortest network of it."""
    far = lengths(counted(row, named_count(row)))
    n = len(far)
    by_length = [sorted(range(n), key=far[i].__getitem__) for i in range(n)]
    table = far.tolist()
    best = 1e9
    for start in range(n):  # a good tour to begin with: always the nearest, then pairs of sides exchanged
        way = [start]
        while len(way) < n:
            way.append(next(i for i in by_length[way[-1]] if i not in way))
        better = True
        while better:
            better = False
            for i, j in combinations(range(n), 2):
                a, b, c, d = way[i - 1], way[i], way[j], way[(j + 1) % n]
                if a != c and b != d and table[a][c] + table[b][d] < table[a][b] + table[c][d] - 1e-9:
                    way[i : j + 1] = way[i : j + 1][::-1]
                    better = True
        best = min(best, sum(table[a][b] for a, b in zip(way, [*way[1:], way[0]], strict=True)))
    nets: dict[frozenset[int], float] = {}

    def net(left: frozenset[int]) -> float:
        if left not in nets:
            rest = set(left)
            at = rest.pop()
            near = {i: table[at][i] for i in rest}
            total = 0.0
            while near:
                at = min(near, key=near.__getitem__)
                total += near.pop(at)
                row = table[at]
                for i in near:
                    near[i] = min(near[i], row[i])
            nets[left] = total
        return nets[left]

    def search(at: int, left: frozenset[int], length: float) -> None:
        nonlocal best
        if not left:
            best = min(best, length + table[at][0])
            return
        if length + net(left) + min(table[at][i] for i in left) + min(table[0][i] for i in left) >= best - 1e-9:
            return
        for i in by_length[at]:
            if i in left:
                search(i, left - {i}, length + table[at][i])

    search(0, frozenset(range(1, n)), 0.0)
    return nearest_choice(row, best, "km")


def network(row: Row) -> str:
    """By Kruskal's method."""
    far = lengths(counted(row, named_count(row)))
    part = list(range(len(far)))
    total = 0.0
    for one, other in sorted(combinations(part, 2), key=lambda pair: far[pair]):
        if part[one] != part[other]:
            total += float(far[one, other])
            part = [part[one] if label == part[other] else label for label in part]
    return nearest_choice(row, total, "km")


def pairs_within(row: Row) -> str:
    far = lengths(counted(row, named_count(row)))
    match = re.search(r"less than (\d+) km apart", row["question"])
    assert match
    all_pairs = far[np.triu_indices(len(far), 1)]
    assert np.abs(all_pairs - int(match[1])).min() > 0.9
    return str(int((all_pairs < int(match[1])).sum()))


def chain(row: Row) -> str:
    far = lengths(counted(row, named_count(row)))
    nth = {"the": 1, "second": 2, "third": 3}
    match = re.search(r"each time to the (?:(second|third) )?nearest .* Which point is the (\d+)th,", row["question"])
    assert match
    step = nth[match[1] or "the"]
    assert ("farthest once there are fewer left" in row["question"]) == (step > 1)
    left, at = np.arange(1, len(far)), 0
    for _ in range(int(match[2]) - 1):
        order = left[np.argsort(far[at, left])]
        k = min(step, len(order)) - 1
        assert all(abs(far[at, order[j]] - far[at, order[k]]) > 1 for j in (k - 1, k + 1) if 0 <= j < len(order))
        at = int(order[k])
        left = left[left != at]
    return str(at + 1)


def signed(text: str) -> tuple[float, float]:
    match = re.fullmatch(r"([\d.]+)° ([NS]), ([\d.]+)° ([EW])", text)
    assert match, text
    return float(match[1]) * (1 if match[2] == "N" else -1), float(match[3]) * (1 if match[4] == "E" else -1)


def sailing(row: Row) -> str:
    match = re.search(
        r"starts at (.+) and sails .* bearing of (\d+)°\. .* plus 10 times the latitude .* after (\d+) legs\?",
        row["question"],
    )
    assert match
    at, course = vectors(np.array([signed(match[1])]))[0], float(match[2])
    for leg in range(int(match[3])):
        if leg:
            course += 10 * float(np.degrees(np.arcsin(at[2])))
        east = np.cross([0.0, 0.0, 1.0], at)
        east /= np.linalg.norm(east)
        ahead = np.cos(np.radians(course)) * np.cross(at, east) + np.sin(np.radians(course)) * east
        at = np.cos(1000 / RADIUS) * at + np.sin(1000 / RADIUS) * ahead
        at /= np.linalg.norm(at)
    offs = {}
    for choice in row["choices"]:
        offs[choice] = RADIUS * float(np.arccos(min(1.0, float(vectors(np.array([signed(choice)]))[0] @ at))))
    first, second = sorted(offs.values())[:2]
    assert first < 9, offs
    assert second > 45, offs
    return min(offs, key=offs.__getitem__)


GIVEN = {
    "tour": tour,
    "area": area,
    "round trip": round_trip,
    "network": network,
    "pairs within": pairs_within,
    "chain": chain,
    "sailing": sailing,
}
