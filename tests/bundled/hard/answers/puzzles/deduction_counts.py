"""Readers of the largest counts of `deduction`: each by another way than the builder's, from the text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
from bundled.hard.answers.puzzles.deduction import NUMBERS, ORDINALS, Told, groups, names_of


def summed_out(factors: list[tuple[Any, list[int]]], n: int) -> str:
    """The sum over all cases of the product of the factors, each an array and the things that its axes stand for.

    One thing after the other is summed out, the one with the fewest beside it in factors first.
    """
    left = set(range(n))
    while left:
        around = {k: {axis for _, axes in factors if k in axes for axis in axes} for k in left}
        first = min(left, key=lambda k: (len(around[k]), k))
        left.remove(first)
        mine = sorted((factor for factor in factors if first in factor[1]), key=lambda factor: len(factor[1]))
        rest = sorted(around[first] - {first})
        product, seen = mine[0]
        for array, axes in mine[1:]:
            both = sorted({*seen, *axes})
            product, seen = np.einsum(product, seen, array, axes, both), both
        factors = [factor for factor in factors if first not in factor[1]]
        factors.append((np.einsum(product, seen, rest), rest))
    total = 1
    for array, _ in factors:
        total *= int(array)
    return str(total)


def colourings(told: Told, ask: str) -> str:
    """By summing out one country after the other."""
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
    return summed_out(factors, len(countries))


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

    n = len(people)
    # As bits, by person: who may come directly behind, and sets of which somebody must be placed already.
    mates = [sum(1 << k for k, two in enumerate(people) if (one, two) not in apart) | 1 << n for one in people]
    needs = [[sum(1 << people.index(other) for other in group) for group in behind[name]] for name in people]
    barred = [[(name, place) in nowhere for place in range(n)] for name in people]

    @cache
    def ways(left: int, after: int) -> int:
        if not left:
            return 1
        place, total = left.bit_count() - 1, 0
        for k in range(n):
            if left >> k & 1 and mates[k] >> after & 1 and not barred[k][place]:
                for group in needs[k]:
                    if group & left == group:
                        break
                else:
                    total += ways(left ^ 1 << k, k)
        return total

    return str(ways((1 << n) - 1, n))


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


def tilings(told: Told, ask: str) -> str:
    """Column by column, in an array with the number of ways for each set of rows that dominoes reach into."""
    rows = groups(r"The rows of a board, from top to bottom, are (.+); o is a square and x a hole", told[0])[0]
    board = rows.split(", ")
    assert 2 * int(groups(r"In how many different ways can (\d+) dominoes cover all squares .*", ask)[0]) == rows.count(
        "o"
    )
    height = len(board)
    taken = np.arange(2**height)
    ways = np.zeros(2**height, dtype=np.int64)
    ways[0] = 1
    for column in zip(*board, strict=True):
        for r, square in enumerate(column):
            free = taken & 1 << r == 0  # bit r: the square of row r in this column, and afterwards in the next
            after = np.zeros_like(ways)
            if square == "x":
                after[free] = ways[free]
            else:
                after[taken[free]] = ways[taken[free] | 1 << r]
                after[taken[free] | 1 << r] = ways[free]
                if r + 1 < height and column[r + 1] == "o":
                    both = free & (taken & 2 << r == 0)
                    after[taken[both] | 2 << r] += ways[both]
            assert after.max() < 2**60
            ways = after
    return str(int(ways[0]))


def formulas(told: Told, ask: str) -> str:
    """By summing out one switch after the other."""
    n, last = groups(r"Each of (\d+) switches, a to ([a-x]), is on or off", told[0])
    assert ord(last) - 96 == int(n)
    assert ask == f"How many of the 2^{n} positions of the switches are possible?"
    factors: list[tuple[Any, list[int]]] = []
    for text in told[2:]:
        kind, listing = groups(r"Of the three letters .*, (one or more are|exactly one is) true: (.+)", text)
        for trio in listing.split(", "):
            a, b, c = ([letter.islower(), letter.isupper()] for letter in trio)
            number = np.add.outer(np.add.outer(np.array(a, int), np.array(b, int)), np.array(c, int))
            true = number == 1 if kind.startswith("exactly") else number > 0
            factors.append((true.astype(np.int64), [ord(letter.lower()) - 97 for letter in trio]))
    return summed_out(factors, int(n))
