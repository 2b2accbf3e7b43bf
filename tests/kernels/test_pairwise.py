"""The choice of cases: every pair is there, few rows are, and they are the same every time."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pairwise import pairwise

FACTORS: list[list[list[Any]]] = [
    [[1, 2, 3], ["a", "b"]],
    [[None, 4.0], [1.0, 0.3], [False, True], [0, 3], [(1, 1, 1), (7, 5, 67), (17, 24, 75)], ["f", "b", "h"]],
    [[0, 1]] * 9,
    [["one"], [1, 2, 3, 4], ["x", "y"]],
    [[True, 1, 1.0], [None, 0]],  # equal values are values of their own
]


@pytest.mark.parametrize("factors", FACTORS, ids=lambda factors: "x".join(str(len(factor)) for factor in factors))
def test_every_two_values_stand_together(factors: list[list[Any]]) -> None:
    rows = pairwise(*factors)
    for (i, one), (j, other) in itertools.combinations(enumerate(factors), 2):
        for a, b in itertools.product(one, other):
            assert any(row[i] is a and row[j] is b for row in rows), (a, b)
    assert rows == pairwise(*factors)
    two_longest = sorted(map(len, factors))[-2:]
    assert two_longest[0] * two_longest[1] <= len(rows) <= 2 * two_longest[0] * two_longest[1]


def test_nothing_is_in_a_row_that_is_no_value() -> None:
    assert sorted(pairwise("ab", "cd")) == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]
