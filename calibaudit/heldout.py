"""Audited items that tuning has not seen, and their halves: one to choose by, one to prove by."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.items import Task
from calibaudit.sftrows import Row


def without_seen(tasks: Sequence[Task], rows: Sequence[Row]) -> tuple[tuple[Task, ...], int]:
    """The tasks without the items whose question stands in a tuning row, and how many items that are."""
    raise NotImplementedError


def halves(tasks: Sequence[Task], seed: int) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """(advice, proof): two halves of every task's items that share no group."""
    raise NotImplementedError
