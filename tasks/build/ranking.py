"""Which distractors stand beside an answer, so that its form gives nothing away.

A builder makes a pool of wrong answers, the most plausible first. Taken as they come they would often put the right
answer in the middle, or make it the one that resembles all others. A `Chooser` takes the three that keep the answer's
ranks among its options even over the task, and among those the most plausible.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

N_CHOICES = 4
POOL = 12
"""Candidates looked at: 220 ways to take three."""

SHARE = 12
"""What an answer adds to its ranks; ties share it, and 12 is divisible by 1, 2, 3 and 4."""


def likeness(option: str, options: Sequence[str]) -> int:
    """How many characters an option has in common with the others, counted from either end. The odd one out is low."""
    return sum(
        sum(a == b for a, b in zip(option, other, strict=False))
        + sum(a == b for a, b in zip(reversed(option), reversed(other), strict=False))
        - abs(len(option) - len(other))
        for other in options
        if other != option
    )


def number(option: str) -> Fraction:
    """The first number of a text: '7/12', '-3', '0.25', '4 weeks', '80%'. Raises ValueError if there is none."""
    return Fraction(option.split()[0].rstrip("%"))


class Chooser:
    """Chooses distractors; remembers the ranks that answers had so far, for the whole task and each topic.

    value: what the options are compared by besides length, alphabet and likeness; None for no such order.
    """

    def __init__(self, rng: random.Random, value: Callable[[str], Any] | None = None) -> None:
        self._rng = rng
        self._keys: list[tuple[int, Callable[[str, Sequence[str]], Any]]] = [
            (3, lambda option, _: len(option)),
            (3, likeness),
            (2, lambda option, _: option),
        ]
        if value is not None:
            self._keys.append((4, lambda option, _: value(option)))
        self._counts: dict[Hashable, list[int]] = {}

    def choose(self, topic: str, answer: str, pool: Sequence[str], keep: int = POOL) -> tuple[str, ...]:
        """Three texts of pool. Those that repeat the answer or each other are left out; at most `keep` are looked at.

        Raises ValueError when fewer than three are left.
        """
        candidates: list[str] = []
        for option in pool:
            if option != answer and option not in candidates:
                candidates.append(option)
        candidates = candidates[:keep]
        if len(candidates) < N_CHOICES - 1:
            raise ValueError(f"{len(candidates)} distractors for {answer!r}: {candidates}")
        triples = [[candidates[i] for i in chosen] for chosen in combinations(range(len(candidates)), N_CHOICES - 1)]
        costs = []
        for triple in triples:
            doubt = sum(candidates.index(option) for option in triple)
            costs.append((10 * self._cost(topic, self._shares(answer, triple)) + 40 * doubt, self._rng.random()))
        picked = triples[costs.index(min(costs))]
        picked_shares = self._shares(answer, picked)
        for index, share in enumerate(picked_shares):
            for scope in ("", topic):
                counts = self._counts.setdefault((scope, index), [0] * N_CHOICES)
                for rank, part in enumerate(share):
                    counts[rank] += part
        return tuple(picked)

    def _shares(self, answer: str, distractors: Sequence[str]) -> list[list[int]]:
        """For each key, how much of the answer stands at each of the four ranks."""
        options = [answer, *distractors]
        shares = []
        for _, key in self._keys:
            values = [key(option, options) for option in options]
            below = sum(value < values[0] for value in values)
            same = sum(value == values[0] for value in values)
            shares.append([SHARE // same if below <= rank < below + same else 0 for rank in range(N_CHOICES)])
        return shares

    def _cost(self, topic: str, shares: Sequence[Sequence[int]]) -> int:
        """High when the answer would stand where answers stood often before."""
        cost = 0
        for index, ((weight, _), share) in enumerate(zip(self._keys, shares, strict=True)):
            for scope, scale in (("", 1), (topic, 2)):
                counts = self._counts.get((scope, index), [0] * N_CHOICES)
                least = min(counts)
                excess = sum(part * (count - least) for part, count in zip(share, counts, strict=True))
                cost += weight * scale * excess // SHARE
        return cost
