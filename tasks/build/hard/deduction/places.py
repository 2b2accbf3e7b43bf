"""All orders of a few people as bits of one number, and what two of them can be to each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import permutations


class Orders:
    """The n! ways to give n people the places 0 to n - 1; sets of them are numbers, a bit a way."""

    def __init__(self, n: int) -> None:
        self.n = n
        ways = list(permutations(range(n)))
        self.n_cases = len(ways)
        self.every = (1 << len(ways)) - 1
        rows = [[bytearray(len(ways)) for _ in range(n)] for _ in range(n)]
        for index, way in enumerate(ways):
            for person, place in enumerate(way):
                rows[person][place][index] = 1
        self.at = [[_packed(row) for row in own] for own in rows]
        """at[person][place]: the ways in which the person has the place."""

    def where(self, a: int, b: int, test: Callable[[int, int], bool]) -> int:
        """The ways in which the places of a and b pass the test."""
        found = 0
        for k in range(self.n):
            others = 0
            for m in range(self.n):
                if k != m and test(k, m):
                    others |= self.at[b][m]
            found |= self.at[a][k] & others
        return found

    def among(self, a: int, test: Callable[[int], bool]) -> int:
        """The ways in which the place of a passes the test."""
        found = 0
        for k in range(self.n):
            if test(k):
                found |= self.at[a][k]
        return found


def _packed(row: bytearray) -> int:
    return int(bytes(row[::-1]).translate(bytes.maketrans(b"\x00\x01", b"01")), 2)


@cache
def orders_of(n: int) -> Orders:
    return Orders(n)
