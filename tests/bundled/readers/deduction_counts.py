"""Readers of the largest counts of `deduction`: each by another way than the builder's, from the text."""

from __future__ import annotations

import re
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
from bundled.readers.deduction import NUMBERS, ORDINALS, Told, groups, names_of


def colourings(told: Told, ask: str) -> str:
    """By summing out one country after the other, the one with the fewest open borders first, over NumPy arrays."""
    n, last, listing = groups(r"Each of (\d+) countries, A to ([A-Z]), is coloured (.+); not all .*", told[0])
    colours = re.split(", | or ", listing)
    countries = [chr(ord("A") + k) for k in range(int(n))]
    assert countries[-1] == last
    borders = groups(r"The pairs of countries with a common border are (.+)", told[1])[0].split(", ")
    assert len(set(borders)) == len(borders)
    unequal = 1 - np.eye(len(colours), dtype=np.int64)
    factors: list[tuple[Any, list[int]]] = [(unequal, [countries.index(a), countries.index(b)]) for a, b in borders]
    bans = re.findall(r"([A-Z]) is not (\w+)", told[3])
    assert told[3].count(" is not ") == len(bans)
    for country, colour in bans:
        allowed = np.array([own != colour for own in colours], dtype=np.int64)
        factors.append((allowed, [countries.index(country)]))
    assert ask == f"In how many different ways can the {n} countries be coloured?"
    left = set(range(len(countries)))
    while left:
        around = {k: {axis for _, axes in factors if k in axes for axis in axes} for k in left}
        first = min(left, key=lambda k: (len(around[k]), k))
        left.remove(first)
        mine = [factor for factor in factors if first in factor[1]]
        rest = sorted(around[first] - {first})
        product, seen = mine[0]
        for array, axes in mine[1:]:
            both = sorted({*seen, *axes})
            product, seen = np.einsum(product, seen, array, axes, both), both
        factors = [factor for factor in factors if first not in factor[1]]
        factors.append((np.einsum(product, seen, rest), rest))
    return str(int(np.prod([int(array) for array, _ in factors])))


def queues(told: Told, ask: str) -> str:
    """Filled from the last place to the first, by the set of people still to be placed and the one just placed."""
    people = names_of(told[0].partition(" stand ")[0])
    clues = told[2:]
    assert groups(r"In how many different orders can the (\w+) stand\?", ask) == (NUMBERS[len(people)],)
    behind: dict[str, list[tuple[str, ...]]] = {name: [] for name in people}  # one of each must be placed already
    apart, nowhere = set(), set()
    for text in clues:
        if match := re.fullmatch(r"(\w+) is not next to (\w+)", text):
            apart |= {match.groups(), match.groups()[::-1]}
        elif match := re.fullmatch(r"(\w+) is before (\w+) or before (\w+), or before both", text):
            behind[match[1]].append((match[2], match[3]))
        elif match := re.fullmatch(r"(\w+) is before (\w+)", text):
            behind[match[1]].append((match[2],))
        else:
            name, ordinal = groups(r"(\w+) is not (\w+)", text)
            nowhere.add((name, ORDINALS.index(ordinal)))

    @cache
    def ways(left: frozenset[str], after: str) -> int:
        if not left:
            return 1
        place = len(left) - 1
        return sum(
            ways(left - {name}, name)
            for name in left
            if (name, after) not in apart
            and (name, place) not in nowhere
            and all(any(other not in left for other in group) for group in behind[name])
        )

    return str(ways(frozenset(people), ""))


