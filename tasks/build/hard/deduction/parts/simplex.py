"""The largest value of a sum under equations, exactly: the simplex method in whole numbers, by Bland's rule."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd

Row = list[int]
"""Factors of an equation, its total last. Only their ratios count, so each row is kept in lowest terms."""


def largest(goal: Sequence[int], rows: Sequence[Sequence[int]], totals: Sequence[int]) -> Fraction | None:
    """The largest goal . x with rows . x = totals and x >= 0; None if there is no such x. Totals are not negative.

    The unknowns must be bounded by the rows. Two phases: first the sum of one helper a row is brought down to 0.
    """
    n, m = len(goal), len(rows)
    table = [
        [*row, *(int(i == j) for j in range(m)), total] for i, (row, total) in enumerate(zip(rows, totals, strict=True))
    ]
    base = list(range(n, n + m))
    if _improved(table, base, [0] * n + [-1] * m, n + m) != 0:
        return None
    for i in range(m):  # helpers that stay, at 0, leave for any unknown of their row
        column = next((j for j in range(n) if table[i][j]), None)
        if base[i] >= n and column is not None:
            _pivot(table, base, i, column)
    kept = [i for i in range(m) if base[i] < n]
    table, base = [table[i] for i in kept], [base[i] for i in kept]
    return _improved(table, base, [*goal, *[0] * m], n)


def _improved(table: list[Row], base: list[int], goal: Sequence[int], n_usable: int) -> Fraction:
    """The largest value of the goal, reached from the table's corner by the first unknowns that are usable."""
    while True:
        weights = [(Fraction(goal[b], row[b]), row) for b, row in zip(base, table, strict=True) if goal[b]]
        worth = (
            j for j in range(n_usable) if j not in base and goal[j] > sum(w * row[j] for w, row in weights if row[j])
        )
        column = next(worth, None)
        if column is None:
            return sum((w * row[-1] for w, row in weights), Fraction())
        ratios = [(Fraction(row[-1], row[column]), base[i], i) for i, row in enumerate(table) if row[column] > 0]
        _pivot(table, base, min(ratios)[2], column)


def _pivot(table: list[Row], base: list[int], i: int, column: int) -> None:
    if table[i][column] < 0:
        table[i] = [-value for value in table[i]]
    own, pivot = table[i], table[i][column]
    for k, row in enumerate(table):
        if k != i and row[column]:
            factor = row[column]
            new = [value * pivot - factor * other for value, other in zip(row, own, strict=True)]
            shared = gcd(*new)
            table[k] = [value // shared for value in new]
    base[i] = column
