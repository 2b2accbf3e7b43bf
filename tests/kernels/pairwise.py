"""Few rows in which every two values of any two factors meet: most of the full cross's power at a fraction of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

Chosen = tuple[int, ...]
"""A row by the places of its values."""


def pairs_of(row: Chosen) -> set[tuple[tuple[int, int], ...]]:
    """Every two (factor, value) of the row."""
    return set(itertools.combinations(enumerate(row), 2))


def pairwise(*factors: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows with one value of each factor, in which any two values of different factors stand together at least once.

    Greedy: each time the first row of the full cross with the most pairs yet missing, so the rows are the same in
    every run. (Kuhn, Wallace and Gallo 2004: of the failures they studied, two factors at once bring about most.)
    """
    cross = list(itertools.product(*(range(len(factor)) for factor in factors)))
    missing = set().union(*map(pairs_of, cross))
    rows: list[Chosen] = []
    while missing:
        rows.append(max(cross, key=lambda row: len(missing & pairs_of(row))))
        missing -= pairs_of(rows[-1])
    return [tuple(factor[i] for factor, i in zip(factors, row, strict=True)) for row in rows]