def visits(told: Told, ask: str) -> str:
    """By inclusion and exclusion over the sets of towns that walks of the right length keep away from."""
    n = int(groups(r"Roads .* these pairs of the (\d+) towns A to [A-Z]: .*", told[0])[0])
    roads = re.findall(r"\b([A-Z])([A-Z])\b", told[0].partition(": ")[2])
    assert groups(r"How many .* from A to ([A-Z]) and visit every town exactly once\?", ask)[0] == chr(64 + n)
    beside = np.zeros((n, n))
    for a, b in roads:
        beside[ord(a) - 65, ord(b) - 65] = beside[ord(b) - 65, ord(a) - 65] = 1
    sets = np.arange(2 ** (n - 2))
    inside = np.ones((len(sets), n))
    inside[:, 1:-1] = sets[:, None] >> np.arange(n - 2) & 1
    walks = np.zeros((len(sets), n))
    walks[:, 0] = 1
    for _ in range(n - 1):
        walks = walks @ beside * inside
    signs = (-1.0) ** (n - inside.sum(axis=1))
    assert walks.max() < 2**50
    return str(sum(int(sign) * int(count) for sign, count in zip(signs, walks[:, -1], strict=True)))


def _orders(n: int) -> Any:
    return np.array(list(permutations(range(1, n))), dtype=np.int8)


@cache
def _round_trips(n: int) -> Any:
    """All tours from place 0, each in one of its two directions."""
    orders = _orders(n - 1)
    # The last place is put in at every gap of the tours of the others.
    parts = [np.insert(orders, k, n - 1, axis=1) for k in range(orders.shape[1] + 1)]
    tours = np.concatenate(parts)
    return tours[tours[:, 0] < tours[:, -1]]


def tours(told: Told, ask: str) -> str:
    """By trying all round trips."""
    listing = re.findall(r"([A-Z])([A-Z]) (\d+)", told[0])
    n = int(groups(r"A round trip .* each of the (\d+) places A to [A-Z] once and returns to A", told[1])[0])
    assert len(listing) == n * (n - 1) // 2
    assert ask == "How long is the shortest round trip?"
    far = np.zeros((n, n), dtype=np.int16)
    for a, b, distance in listing:
        far[ord(a) - 65, ord(b) - 65] = far[ord(b) - 65, ord(a) - 65] = int(distance)
    trips = _round_trips(n)
    length = far[0, trips[:, 0]] + far[trips[:, -1], 0]
    for k in range(n - 2):
        length += far[trips[:, k], trips[:, k + 1]]
    return str(length.min())


def tilings(told: Told, ask: str) -> str:
    """Row by row: all ways to fill a row, given the squares that dominoes from above reach into."""
    rows = groups(r"The rows of a board, from top to bottom, are (.+); o is a square and x a hole", told[0])[0]
    board = rows.split(", ")
    number = int(groups(r"In how many different ways can (\d+) dominoes cover all squares .*", ask)[0])
    assert 2 * number == rows.count("o")

    def filled(free: str, below: str) -> list[str]:
        """What of the next row is taken, by the ways to fill the free squares (o) of a row."""
        if not free:
            return [""]
        found = []
        if free[0] == "x":
            return [below[0] + rest for rest in filled(free[1:], below[1:])]
        if below[0] == "o":
            found += ["x" + rest for rest in filled(free[1:], below[1:])]
        if free[:2] == "oo":
            found += [below[:2] + rest for rest in filled(free[2:], below[2:])]
        return found

    cached = cache(filled)
    ways = {board[0]: 1}
    for below in [*board[1:], "x" * len(board[0])]:
        after: dict[str, int] = {}
        for free, count in ways.items():
            for rest in cached(free, below):
                after[rest] = after.get(rest, 0) + count
        ways = after
    return str(sum(ways.values()))


def formulas(told: Told, ask: str) -> str:
    """In an array with one axis a switch."""
    n = int(groups(r"Each of (\d+) switches, a to r, is on or off", told[0])[0])
    assert ask == f"How many of the 2^{n} positions of the switches are possible?"
    left = np.ones((2,) * n, dtype=bool)
    for text in told[2:]:
        kind, listing = groups(r"Of the three letters .*, (one or more are|exactly one is) true: (.+)", text)
        for trio in listing.split(", "):
            true = np.zeros((2,) * n, dtype=np.int8)
            for letter in trio:
                shape = [1] * n
                shape[ord(letter.lower()) - 97] = 2
                true = true + np.array([letter.islower(), letter.isupper()], dtype=np.int8).reshape(shape)
            left &= true == 1 if kind.startswith("exactly") else true > 0
    return str(int(left.sum()))
